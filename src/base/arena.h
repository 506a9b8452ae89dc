/* SPDX-License-Identifier: ISC */
/* An arena holds what lives and dies together: a configuration, a session, a transaction, a loop turn. Allocation is a pointer's
 * step; there is no free but for all at once. Every arena has a maximum: at it, allocation answers NULL, and the caller turns that
 * into a 452 or 421 for that session. Pointers may go from shorter-lived to longer-lived, never back. Under AddressSanitizer
 * each allocation is a malloc of its own, so that overruns are seen. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/buf.h"
#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out */
    size_t max;
};

/* max in bytes, > 0. Allocates nothing yet. */
void arena_init(struct arena *a, size_t max);
/* Gives all memory back; the arena may be used again with the same max. */
void arena_reset(struct arena *a);
void arena_deinit(struct arena *a);

/* Zeroed memory, aligned for any type; NULL at the maximum or without memory. size may be 0. */
void *arena_alloc(struct arena *a, size_t size);
/* An array of count elements; NULL also when count * size wraps. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy of s with a NUL after it (not counted). ERR_NOMEM. */
must_check enum err arena_copy(struct arena *a, slice s, slice *copy_r);
/* printf into the arena; ERR_NOMEM. */
must_check enum err arena_printf(struct arena *a, slice *text_r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
