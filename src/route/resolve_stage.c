/* SPDX-License-Identifier: ISC */
#include "route/aliases.h"
#include "route/resolve_work.h"
#include "route/subaddress.h"

static enum resolve_outcome stage_foreign(struct resolve *r, struct resolve_item *item)
{
    return item->domain ? OUTCOME_NEXT : resolve_found_address(r, item, item->address.local);
}

static bool has_list_above(const struct resolve_item *item, const struct route_list *list)
{
    for (const struct resolve_item *up = item->parent; up; up = up->parent) {
        if (up->list && (!list || up->list == list))
            return true;
    }
    return false;
}

/* Who may post is asked of the list that the sender wrote to; a list inside it takes what the outer one lets through. */
static enum resolve_outcome stage_list(struct resolve *r, struct resolve_item *item)
{
    const struct route_list *list =
        item->final ? NULL : route_index_list(r->index, item->address.local, item->address.domain);
    if (!list)
        return OUTCOME_NEXT;
    item->list = list;
    if (has_list_above(item, list))
        return OUTCOME_DONE;
    if (!has_list_above(item, NULL) && !list_post_allowed(list, &r->session, r->reverse_path))
        return resolve_refuse(r, STATUS_POST_REFUSED);
    bool before;
    enum resolve_outcome outcome = resolve_seen_before(r, UINT32_MAX, list->address, &before);
    if (outcome != OUTCOME_DONE || before)
        return outcome;
    outcome = resolve_group_add(r, list, &item->group);
    for (size_t i = 0; outcome == OUTCOME_DONE && i < list->member_count; i++)
        outcome = resolve_push(r, item, route_address_split(list->members[i]), NULL);
    return outcome;
}

static enum resolve_outcome stage_address(struct resolve *r, struct resolve_item *item)
{
    if (item->final || !route_index_address(r->index, item->address.local, item->address.domain))
        return OUTCOME_NEXT;
    return resolve_found_address(r, item, item->address.local);
}

static enum resolve_outcome push_target(struct resolve *r, struct resolve_item *item, const struct alias_entry *entry,
                                        uint32_t i)
{
    const struct alias_target *target = &entry->targets[i];
    struct resolve_item *pushed = NULL;
    switch (target->kind) {
    case ALIAS_PIPE:
    case ALIAS_FILE:
        return resolve_found_target(r, item, entry, i);
    case ALIAS_INCLUDE: /* the file could not be had when the table was made */
        return resolve_refuse(r, STATUS_LOOKUP_UNAVAILABLE);
    default:
        break;
    }
    enum resolve_outcome outcome = resolve_push(r, item, route_address_split(target->text), &pushed);
    if (outcome == OUTCOME_DONE)
        pushed->final = target->kind == ALIAS_LOCAL_FINAL;
    return outcome;
}

/* An alias that leads back to its own name means the user of that name ("alice: alice, phone@example.net"). */
static bool is_expanded_above(const struct resolve_item *item, const struct alias_entry *entry)
{
    for (const struct resolve_item *up = item->parent; up; up = up->parent) {
        if (up->domain == item->domain && up->alias_key.ptr == entry->key.ptr)
            return true;
    }
    return false;
}

static enum resolve_outcome expand_alias(struct resolve *r, struct resolve_item *item, slice local)
{
    const struct alias_table *table = item->domain->aliases;
    const struct alias_entry *entry = item->final || !table ? NULL : alias_table_find(table, local);
    if (!entry)
        return OUTCOME_NEXT;
    if (is_expanded_above(item, entry)) {
        item->looped = true;
        return OUTCOME_NEXT;
    }
    bool before = false;
    enum resolve_outcome outcome = OUTCOME_DONE;
    slice name;
    if (item->depth > 0) {
        if (arena_printf(r->arena, &name, "%.*s@%.*s", SLICE_ARG(entry->key), SLICE_ARG(item->address.domain)) !=
            ERR_OK)
            return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
        outcome = resolve_seen_before(r, item->group, name, &before);
    }
    item->alias_key = entry->key;
    item->alias = entry;
    for (uint32_t i = 0; outcome == OUTCOME_DONE && !before && i < entry->target_count; i++)
        outcome = push_target(r, item, entry, i);
    return outcome;
}

static enum resolve_outcome stage_alias(struct resolve *r, struct resolve_item *item)
{
    return expand_alias(r, item, item->address.local);
}

/* The full address of an account, in lower case. */
static enum resolve_outcome ask(struct resolve *r, struct resolve_item *item, slice user)
{
    slice domain = item->domain->users == USERS_ACCOUNTS ? item->address.domain : SLICE_NONE;
    size_t len = user.len + (domain.len > 0) + domain.len;
    char *text = arena_alloc(r->arena, len);
    if (!text)
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    for (size_t i = 0; i < user.len; i++)
        text[i] = ascii_lower(user.ptr[i]);
    if (domain.len > 0) {
        text[user.len] = '@';
        for (size_t i = 0; i < domain.len; i++)
            text[user.len + 1 + i] = ascii_lower(domain.ptr[i]);
    }
    r->question = slice_of(text, len);
    r->question_kind = item->domain->users;
    return OUTCOME_ASK;
}

/* user is item's local part, without subaddress perhaps; the subaddress stays in the final recipient, for the mailbox's filters. */
static enum resolve_outcome find_user(struct resolve *r, struct resolve_item *item, slice user)
{
    if (r->answered) {
        r->answered = false;
        if (r->answer == RESOLVE_UNKNOWN)
            return resolve_refuse(r, STATUS_LOOKUP_UNAVAILABLE);
        return r->answer == RESOLVE_YES ? resolve_found_address(r, item, item->address.local) : OUTCOME_NEXT;
    }
    if (item->domain->deliver.kind == DELIVER_NONE)
        return OUTCOME_NEXT;
    if (item->domain->users == USERS_ANY)
        return resolve_found_address(r, item, item->address.local);
    if (item->domain->users != USERS_LIST)
        return ask(r, item, user);
    const struct route_user *found = route_index_user(r->index, item->domain, user);
    if (!found)
        return OUTCOME_NEXT;
    item->user = found;
    if (item->depth == 0)
        r->result.full_name = found->full_name;
    return resolve_found_address(r, item, item->address.local);
}

static enum resolve_outcome stage_user(struct resolve *r, struct resolve_item *item)
{
    return find_user(r, item, item->address.local);
}

static enum resolve_outcome stage_sub_alias(struct resolve *r, struct resolve_item *item)
{
    slice user;
    return route_subaddress_strip(item->domain, item->address.local, &user) ? expand_alias(r, item, user)
                                                                            : OUTCOME_NEXT;
}

static enum resolve_outcome stage_sub_user(struct resolve *r, struct resolve_item *item)
{
    slice user;
    return route_subaddress_strip(item->domain, item->address.local, &user) ? find_user(r, item, user) : OUTCOME_NEXT;
}

static enum resolve_outcome push_postmaster(struct resolve *r, struct resolve_item *item)
{
    struct resolve_item *pushed = NULL;
    if (item->last_resort)
        return OUTCOME_NEXT;
    enum resolve_outcome outcome = resolve_push(r, item, route_address_split(r->index->tables->postmaster), &pushed);
    if (outcome == OUTCOME_DONE)
        pushed->last_resort = true;
    return outcome;
}

/* Bounces of a list's mail must always have somewhere to go. */
static enum resolve_outcome stage_owner(struct resolve *r, struct resolve_item *item)
{
    if (!route_index_owner(r->index, item->address.local, item->address.domain))
        return OUTCOME_NEXT;
    return push_postmaster(r, item);
}

static bool is_for_postmaster(const struct resolve *r, const struct resolve_item *item)
{
    static const struct slice names[] = {{"root", 4}, {"abuse", 5}, {"mailer-daemon", 13}};
    if (slice_equal_nocase(item->address.local, SLICE("postmaster")))
        return true;
    if (!slice_equal_nocase(item->address.domain, r->index->tables->hostname))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal_nocase(item->address.local, names[i]))
            return true;
    }
    return false;
}

static enum resolve_outcome stage_fall_back(struct resolve *r, struct resolve_item *item)
{
    return is_for_postmaster(r, item) ? push_postmaster(r, item) : OUTCOME_NEXT;
}

enum resolve_outcome resolve_item_fall_back(struct resolve *r, struct resolve_item *item)
{
    return item->domain ? stage_fall_back(r, item) : OUTCOME_NEXT;
}

/* A domain where a bare name may have its user, though it was completed with the hostname. */
static bool takes_bare_names(const struct resolve *r, const struct route_domain *domain)
{
    if (domain->implied || domain->same_as || domain == r->index->any_domain)
        return false;
    return domain->users != USERS_ANY || slice_equal_nocase(domain->name, r->index->tables->origin);
}

/* A bare name in the aliases of this host, or from a local program, is a person here; when this host's own domain has no mailboxes, the
 * person is looked for in the domains that have, in the order of the configuration. */
static enum resolve_outcome stage_bare(struct resolve *r, struct resolve_item *item)
{
    const struct route_tables *t = r->index->tables;
    if (!item->bare || (item->bare_next == 0 && !item->domain->implied))
        return OUTCOME_NEXT;
    while (item->bare_next < t->domain_count) {
        const struct route_domain *domain = &t->domains[item->bare_next++];
        if (!takes_bare_names(r, domain))
            continue;
        item->domain = domain;
        item->address.domain = domain->name;
        item->stage = 0;
        return resolve_item_work(r, item);
    }
    item->domain = route_domain_find(r->index, t->hostname);
    item->address.domain = t->hostname;
    return OUTCOME_NEXT;
}

static enum resolve_outcome stage_catch_all(struct resolve *r, struct resolve_item *item)
{
    /* A name whose alias goes round is a mistake to be seen, not an unknown user. */
    if (item->domain->catch_all.len == 0 || item->final || item->looped)
        return OUTCOME_NEXT;
    struct address target = route_address_split(item->domain->catch_all);
    for (const struct resolve_item *up = item; up; up = up->parent) {
        if (slice_equal_nocase(up->address.local, target.local) &&
            slice_equal_nocase(up->address.domain, target.domain))
            return OUTCOME_NEXT;
    }
    return resolve_push(r, item, target, NULL);
}

static enum resolve_outcome stage_unknown(struct resolve *r, struct resolve_item *item)
{
    const struct route_domain *domain = item->domain;
    bool to_smarthost = r->index->tables->null_client && domain->implied && r->index->any_override;
    if (to_smarthost || (item->last_resort && domain->deliver.kind != DELIVER_NONE))
        return resolve_found_address(r, item, item->address.local);
    r->looped = r->looped || item->looped;
    return OUTCOME_DONE;
}

static enum resolve_outcome (*const stages[])(struct resolve *, struct resolve_item *) = {
    [RESOLVED_FOREIGN] = stage_foreign,
    [RESOLVED_LIST] = stage_list,
    [RESOLVED_ADDRESS] = stage_address,
    [RESOLVED_ALIAS] = stage_alias,
    [RESOLVED_USER] = stage_user,
    [RESOLVED_SUB_ALIAS] = stage_sub_alias,
    [RESOLVED_SUB_USER] = stage_sub_user,
    [RESOLVED_OWNER] = stage_owner,
    [RESOLVED_POSTMASTER] = stage_fall_back,
    [RESOLVED_BARE] = stage_bare,
    [RESOLVED_CATCH_ALL] = stage_catch_all,
    [RESOLVED_UNKNOWN] = stage_unknown,
};

enum resolve_outcome resolve_item_work(struct resolve *r, struct resolve_item *item)
{
    enum resolve_outcome outcome = OUTCOME_NEXT;
    while (outcome == OUTCOME_NEXT && item->stage < sizeof(stages) / sizeof(stages[0])) {
        outcome = stages[item->stage](r, item);
        if (outcome == OUTCOME_NEXT)
            item->stage++;
    }
    return outcome == OUTCOME_NEXT ? OUTCOME_DONE : outcome;
}
