/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

#define TARGETS_SHOWN 8

static void print_address(buf *b, const struct resolve_trail *t)
{
    buf_printf(b, "%.*s@%.*s", SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain));
}

static void print_targets(buf *b, const struct alias_entry *entry)
{
    static const char *const lead[] = {[ALIAS_LOCAL_FINAL] = "\\", [ALIAS_PIPE] = "|", [ALIAS_INCLUDE] = ":include:"};
    for (uint32_t i = 0; i < entry->target_count && i < TARGETS_SHOWN; i++) {
        enum alias_target_kind kind = entry->targets[i].kind;
        bool led = kind < sizeof lead / sizeof lead[0] && lead[kind];
        buf_printf(b, "%s%s%.*s", i == 0 ? "" : ", ", led ? lead[kind] : "", SLICE_ARG(entry->targets[i].text));
    }
    if (entry->target_count > TARGETS_SHOWN)
        buf_printf(b, " and %u more", entry->target_count - TARGETS_SHOWN);
}

static void tell_alias(struct explanation *x, const struct resolve_trail *t, const char *words)
{
    char memory[4096];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    print_address(&b, t);
    buf_append(&b, slice_str(words));
    print_targets(&b, t->alias);
    explain_step_add(x, alias_table_name(t->domain->aliases), t->alias->line, "%.*s",
                     SLICE_ARG(slice_of(memory, b.len)));
}

static void tell_list(struct explanation *x, const struct resolve_trail *t)
{
    static const char *const posters[] = {[LIST_POST_MEMBERS] = "its members",
                                          [LIST_POST_AUTHENTICATED] = "who is signed in",
                                          [LIST_POST_ANY] = "anyone",
                                          [LIST_POST_ADDRESSES] = "the addresses that it names"};
    const struct route_list *l = t->list;
    explain_step_add(x, x->house->conf->path, l->line, "%.*s is a list of %zu member%s; %s may post%s",
                     SLICE_ARG(l->address), l->member_count, l->member_count == 1 ? "" : "s", posters[l->post],
                     t->refused && x->status == STATUS_POST_REFUSED ? ", and this sender is none of these" : "");
}

static void tell_user(struct explanation *x, const struct resolve_trail *t)
{
    static const char *const kinds[] = {[USERS_ACCOUNTS] = "has an account",
                                        [USERS_LIST] = "is a user",
                                        [USERS_SYSTEM] = "is a user of this system",
                                        [USERS_ANY] = "is taken, as any name of this domain is"};
    slice file = x->house->conf->path;
    uint32_t line = t->user ? t->user->line : t->domain->line;
    const char *sub = t->how == RESOLVED_SUB_USER ? ", without its subaddress," : "";
    if (t->refused)
        explain_step_add(x, file, line, "%.*s@%.*s: %s cannot be asked now", SLICE_ARG(t->address.local),
                         SLICE_ARG(t->address.domain),
                         t->domain->users == USERS_SYSTEM ? "the name service" : "the account store");
    else if (t->found.len == 0)
        explain_step_add(x, file, line, "%.*s@%.*s cannot be the name of a mailbox or an argument of its command",
                         SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain));
    else
        explain_step_add(x, file, line, "%.*s@%.*s%s %s", SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain),
                         sub, kinds[t->domain->users]);
}

static void tell_unknown(struct explanation *x, const struct resolve_trail *t)
{
    static const char *const where[] = {[USERS_ACCOUNTS] = "no account of this name, and no",
                                        [USERS_LIST] = "not among its users, and no",
                                        [USERS_SYSTEM] = "no user of this system, and no",
                                        [USERS_ANY] = "no"};
    slice file = x->house->conf->path;
    if (t->looped)
        explain_step_add(x, file, t->domain->line, "%.*s@%.*s: its alias goes round", SLICE_ARG(t->address.local),
                         SLICE_ARG(t->address.domain));
    else if (t->found.len > 0)
        explain_step_add(x, file, t->domain->line, "%.*s@%.*s is the last resort, and taken",
                         SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain));
    else
        explain_step_add(x, file, t->domain->line, "%.*s@%.*s is nobody: %s alias, list or [address]",
                         SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain),
                         t->domain->deliver.kind == DELIVER_NONE ? "this domain has no mailboxes, and the name is no"
                                                                 : where[t->domain->users]);
}

static uint32_t line_of_address(const struct route_tables *t, const struct resolve_trail *trail)
{
    for (size_t i = 0; i < t->address_count; i++) {
        struct address a = {
            slice_sub(t->addresses[i].address, 0, (size_t)slice_rfind_char(t->addresses[i].address, '@')),
            slice_skip(t->addresses[i].address, (size_t)slice_rfind_char(t->addresses[i].address, '@') + 1)};
        if (slice_equal_nocase(a.local, trail->address.local) && slice_equal_nocase(a.domain, trail->address.domain))
            return t->addresses[i].line;
    }
    return 0;
}

static void tell_fall_back(struct explanation *x, const struct resolve_trail *t)
{
    const struct route_tables *r = &x->house->conf->route;
    explain_step_add(x, x->house->conf->path, r->postmaster_line, "%.*s@%.*s is always reachable%s: %.*s has it",
                     SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain),
                     t->how == RESOLVED_OWNER ? ", being a list's owner" : "", SLICE_ARG(r->postmaster));
}

static void tell_one(struct explanation *x, const struct resolve_trail *t)
{
    const struct conf *conf = x->house->conf;
    switch (t->how) {
    case RESOLVED_FOREIGN:
        if (t->parent)
            explain_step_add(x, conf->path, 0, "%.*s@%.*s is elsewhere", SLICE_ARG(t->address.local),
                             SLICE_ARG(t->address.domain));
        break;
    case RESOLVED_LIST:
        tell_list(x, t);
        break;
    case RESOLVED_ADDRESS:
        explain_step_add(x, conf->path, line_of_address(&conf->route, t), "%.*s@%.*s is an [address] of its own",
                         SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain));
        break;
    case RESOLVED_ALIAS:
    case RESOLVED_SUB_ALIAS:
        if (t->alias)
            tell_alias(x, t, t->how == RESOLVED_ALIAS ? " is an alias: " : ", without its subaddress, is an alias: ");
        break;
    case RESOLVED_USER:
    case RESOLVED_SUB_USER:
        tell_user(x, t);
        break;
    case RESOLVED_OWNER:
    case RESOLVED_POSTMASTER:
        tell_fall_back(x, t);
        break;
    case RESOLVED_CATCH_ALL:
        explain_step_add(x, conf->path, t->domain->catch_all_line, "%.*s@%.*s is nobody, and catch_all has it: %.*s",
                         SLICE_ARG(t->address.local), SLICE_ARG(t->address.domain), SLICE_ARG(t->domain->catch_all));
        break;
    default:
        if (t->domain)
            tell_unknown(x, t);
        break;
    }
}

void explain_trail_tell(struct explanation *x)
{
    const struct resolve_item *at = NULL;
    struct resolve_trail t;
    while (route_resolve_trail(x->resolve, &at, &t))
        tell_one(x, &t);
}

static bool find_item(const struct explanation *x, const struct recipient *r, struct resolve_trail *t_r)
{
    const struct resolve_item *at = NULL;
    while (route_resolve_trail(x->resolve, &at, t_r)) {
        bool target = r->kind == RECIPIENT_ALIAS_TARGET && t_r->alias && slice_equal(t_r->alias->key, r->key) &&
                      slice_equal(alias_table_name(t_r->domain->aliases), r->table);
        if (target || (r->kind == RECIPIENT_ADDRESS && t_r->found.len > 0 && slice_equal(t_r->found, r->address)))
            return true;
    }
    return false;
}

static bool trail_of(const struct explanation *x, const struct resolve_item *item, struct resolve_trail *t_r)
{
    const struct resolve_item *at = NULL;
    while (route_resolve_trail(x->resolve, &at, t_r))
        if (t_r->item == item)
            return true;
    return false;
}

/* One link, before what there is of the chain. */
static slice link_of(struct explanation *x, const struct resolve_trail *t, slice chain)
{
    const struct conf *conf = x->house->conf;
    switch (t->how) {
    case RESOLVED_LIST:
        return explain_text(x, "list %.*s:%u -> %.*s", SLICE_ARG(conf->path), t->list->line, SLICE_ARG(chain));
    case RESOLVED_ALIAS:
    case RESOLVED_SUB_ALIAS:
        if (!t->alias)
            return chain;
        return explain_text(x, "alias %.*s:%u -> %.*s", SLICE_ARG(alias_table_name(t->domain->aliases)), t->alias->line,
                            SLICE_ARG(chain));
    case RESOLVED_OWNER:
    case RESOLVED_POSTMASTER:
        return explain_text(x, "postmaster %.*s:%u -> %.*s", SLICE_ARG(conf->path), conf->route.postmaster_line,
                            SLICE_ARG(chain));
    case RESOLVED_CATCH_ALL:
        return explain_text(x, "catch_all %.*s:%u -> %.*s", SLICE_ARG(conf->path), t->domain->catch_all_line,
                            SLICE_ARG(chain));
    default:
        return chain;
    }
}

slice explain_trail_chain(struct explanation *x, const struct recipient *r)
{
    struct resolve_trail t;
    if (!x->resolve || !find_item(x, r, &t))
        return SLICE_NONE;
    slice chain = SLICE_NONE;
    if (r->kind == RECIPIENT_ALIAS_TARGET)
        chain = link_of(x, &t, SLICE_NONE);
    else if (t.parent)
        chain = explain_text(x, "%.*s -> ", SLICE_ARG(t.domain ? t.address.local : r->address));
    while (t.parent && trail_of(x, t.parent, &t))
        chain = link_of(x, &t, chain);
    return chain;
}
