/* SPDX-License-Identifier: ISC */
/* Final recipients, gathered over a transaction's RCPTs. Each mailbox gets a message once, however many of the recipients lead to it. */
#include "proc/receiver/state.h"

#define RECIPIENTS_MAX 100000u

static enum err grow(struct arena *arena, void *array, uint32_t count, uint32_t *cap, size_t size)
{
    void *old;
    memcpy(&old, array, sizeof(old));
    if (count < *cap)
        return ERR_OK;
    uint32_t more = *cap ? 2 * *cap : 1;
    void *grown = arena_array(arena, more, size);
    if (!grown)
        return ERR_NOMEM;
    if (count > 0)
        memcpy(grown, old, count * size);
    memcpy(array, &grown, sizeof(grown));
    *cap = more;
    return ERR_OK;
}

static enum err part_new(struct transaction *t, const struct route_list *list, struct part **part_r)
{
    enum err e = grow(&t->arena, &t->parts, t->part_count, &t->part_cap, sizeof(*t->parts));
    if (e != ERR_OK)
        return e;
    struct part *p = &t->parts[t->part_count++];
    *p = (struct part){.list = list};
    *part_r = p;
    return ERR_OK;
}

static bool is_same_target(const struct recipient *a, const struct recipient *b)
{
    return b->kind == RECIPIENT_ALIAS_TARGET && a->index == b->index && slice_equal(a->key, b->key) &&
           slice_equal(a->table, b->table);
}

/* The table is begun with the second recipient: most messages have one. */
static enum err note_seen(struct receiver *r, struct transaction *t, const struct recipient *x, bool *before_r)
{
    struct part *p = &t->parts[0];
    if (p->count == 0) {
        *before_r = false;
        return ERR_OK;
    }
    if (x->kind == RECIPIENT_ALIAS_TARGET) {
        *before_r = false;
        for (uint32_t i = 0; i < p->count && !*before_r; i++)
            *before_r = is_same_target(x, &p->recipients[i]);
        return ERR_OK;
    }
    if (t->seen.max == 0) {
        table_init(&t->seen, r->start->hash_key, false, RECIPIENTS_MAX);
        const struct recipient *first = &p->recipients[0];
        if (first->kind == RECIPIENT_ADDRESS && table_put(&t->seen, first->address, t) != ERR_OK)
            return ERR_NOMEM;
    }
    *before_r = table_get(&t->seen, x->address) != NULL;
    return *before_r ? ERR_OK : table_put(&t->seen, x->address, t);
}

static enum err add_own(struct receiver *r, struct transaction *t, const struct resolve_group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        bool before = false;
        enum err e = note_seen(r, t, &g->recipients[i], &before);
        if (before)
            continue;
        struct part *p = &t->parts[0];
        if (e == ERR_OK)
            e = grow(&t->arena, &p->recipients, p->count, &p->cap, sizeof(*p->recipients));
        if (e != ERR_OK)
            return e;
        p->recipients[p->count++] = g->recipients[i];
    }
    return ERR_OK;
}

/* A list named twice has the same members. */
static enum err add_list(struct transaction *t, const struct resolve_group *g)
{
    for (uint32_t i = 1; i < t->part_count; i++)
        if (t->parts[i].list == g->list)
            return ERR_OK;
    struct part *p;
    enum err e = part_new(t, g->list, &p);
    if (e != ERR_OK)
        return e;
    p->recipients = g->recipients;
    p->count = p->cap = (uint32_t)g->count;
    return ERR_OK;
}

enum err parts_add(struct receiver *r, struct transaction *t, const struct resolve_result *result)
{
    struct part *first;
    enum err e = t->part_count == 0 ? part_new(t, NULL, &first) : ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < result->group_count; i++) {
        const struct resolve_group *g = &result->groups[i];
        e = g->list ? add_list(t, g) : add_own(r, t, g);
    }
    return e;
}
