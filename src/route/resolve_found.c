/* SPDX-License-Identifier: ISC */
#include "route/next.h"
#include "route/resolve_work.h"

#define FIRST_SEEN 32

static bool same_text(enum resolve_seen_kind kind, slice a, slice b)
{
    if (kind != SEEN_RECIPIENT)
        return kind == SEEN_EXPANSION ? slice_equal_nocase(a, b) : slice_equal(a, b);
    struct address left = route_address_split(a), right = route_address_split(b);
    return slice_equal(left.local, right.local) && slice_equal_nocase(left.domain, right.domain);
}

static struct resolve_seen *find_place(const struct resolve *r, const struct resolve_seen *wanted)
{
    size_t mask = r->seen_cap - 1;
    for (size_t at = wanted->hash & mask;; at = (at + 1) & mask) {
        struct resolve_seen *s = &r->seen[at];
        if (s->kind == 0)
            return s;
        if (s->hash == wanted->hash && s->kind == wanted->kind && s->group == wanted->group &&
            same_text((enum resolve_seen_kind)s->kind, s->text, wanted->text))
            return s;
    }
}

static bool grow_seen(struct resolve *r)
{
    struct resolve_seen *old = r->seen;
    size_t old_cap = r->seen_cap, cap = old_cap == 0 ? FIRST_SEEN : 2 * old_cap;
    struct resolve_seen *grown = arena_array(r->arena, cap, sizeof(*grown));
    if (!grown)
        return false;
    r->seen = grown;
    r->seen_cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].kind != 0)
            *find_place(r, &old[i]) = old[i];
    }
    return true;
}

static enum resolve_outcome remember(struct resolve *r, struct resolve_seen seen, bool *before_r)
{
    if (r->seen_count * 4 >= r->seen_cap * 3 && !grow_seen(r))
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    seen.hash = hash_siphash_nocase(r->index->key, seen.text);
    struct resolve_seen *place = find_place(r, &seen);
    *before_r = place->kind != 0;
    if (place->kind == 0) {
        *place = seen;
        r->seen_count++;
    }
    return OUTCOME_DONE;
}

enum resolve_outcome resolve_seen_before(struct resolve *r, uint32_t group, slice text, bool *before_r)
{
    return remember(r, (struct resolve_seen){.text = text, .group = group, .kind = SEEN_EXPANSION}, before_r);
}

enum resolve_outcome resolve_group_add(struct resolve *r, const struct route_list *list, uint32_t *group_r)
{
    if (r->group_count == r->group_cap) {
        size_t cap = 2 * r->group_cap;
        struct resolve_group_work *grown = arena_array(r->arena, cap, sizeof(*grown));
        if (!grown)
            return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
        memcpy(grown, r->groups, r->group_count * sizeof(*grown));
        r->groups = grown;
        r->group_cap = cap;
    }
    r->groups[r->group_count] = (struct resolve_group_work){.list = list, .inner = r->groups[*group_r].list != NULL};
    *group_r = (uint32_t)r->group_count++;
    return OUTCOME_DONE;
}

static enum resolve_outcome add(struct resolve *r, uint32_t group, const struct recipient *recipient)
{
    struct resolve_group_work *g = &r->groups[group];
    if (r->recipients == RESOLVE_COUNT_MAX)
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    if (g->count == g->cap) {
        size_t cap = g->cap == 0 ? 4 : 2 * g->cap;
        struct recipient *grown = arena_array(r->arena, cap, sizeof(*grown));
        if (!grown)
            return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
        if (g->count > 0)
            memcpy(grown, g->recipients, g->count * sizeof(*grown));
        g->recipients = grown;
        g->cap = cap;
    }
    struct recipient *place = &g->recipients[g->count++];
    *place = *recipient;
    if (!slice_equal(recipient->address, r->original))
        place->original = r->original;
    r->recipients++;
    return OUTCOME_DONE;
}

/* Mailboxes of ours are one whatever the case they are written in; how another server sees it is not ours to say. */
static enum err print(struct resolve *r, const struct resolve_item *item, slice local, slice *text_r)
{
    slice domain = item->address.domain;
    size_t len = local.len + 1 + domain.len;
    char *text = arena_alloc(r->arena, len + 1);
    if (!text)
        return ERR_NOMEM;
    bool lower = item->domain && item->domain->users != USERS_ANY;
    for (size_t i = 0; i < local.len; i++)
        text[i] = lower ? ascii_lower(local.ptr[i]) : local.ptr[i];
    text[local.len] = '@';
    for (size_t i = 0; i < domain.len; i++)
        text[local.len + 1 + i] = item->domain ? ascii_lower(domain.ptr[i]) : domain.ptr[i];
    *text_r = slice_of(text, len);
    return ERR_OK;
}

/* A name that cannot become this domain's path or command has no mailbox: refused now, it need not be bounced later. */
static bool has_mailbox(const struct resolve_item *item, slice address)
{
    const struct deliver_spec *spec = item->domain ? &item->domain->deliver : NULL;
    if (!spec || (spec->kind != DELIVER_MAILDIR && spec->kind != DELIVER_MBOX && spec->kind != DELIVER_PIPE))
        return true;
    char memory[2048];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    return route_deliver_expand(&b, spec, item->domain, address) == ERR_OK && buf_ok(&b);
}

enum resolve_outcome resolve_found_address(struct resolve *r, struct resolve_item *item, slice local)
{
    struct recipient recipient = {.kind = RECIPIENT_ADDRESS};
    if (print(r, item, local, &recipient.address) != ERR_OK)
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    if (!has_mailbox(item, recipient.address))
        return OUTCOME_DONE;
    item->found = recipient.address;
    bool before = false;
    enum resolve_outcome outcome = OUTCOME_DONE;
    struct resolve_seen seen = {.text = recipient.address, .group = item->group, .kind = SEEN_RECIPIENT};
    if (item->depth > 0)
        outcome = remember(r, seen, &before);
    return outcome != OUTCOME_DONE || before ? outcome : add(r, item->group, &recipient);
}

enum resolve_outcome resolve_found_target(struct resolve *r, const struct resolve_item *item,
                                          const struct alias_entry *entry, uint32_t index)
{
    struct recipient recipient = {.kind = RECIPIENT_ALIAS_TARGET, .key = entry->key, .index = index};
    recipient.table = alias_table_name(item->domain->aliases);
    slice name;
    if (print(r, item, item->address.local, &recipient.address) != ERR_OK ||
        arena_printf(r->arena, &name, "%u:%.*s:%.*s", index, SLICE_ARG(entry->key), SLICE_ARG(recipient.table)) !=
            ERR_OK)
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    bool before;
    struct resolve_seen seen = {.text = name, .group = item->group, .kind = SEEN_TARGET};
    enum resolve_outcome outcome = remember(r, seen, &before);
    return outcome != OUTCOME_DONE || before ? outcome : add(r, item->group, &recipient);
}
