/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define SIZE_LEAST (64u * 1024)

static bool is_delivered(const struct route_domain *d, slice local)
{
    slice name;
    if (d->aliases && alias_table_find(d->aliases, local))
        return true;
    if (d->deliver.kind == DELIVER_NONE)
        return false;
    return d->users != USERS_LIST || route_user_find(d, local, &name) || d->catch_all.len > 0;
}

/* The postmaster of last resort should be somebody. */
static void check_postmaster(struct reader *r)
{
    const struct route_tables *t = &r->conf->route;
    slice address = t->postmaster;
    ptrdiff_t at = slice_rfind_char(address, '@');
    const struct route_domain *d = at < 0 ? NULL : reader_domain_find(r, slice_skip(address, (size_t)at + 1));
    if (!d || !r->top.postmaster)
        return;
    if (d->same_as)
        d = d->same_as;
    if (is_delivered(d, slice_sub(address, 0, (size_t)at)))
        return;
    if (d->deliver.kind == DELIVER_NONE)
        messages_warn(&r->m, r->top.postmaster->place, "mail for \"%.*s\" has nowhere to go: %.*s has no mailboxes",
                      SLICE_ARG(address), SLICE_ARG(d->name));
    else
        messages_warn(&r->m, r->top.postmaster->place, "\"%.*s\" is neither a user nor an alias of [domain.\"%.*s\"]",
                      SLICE_ARG(address), SLICE_ARG(d->name));
}

static bool has_role(const struct conf *c, enum conf_listen_role role)
{
    for (size_t i = 0; i < c->listener_count; i++) {
        if (c->listeners[i].role == role)
            return true;
    }
    return false;
}

static void check_null_client(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    t->null_client = r->written_domains == 0 && !has_role(r->conf, CONF_LISTEN_MX);
    t->no_strangers = !has_role(r->conf, CONF_LISTEN_MX) && !has_role(r->conf, CONF_LISTEN_LMTP);
    t->no_logins = !has_role(r->conf, CONF_LISTEN_SUBMISSION);
    bool has_smarthost = false;
    for (size_t i = 0; i < t->override_count; i++)
        has_smarthost = has_smarthost || slice_equal(t->overrides[i].domain, SLICE("*"));
    if (t->null_client && !has_smarthost && r->top.hostname)
        messages_warn(&r->m, r->top.hostname->place,
                      "this is a null client without [route.\"*\"]: mail goes to each domain's MX from here");
}

static slice without_subaddress(const struct route_domain *d, slice local)
{
    for (size_t i = 0; i < d->subaddress.len; i++) {
        ptrdiff_t sign = slice_find_char(local, d->subaddress.ptr[i]);
        local = sign > 0 ? slice_sub(local, 0, (size_t)sign) : local;
    }
    return local;
}

static bool is_list_or_address(struct reader *r, const struct route_domain *d, slice local)
{
    const struct route_tables *t = &r->conf->route;
    slice full = reader_join(r, local, "@", d->name);
    for (size_t i = 0; i < t->list_count; i++) {
        if (slice_equal_nocase(t->lists[i].address, full) || slice_equal_nocase(t->lists[i].owner, full))
            return true;
    }
    for (size_t i = 0; i < t->address_count; i++) {
        if (slice_equal_nocase(t->addresses[i].address, full))
            return true;
    }
    return false;
}

/* An alias that leads into a domain with listed users should lead to one of them: else that domain, or NULL. */
static const struct route_domain *leads_nowhere(struct reader *r, const struct route_domain *d,
                                                const struct alias_target *target)
{
    slice text = target->text;
    if (target->kind != ALIAS_ADDRESS && target->kind != ALIAS_LOCAL_FINAL)
        return NULL;
    ptrdiff_t at = slice_rfind_char(text, '@');
    if (at >= 0)
        d = reader_domain_find(r, slice_skip(text, (size_t)at + 1));
    if (!d || d->implied || d->same_as || d->users != USERS_LIST)
        return NULL;
    slice local = at >= 0 ? slice_sub(text, 0, (size_t)at) : text;
    bool arrives = is_delivered(d, without_subaddress(d, local)) || is_delivered(d, local) ||
                   is_list_or_address(r, d, local) || slice_equal_nocase(local, SLICE("postmaster"));
    return arrives ? NULL : d;
}

static void check_targets(struct reader *r, struct toml_place place, const struct route_domain *d,
                          const struct alias_entry *entry)
{
    for (uint32_t k = 0; k < entry->target_count && r->m.count < MESSAGES_MAX / 2; k++) {
        const struct route_domain *end = leads_nowhere(r, d, &entry->targets[k]);
        if (end)
            messages_warn(
                &r->m, place,
                "alias \"%.*s\" in line %u leads to \"%.*s\", who is neither a user nor an alias of [domain.\"%.*s\"]",
                SLICE_ARG(entry->key), entry->line, SLICE_ARG(entry->targets[k].text), SLICE_ARG(end->name));
    }
}

static void check_aliases(struct reader *r, const struct draft_domain *draft, const struct route_domain *d)
{
    const struct alias_entry *entry;
    for (size_t i = 0; d->aliases && (entry = alias_table_at(d->aliases, i)) != NULL; i++) {
        /* Mail for postmaster that has no other end goes to the configuration's. */
        if (!slice_equal_nocase(entry->key, SLICE("postmaster")))
            check_targets(r, draft->aliases->place, d, entry);
    }
}

/* RFC 5321 section 4.5.3.1.7: 64 KiB is the least that a server takes; less is a "M" that was forgotten. */
static void check_max_size(struct reader *r)
{
    uint64_t size = r->conf->limits.max_size;
    for (const struct toml_node *n = r->top.limits ? r->top.limits->first : NULL; n; n = n->next) {
        if (size > 0 && size < SIZE_LEAST && slice_equal(slice_of(n->key, n->key_len), SLICE("max_size")))
            messages_warn(&r->m, n->place,
                          "\"max_size\" is %llu bytes, and hardly any mail is as small: \"50M\" is 50 MiB",
                          (unsigned long long)size);
    }
}

void check_whole(struct reader *r)
{
    check_max_size(r);
    check_postmaster(r);
    check_null_client(r);
    for (size_t i = 0; i < r->written_domains; i++)
        check_aliases(r, &r->domains[i], &r->conf->route.domains[i]);
}
