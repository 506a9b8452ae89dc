/* SPDX-License-Identifier: ISC */
/* Final recipients, gathered over a transaction's RCPTs. Each mailbox gets a message once, however many of the recipients lead to it. What the sender wants to hear of each (RFC 3461)
 * goes along; an address that becomes others is answered by a recipient that is nobody: RECIPIENT_NOTICE. */
#include "proc/receiver/state.h"

#define RECIPIENTS_MAX 100000u
/* Of a message's head, for its recipients: what is left is for the rest of it. */
#define HEAD_BYTES (SPOOL_HEAD_MAX - (256u << 10))
#define RECIPIENT_COST 32u /* lengths, tags and numbers beside the texts */

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

/* A place in part 0, as a table keeps it. */
static void *place_of(uint32_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

static enum err find_target(const struct part *p, const struct recipient *x, uint32_t *before_r)
{
    for (uint32_t i = 0; i < p->count && *before_r == UINT32_MAX; i++)
        if (is_same_target(x, &p->recipients[i]))
            *before_r = i;
    return ERR_OK;
}

/* *before_r is where it is already, or UINT32_MAX. The table is begun with the second recipient: most messages have one. */
static enum err note_seen(struct receiver *r, struct transaction *t, const struct recipient *x, uint32_t *before_r)
{
    struct part *p = &t->parts[0];
    *before_r = UINT32_MAX;
    if (p->count == 0)
        return ERR_OK;
    if (x->kind == RECIPIENT_ALIAS_TARGET)
        return find_target(p, x, before_r);
    if (t->seen.max == 0) {
        table_init(&t->seen, r->start->hash_key, false, RECIPIENTS_MAX);
        for (uint32_t i = 0; i < p->count; i++)
            if (p->recipients[i].kind == RECIPIENT_ADDRESS &&
                table_put(&t->seen, p->recipients[i].address, place_of(i)) != ERR_OK)
                return ERR_NOMEM;
    }
    uintptr_t place = (uintptr_t)table_get(&t->seen, x->address);
    if (place)
        *before_r = (uint32_t)(place - 1);
    return place ? ERR_OK : table_put(&t->seen, x->address, place_of(p->count));
}

/* Two recipients have become one: it is reported if either wanted it. NOTIFY=NEVER wants nothing; without NOTIFY a failure is told. */
static void notify_join(struct recipient *kept, const struct recipient *x)
{
    if (kept->notify == x->notify)
        return;
    unsigned a = kept->notify ? kept->notify : NOTIFY_FAILURE, b = x->notify ? x->notify : NOTIFY_FAILURE;
    unsigned both = (a | b) & ~(unsigned)NOTIFY_NEVER;
    kept->notify = (uint8_t)(both ? both : NOTIFY_NEVER);
    if (kept->orcpt.len == 0)
        kept->orcpt = x->orcpt;
}

static enum err add_recipient(struct transaction *t, const struct recipient *x)
{
    struct part *p = &t->parts[0];
    enum err e = grow(&t->arena, &p->recipients, p->count, &p->cap, sizeof(*p->recipients));
    if (e == ERR_OK)
        p->recipients[p->count++] = *x;
    return e;
}

static enum err add_own(struct receiver *r, struct transaction *t, const struct resolve_group *g, uint8_t notify)
{
    for (size_t i = 0; i < g->count; i++) {
        uint32_t before;
        struct recipient x = g->recipients[i];
        x.notify = notify;
        x.orcpt = t->rcpt_orcpt;
        enum err e = note_seen(r, t, &x, &before);
        if (e == ERR_OK && before != UINT32_MAX)
            notify_join(&t->parts[0].recipients[before], &x);
        else if (e == ERR_OK)
            e = add_recipient(t, &x);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* A list named twice has the same members. RFC 3461 section 5.2.7.1: nothing of what the sender wanted goes on to them; their failures are told to the list's owner, who is
 * their reverse-path. */
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
    for (uint32_t i = 0; i < p->count; i++)
        p->recipients[i].notify = NOTIFY_FAILURE;
    return ERR_OK;
}

/* Addresses and lists that a recipient became; members of lists are the lists' own affair. */
static size_t count_targets(const struct resolve_result *result)
{
    size_t count = 0;
    for (size_t i = 0; i < result->group_count; i++) {
        const struct resolve_group *g = &result->groups[i];
        if (!g->inner)
            count += g->list ? 1 : g->count;
    }
    return count;
}

static bool noticed_before(const struct part *p, const struct recipient *x)
{
    for (uint32_t i = 0; i < p->count; i++) {
        const struct recipient *r = &p->recipients[i];
        if (r->kind == RECIPIENT_NOTICE && slice_equal(r->address, x->address) && slice_equal(r->original, x->original))
            return true;
    }
    return false;
}

/* "expanded" for the alias with several targets (RFC 3461 section 5.2.7.3 c), "delivered" for the list (section 5.2.7.1). */
static enum err add_notice(struct transaction *t, const struct resolve_result *result, bool several)
{
    struct recipient notice = {.address = t->rcpt,
                               .orcpt = t->rcpt_orcpt,
                               .index = several ? DSN_EXPANDED : DSN_DELIVERED,
                               .kind = RECIPIENT_NOTICE,
                               .notify = NOTIFY_SUCCESS};
    if (!several && !slice_equal_nocase(result->groups[0].list->address, t->rcpt)) {
        notice.address = result->groups[0].list->address;
        notice.original = t->rcpt;
    }
    return noticed_before(&t->parts[0], &notice) ? ERR_OK : add_recipient(t, &notice);
}

/* Section 5.2.7.2: an alias with one target hands on what it was given. Section 5.2.7.3 c: of several none answers for all, so SUCCESS is taken out; who wanted nothing but that
 * wants nothing now. */
static uint8_t notify_of_targets(uint8_t notify, bool several)
{
    if (!several || !(notify & NOTIFY_SUCCESS))
        return notify;
    notify = (uint8_t)(notify & ~NOTIFY_SUCCESS);
    return notify ? notify : NOTIFY_NEVER;
}

enum err parts_add(struct receiver *r, struct transaction *t, const struct resolve_result *result)
{
    struct part *first;
    bool several = count_targets(result) > 1;
    uint8_t notify = notify_of_targets(t->rcpt_notify, several);
    enum err e = t->part_count == 0 ? part_new(t, NULL, &first) : ERR_OK;
    if (e == ERR_OK && t->rcpt_notify & NOTIFY_SUCCESS && (several || result->groups[0].list))
        e = add_notice(t, result, several);
    for (size_t i = 0; e == ERR_OK && i < result->group_count; i++) {
        const struct resolve_group *g = &result->groups[i];
        e = g->list ? add_list(t, g) : add_own(r, t, g, notify);
    }
    return e;
}

/* How many of them one head takes; at least one. */
static uint32_t fitting(const struct part *p)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct recipient *r = &p->recipients[i];
        bytes += RECIPIENT_COST + r->address.len + r->original.len + r->orcpt.len + r->table.len + r->key.len;
        if (bytes > HEAD_BYTES && i > 0)
            return i;
    }
    return p->count;
}

enum err parts_split(struct transaction *t)
{
    /* the rest is a part at the end, which may be split in its turn */
    for (uint32_t i = 0; i < t->part_count; i++) {
        uint32_t fit = fitting(&t->parts[i]);
        if (fit == t->parts[i].count)
            continue;
        struct part *rest;
        enum err e = part_new(t, t->parts[i].list, &rest);
        if (e != ERR_OK)
            return e;
        struct part *p = &t->parts[i];
        rest->recipients = p->recipients + fit;
        rest->count = rest->cap = p->count - fit;
        p->count = p->cap = fit;
    }
    return ERR_OK;
}
