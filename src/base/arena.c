/* SPDX-License-Identifier: ISC */
#include "base/arena.h"

#include "base/base.h"

#include <assert.h>
#include <stdalign.h>

#define ALIGNMENT alignof(max_align_t)
#define SMALLEST_BLOCK (1024 - sizeof(struct arena_block)) /* what the C library keeps at hand for each thread */
#define LARGEST_BLOCK 16384

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ONE_BLOCK_EACH 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ONE_BLOCK_EACH 1
#endif
#ifndef ARENA_ONE_BLOCK_EACH
#define ARENA_ONE_BLOCK_EACH 0
#endif

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t max)
{
    assert(max > 0);
    *a = (struct arena){.max = max};
}

void arena_reset(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        a->blocks = block->next;
        free(block);
    }
    a->used = 0;
}

void arena_deinit(struct arena *a)
{
    arena_reset(a);
}

/* A block that holds at least size bytes; the newest one stays first while it has more room left than the new one will have. */
static struct arena_block *add_block(struct arena *a, size_t size)
{
    size_t block_size = a->used < SMALLEST_BLOCK ? SMALLEST_BLOCK : a->used;
    if (block_size > LARGEST_BLOCK)
        block_size = LARGEST_BLOCK;
    if (block_size < size || ARENA_ONE_BLOCK_EACH)
        block_size = size;
    if (block_size > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = malloc(sizeof(*block) + block_size);
    if (!block)
        return NULL;
    *block = (struct arena_block){.size = block_size};
    struct arena_block *first = a->blocks;
    if (first && first->size - first->used > block_size - size) {
        block->next = first->next;
        first->next = block;
    } else {
        block->next = first;
        a->blocks = block;
    }
    return block;
}

static void *take(struct arena *a, size_t size)
{
    if (size > a->max - a->used)
        return NULL;
    /* nothing, too, gets an address of its own */
    size_t step = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (step < size)
        return NULL;
    struct arena_block *block = a->blocks;
    if (ARENA_ONE_BLOCK_EACH)
        block = add_block(a, size);
    else if (!block || step > block->size - block->used)
        block = add_block(a, step);
    if (!block)
        return NULL;
    void *bytes = block->bytes + block->used;
    block->used += ARENA_ONE_BLOCK_EACH ? size : step;
    a->used = step > a->max - a->used ? a->max : a->used + step;
    return bytes;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *bytes = take(a, size);
    return bytes ? memset(bytes, 0, size) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(a, total);
}

enum err arena_copy(struct arena *a, slice s, slice *copy_r)
{
    char *copy = s.len == SIZE_MAX ? NULL : take(a, s.len + 1);
    if (!copy)
        return ERR_NOMEM;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    *copy_r = slice_of(copy, s.len);
    return ERR_OK;
}

enum err arena_printf(struct arena *a, slice *text_r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (!text)
        return ERR_NOMEM;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    *text_r = slice_of(text, (size_t)len);
    return ERR_OK;
}
