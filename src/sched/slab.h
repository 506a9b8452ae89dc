/* SPDX-License-Identifier: ISC */
/* Many small things of one size, named by 32-bit handles instead of pointers: half the memory, and a stale handle can be told from a live one by whoever keeps a
 * state in the thing. Grows in chunks that never move; freed things are used again. Handle 0 is nothing. Owned by its user.
 * A free thing is zeros but for its first four bytes, so what tells a live one from a free one must not lie there. */
#ifndef SCHED_SLAB_H
#define SCHED_SLAB_H

#include "base/base.h"

#define SLAB_CHUNK 1024u

struct slab {
    char **chunks;
    size_t chunk_count, chunk_cap;
    size_t item_size; /* at least 4: a free item holds the next free handle */
    uint32_t used;    /* handles ever given out */
    uint32_t free_head;
    uint32_t count; /* alive */
};

void slab_init(struct slab *s, size_t item_size);
void slab_deinit(struct slab *s);
/* A zeroed item; 0 without memory. */
uint32_t slab_alloc(struct slab *s);
void slab_free(struct slab *s, uint32_t handle);

static inline void *slab_at(const struct slab *s, uint32_t handle)
{
    uint32_t i = handle - 1;
    return s->chunks[i / SLAB_CHUNK] + (size_t)(i % SLAB_CHUNK) * s->item_size;
}

#endif
