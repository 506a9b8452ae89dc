/* SPDX-License-Identifier: ISC */
/* Messages: the slab, and the hash from queue id to handle. Ids are drawn in order by us, so a fixed mixing function is enough: no peer chooses them. */
#include "sched/index.h"

#include <assert.h>

#include "sched/state.h"

#define BY_ID_FIRST 1024u

static uint32_t id_slot(const struct sched *s, uint64_t id)
{
    uint64_t h = id * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32) & (s->by_id_cap - 1);
}

/* The slot of the id, or the empty one where it would be. */
static uint32_t id_probe(const struct sched *s, uint64_t id)
{
    uint32_t at = id_slot(s, id);
    while (s->by_id[at] && sched_message(s, s->by_id[at])->id != id)
        at = (at + 1) & (s->by_id_cap - 1);
    return at;
}

static enum err by_id_grow(struct sched *s)
{
    uint32_t old_cap = s->by_id_cap;
    uint32_t *old = s->by_id;
    uint32_t *bigger = memory_zeroed((size_t)old_cap * 2, sizeof *bigger);
    if (!bigger)
        return ERR_NOMEM;
    s->by_id = bigger;
    s->by_id_cap = old_cap * 2;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i])
            s->by_id[id_probe(s, sched_message(s, old[i])->id)] = old[i];
    }
    memory_free(old);
    return ERR_OK;
}

/* Deletion without tombstones: those that follow in the cluster move up where they may. */
static void by_id_delete(struct sched *s, uint64_t id)
{
    uint32_t mask = s->by_id_cap - 1;
    uint32_t hole = id_probe(s, id);
    if (!s->by_id[hole])
        return;
    for (uint32_t at = (hole + 1) & mask; s->by_id[at]; at = (at + 1) & mask) {
        uint32_t home = id_slot(s, sched_message(s, s->by_id[at])->id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            s->by_id[hole] = s->by_id[at];
            hole = at;
        }
    }
    s->by_id[hole] = 0;
}

static void heap_moved(void *ctx, uint32_t name, uint32_t at)
{
    struct sched *s = ctx;
    if (name & HEAP_DESTINATION)
        sched_destination(s, name & ~HEAP_DESTINATION)->heap_at = at;
    else
        sched_part(s, name)->heap_at = at;
}

enum err sched_open(const struct sched_options *o, struct hash_key key, struct sched **s_r)
{
    struct sched *s = memory_zeroed(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->by_id = memory_zeroed(BY_ID_FIRST, sizeof *s->by_id);
    if (!s->by_id) {
        memory_free(s);
        return ERR_NOMEM;
    }
    assert(o->retry_count > 0);
    s->options = *o;
    s->by_id_cap = BY_ID_FIRST;
    slab_init(&s->messages, sizeof(struct sched_message));
    slab_init(&s->parts, sizeof(struct sched_part));
    slab_init(&s->destinations, sizeof(struct sched_destination));
    reasons_init(&s->reasons, key);
    heap_init(&s->waiting, heap_moved, s);
    table_init(&s->destination_by_key, key, false, UINT32_MAX / 2);
    *s_r = s;
    return ERR_OK;
}

void sched_close(struct sched **s_p)
{
    struct sched *s = *s_p;
    if (!s)
        return;
    for (uint32_t i = 1; i <= s->parts.used; i++) {
        struct sched_part *p = slab_at(&s->parts, i);
        if (p->state && p->many)
            memory_free(p->recipients.list);
    }
    for (uint32_t i = 1; i <= s->destinations.used; i++) {
        struct sched_destination *d = slab_at(&s->destinations, i);
        memory_free(d->levels);
        memory_free(d->key);
    }
    table_deinit(&s->destination_by_key);
    heap_deinit(&s->waiting);
    reasons_deinit(&s->reasons);
    slab_deinit(&s->destinations);
    slab_deinit(&s->parts);
    slab_deinit(&s->messages);
    memory_free(s->by_id);
    memory_free(s);
    *s_p = NULL;
}

struct sched_message *sched_message(const struct sched *s, uint32_t handle)
{
    assert(handle && handle <= s->messages.used);
    return slab_at(&s->messages, handle);
}

uint32_t sched_message_find(const struct sched *s, uint64_t id)
{
    return s->by_id[id_probe(s, id)];
}

uint32_t sched_message_count(const struct sched *s)
{
    return s->messages.count;
}

enum err sched_message_add(struct sched *s, const struct sched_message *m, uint32_t *handle_r)
{
    uint32_t at = id_probe(s, m->id);
    if (s->by_id[at]) {
        *handle_r = s->by_id[at];
        return ERR_EXISTS;
    }
    if (s->messages.count >= s->by_id_cap / 2) {
        if (by_id_grow(s) != ERR_OK)
            return ERR_NOMEM;
        at = id_probe(s, m->id);
    }
    uint32_t handle = slab_alloc(&s->messages);
    if (!handle)
        return ERR_NOMEM;
    *sched_message(s, handle) = *m;
    sched_message(s, handle)->first_part = 0;
    s->by_id[at] = handle;
    *handle_r = handle;
    return ERR_OK;
}

void sched_message_remove(struct sched *s, uint32_t handle)
{
    struct sched_message *m = sched_message(s, handle);
    assert(m->first_part == 0);
    by_id_delete(s, m->id);
    slab_free(&s->messages, handle);
}

uint32_t sched_message_next(const struct sched *s, uint32_t after)
{
    for (uint32_t h = after + 1; h <= s->messages.used; h++) {
        const struct sched_message *m = slab_at(&s->messages, h);
        if (m->arrival_s != 0 && m->id != 0)
            return h;
    }
    return 0;
}

uint32_t sched_jobs(const struct sched *s)
{
    return s->leased;
}

uint32_t sched_held(const struct sched *s)
{
    return s->held;
}

uint32_t sched_destination_count(const struct sched *s)
{
    return s->destinations.count;
}
