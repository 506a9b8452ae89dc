/* SPDX-License-Identifier: ISC */
/* Memory for what lives neither in an arena nor in a buf: the tables of PURE rooms that grow and shrink for the life of a process. The owner
 * frees what it was given; NULL means that there is no memory, which every caller must expect. No bound of its own: whoever keeps such a
 * table bounds what goes into it. Rooms that are not PURE may call the C library instead. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* size > 0 bytes, not zeroed; NULL without memory. */
void *memory_alloc(size_t size);
/* count zeroed elements; NULL without memory, also when count * size wraps. */
void *memory_zeroed(size_t count, size_t size);
/* As realloc: NULL leaves the old memory as it is. */
void *memory_grow(void *old, size_t size);
/* NULL is harmless. */
void memory_free(void *memory);

#endif
