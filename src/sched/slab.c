/* SPDX-License-Identifier: ISC */
#include "sched/slab.h"

#include <assert.h>

void slab_init(struct slab *s, size_t item_size)
{
    assert(item_size >= sizeof(uint32_t));
    *s = (struct slab){.item_size = item_size};
}

void slab_deinit(struct slab *s)
{
    for (size_t i = 0; i < s->chunk_count; i++)
        memory_free(s->chunks[i]);
    memory_free(s->chunks);
    *s = (struct slab){.item_size = s->item_size};
}

static bool chunk_add(struct slab *s)
{
    if (s->chunk_count == s->chunk_cap) {
        size_t cap = s->chunk_cap ? s->chunk_cap * 2 : 16;
        char **chunks = memory_grow(s->chunks, cap * sizeof *chunks);
        if (!chunks)
            return false;
        s->chunks = chunks;
        s->chunk_cap = cap;
    }
    char *chunk = memory_zeroed(SLAB_CHUNK, s->item_size);
    if (!chunk)
        return false;
    s->chunks[s->chunk_count++] = chunk;
    return true;
}

uint32_t slab_alloc(struct slab *s)
{
    uint32_t handle = s->free_head;
    if (handle) {
        memcpy(&s->free_head, slab_at(s, handle), sizeof s->free_head);
        memset(slab_at(s, handle), 0, s->item_size);
    } else {
        if (s->used == s->chunk_count * SLAB_CHUNK && (s->used > UINT32_MAX - SLAB_CHUNK || !chunk_add(s)))
            return 0;
        handle = ++s->used;
    }
    s->count++;
    return handle;
}

void slab_free(struct slab *s, uint32_t handle)
{
    assert(handle != 0 && handle <= s->used);
    memset(slab_at(s, handle), 0, s->item_size);
    memcpy(slab_at(s, handle), &s->free_head, sizeof s->free_head);
    s->free_head = handle;
    s->count--;
}
