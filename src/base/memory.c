/* SPDX-License-Identifier: ISC */
#include "base/memory.h"

#include <stdlib.h>

void *memory_alloc(size_t size)
{
    return malloc(size);
}

void *memory_zeroed(size_t count, size_t size)
{
    return calloc(count, size);
}

void *memory_grow(void *old, size_t size)
{
    return realloc(old, size);
}

void memory_free(void *memory)
{
    free(memory);
}
