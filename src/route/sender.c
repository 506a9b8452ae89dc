/* SPDX-License-Identifier: ISC */
#include "route/policy.h"

#include "route/aliases.h"
#include "route/index.h"
#include "route/subaddress.h"

#define DEPTH_MAX 20
#define TARGETS_MAX 100

/* The same address when alias domains are looked through and case is left aside. */
static bool same_mailbox(const struct route_index *index, struct address a, struct address b)
{
    const struct route_domain *da = route_domain_find(index, a.domain), *db = route_domain_find(index, b.domain);
    bool same_domain = slice_equal_nocase(a.domain, b.domain) || (da && da == db && da != index->any_domain);
    return same_domain && slice_equal_nocase(a.local, b.local);
}

static bool is_own(const struct route_index *index, struct address login, struct address sender)
{
    if (same_mailbox(index, login, sender))
        return true;
    const struct route_domain *domain = route_domain_find(index, sender.domain);
    slice base;
    if (!domain || !route_subaddress_strip(domain, sender.local, &base))
        return false;
    return same_mailbox(index, login, (struct address){base, sender.domain});
}

/* Whether the alias sender leads to the login and nowhere else. Bounded by depth and by the targets looked at in all, so that no table
 * makes this dear. */
static bool leads_only_to(const struct route_index *index, struct address login, struct address sender, unsigned depth,
                          unsigned *targets_left)
{
    const struct route_domain *domain = route_domain_find(index, sender.domain);
    const struct alias_entry *entry =
        domain && domain->aliases ? alias_table_find(domain->aliases, sender.local) : NULL;
    if (!entry || entry->target_count == 0 || depth == DEPTH_MAX)
        return false;
    for (uint32_t i = 0; i < entry->target_count; i++) {
        const struct alias_target *target = &entry->targets[i];
        if ((target->kind != ALIAS_ADDRESS && target->kind != ALIAS_LOCAL_FINAL) || (*targets_left)-- == 0)
            return false;
        struct address next = route_address_split(target->text);
        if (next.domain.len == 0)
            next.domain = sender.domain;
        if (!is_own(index, login, next) && !leads_only_to(index, login, next, depth + 1, targets_left))
            return false;
    }
    return true;
}

static bool pattern_matches(slice pattern, struct address sender)
{
    struct address p = route_address_split(pattern);
    if (!slice_equal_nocase(p.domain, sender.domain))
        return false;
    return p.local.len == 0 || slice_equal(p.local, SLICE("*")) || slice_equal_nocase(p.local, sender.local);
}

bool route_sender_allowed(const struct route_index *index, slice login, struct address sender)
{
    if (address_is_null(sender))
        return true;
    if (sender.domain.len == 0)
        sender.domain = index->tables->origin;
    struct address own = route_address_split(login);
    if (own.domain.len == 0)
        own.domain = index->tables->origin;
    if (is_own(index, own, sender))
        return true;
    const struct route_send_as *more = route_index_send_as(index, login);
    for (size_t i = 0; more && i < more->pattern_count; i++) {
        if (pattern_matches(more->patterns[i], sender))
            return true;
    }
    unsigned targets_left = TARGETS_MAX;
    return leads_only_to(index, own, sender, 0, &targets_left);
}
