/* SPDX-License-Identifier: ISC */
#include "conf/facts.h"

static slice users_text(const struct route_domain *d)
{
    static const char *const kinds[] = {
        [USERS_ACCOUNTS] = "accounts", [USERS_LIST] = "a list", [USERS_SYSTEM] = "the system's", [USERS_ANY] = "any"};
    return slice_str(kinds[d->users]);
}

static slice domain_text(struct facts *f, const struct route_domain *d)
{
    if (d->same_as)
        return facts_text(f, "same as %.*s", SLICE_ARG(d->same_as->name));
    slice deliver = d->deliver.kind == DELIVER_NONE ? SLICE("no mailboxes") : d->deliver.text;
    slice aliases = d->aliases ? alias_table_name(d->aliases) : SLICE("none");
    slice text = facts_text(f, "%.*s, users: %.*s, aliases: %.*s, subaddress: \"%.*s\"", SLICE_ARG(deliver),
                            SLICE_ARG(users_text(d)), SLICE_ARG(aliases), SLICE_ARG(d->subaddress));
    if (d->catch_all.len > 0)
        text = facts_text(f, "%.*s, all else to %.*s", SLICE_ARG(text), SLICE_ARG(d->catch_all));
    if (d->ascii_only)
        text = facts_text(f, "%.*s, ASCII only", SLICE_ARG(text));
    if (d->deliver_as.len > 0)
        text = facts_text(f, "%.*s, written as %.*s", SLICE_ARG(text), SLICE_ARG(d->deliver_as));
    return text;
}

static void add_users(struct facts *f, const struct route_domain *d)
{
    for (size_t i = 0; i < d->user_count; i++)
        facts_add(f, facts_text(f, "user %.*s@%.*s", SLICE_ARG(d->user_list[i].local), SLICE_ARG(d->name)),
                  d->user_list[i].full_name);
}

static void add_alias_table(struct facts *f, const struct alias_table *table)
{
    static const char *const lead[] = {"", "\\", "|", "", ":include:"};
    const struct alias_entry *entry;
    slice name = alias_table_name(table);
    for (size_t i = 0; (entry = alias_table_at(table, i)) != NULL; i++) {
        slice *texts = arena_array(&f->arena, entry->target_count, sizeof(*texts));
        for (uint32_t k = 0; texts && k < entry->target_count; k++)
            texts[k] = facts_text(f, "%s%.*s", lead[entry->targets[k].kind], SLICE_ARG(entry->targets[k].text));
        f->failed = f->failed || !texts;
        facts_add(f, facts_text(f, "alias %.*s in %.*s", SLICE_ARG(entry->key), SLICE_ARG(name)),
                  texts ? facts_join(f, texts, entry->target_count) : SLICE_NONE);
    }
}

void facts_add_domains(struct facts *f, const struct conf *conf)
{
    const struct route_tables *t = &conf->route;
    for (size_t i = 0; i < t->domain_count; i++) {
        facts_add(f, facts_text(f, "domain %.*s", SLICE_ARG(t->domains[i].name)), domain_text(f, &t->domains[i]));
        add_users(f, &t->domains[i]);
    }
    for (size_t i = 0; i < conf->alias_table_count; i++)
        add_alias_table(f, conf->alias_tables[i]);
    for (size_t i = 0; i < t->address_count; i++)
        facts_add(f, facts_text(f, "address %.*s", SLICE_ARG(t->addresses[i].address)), t->addresses[i].deliver.text);
}

static void add_lists(struct facts *f, const struct route_tables *t)
{
    static const char *const posters[] = {
        [LIST_POST_MEMBERS] = "its members", [LIST_POST_AUTHENTICATED] = "signed-in users", [LIST_POST_ANY] = "anyone"};
    for (size_t i = 0; i < t->list_count; i++) {
        const struct route_list *l = &t->lists[i];
        slice who =
            l->post == LIST_POST_ADDRESSES ? facts_join(f, l->posters, l->poster_count) : slice_str(posters[l->post]);
        facts_add(f, facts_text(f, "list %.*s", SLICE_ARG(l->address)),
                  facts_text(f, "%.*s may post, owner %.*s", SLICE_ARG(who), SLICE_ARG(l->owner)));
        for (size_t k = 0; k < l->member_count; k++)
            facts_add(f, facts_text(f, "member %.*s of %.*s", SLICE_ARG(l->members[k]), SLICE_ARG(l->address)),
                      SLICE_NONE);
    }
}

static void add_overrides(struct facts *f, const struct route_tables *t)
{
    static const char *const tls[] = {"may", "none", "require", "verify"};
    for (size_t i = 0; i < t->override_count; i++) {
        const struct route_override *o = &t->overrides[i];
        slice via = o->host.len > 0
                        ? facts_text(f, "%s%.*s%s%.*s:%u", o->smtps ? "smtps://" : "smtp://", SLICE_ARG(o->login),
                                     o->login.len > 0 ? "@" : "", SLICE_ARG(o->host), o->port)
                        : SLICE("by MX");
        slice text = facts_text(f, "%.*s, tls %s", SLICE_ARG(via), tls[o->tls]);
        if (o->source.len > 0)
            text = facts_text(f, "%.*s, from %.*s", SLICE_ARG(text), SLICE_ARG(o->source));
        if (o->helo.len > 0)
            text = facts_text(f, "%.*s, as %.*s", SLICE_ARG(text), SLICE_ARG(o->helo));
        if (o->password_file.len > 0)
            text = facts_text(f, "%.*s, password in %.*s", SLICE_ARG(text), SLICE_ARG(o->password_file));
        if (o->token_file.len > 0)
            text = facts_text(f, "%.*s, token in %.*s", SLICE_ARG(text), SLICE_ARG(o->token_file));
        if (o->cert.len > 0)
            text = facts_text(f, "%.*s, certificate in %.*s", SLICE_ARG(text), SLICE_ARG(o->cert));
        bool all = slice_equal(o->domain, SLICE("*"));
        facts_add(
            f, all ? SLICE("route of all other mail") : facts_text(f, "route of mail for %.*s", SLICE_ARG(o->domain)),
            text);
    }
}

void facts_add_routes(struct facts *f, const struct conf *conf)
{
    const struct route_tables *t = &conf->route;
    add_lists(f, t);
    add_overrides(f, t);
    if (t->allow_authenticated)
        facts_add(f, SLICE("signed-in users may relay"), SLICE_NONE);
    if (t->allow_local_socket)
        facts_add(f, SLICE("local programs may relay"), SLICE_NONE);
    for (size_t i = 0; i < t->network_count; i++)
        facts_add(
            f, facts_text(f, "%.*s may relay", SLICE_ARG(t->networks[i].text)),
            facts_text(f, "as %.*s", SLICE_ARG(facts_join(f, t->networks[i].senders, t->networks[i].sender_count))));
    for (size_t i = 0; i < t->send_as_count; i++)
        facts_add(f, facts_text(f, "%.*s may also send as", SLICE_ARG(t->send_as[i].login)),
                  facts_join(f, t->send_as[i].patterns, t->send_as[i].pattern_count));
}
