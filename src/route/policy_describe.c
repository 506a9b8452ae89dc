/* SPDX-License-Identifier: ISC */
#include "route/policy.h"

#include "route/aliases.h"
#include "route/index.h"

static void say_list(buf *out, const slice *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "" : i + 1 == count ? " and " : ", ", SLICE_ARG(texts[i]));
}

static void say_senders(const struct route_tables *t, buf *out)
{
    if (t->no_strangers && !t->null_client)
        buf_append(out, SLICE("Strangers cannot send here: [listen] has no mx.\n"));
    if (!t->no_strangers)
        buf_append(out, SLICE("Anyone may send to addresses of the domains below, and to nobody else.\n"));
    if (t->no_logins && !t->null_client)
        buf_append(out, SLICE("Nobody can sign in: [listen] has no submission.\n"));
    else if (!t->no_logins && t->allow_authenticated)
        buf_append(out, SLICE("Users who are signed in may send to anyone, as their own addresses.\n"));
    else if (!t->no_logins)
        buf_append(out, SLICE("Users who are signed in may not send to other domains: [relay] allow has no "
                              "\"authenticated\".\n"));
    if (t->allow_local_socket)
        buf_append(out, SLICE("Programs on this host may send to anyone, through the local socket.\n"));
    for (size_t i = 0; i < t->send_as_count; i++) {
        buf_printf(out, "%.*s may also send as ", SLICE_ARG(t->send_as[i].login));
        say_list(out, t->send_as[i].patterns, t->send_as[i].pattern_count);
        buf_append(out, SLICE(".\n"));
    }
}

static void say_networks(const struct route_tables *t, buf *out)
{
    for (size_t i = 0; i < t->network_count; i++) {
        const struct route_network *n = &t->networks[i];
        buf_printf(out, "%.*s may send to anyone without signing in, ", SLICE_ARG(n->text));
        if (n->sender_count == 1 && slice_equal(n->senders[0], SLICE("*"))) {
            buf_append(out, SLICE("as anyone.\n"));
            continue;
        }
        buf_append(out, SLICE("as "));
        say_list(out, n->senders, n->sender_count);
        buf_append(out, SLICE(".\n"));
    }
}

static void say_way(const struct deliver_spec *d, buf *out)
{
    static const char *const ways[] = {
        [DELIVER_NONE] = "no mailboxes",
        [DELIVER_MAILDIR] = "is delivered into Maildirs",
        [DELIVER_MBOX] = "is delivered into mbox files",
        [DELIVER_LMTP] = "is handed over by LMTP",
        [DELIVER_SMTP] = "is handed over by SMTP",
        [DELIVER_MX] = "is handed on to the better hosts of its MX set",
        [DELIVER_PIPE] = "is piped into a command",
        [DELIVER_DISCARD] = "is thrown away",
        [DELIVER_HOLD] = "is held in the queue until it is released",
    };
    buf_append(out, slice_str(ways[d->kind]));
    /* As written: that is what an admin looks for in the file. */
    if (d->text.len > 0)
        buf_printf(out, " (%.*s)", SLICE_ARG(d->text));
}

static void say_users(const struct route_domain *d, buf *out)
{
    switch (d->users) {
    case USERS_ACCOUNTS:
        buf_append(out, SLICE("; its users are the accounts"));
        break;
    case USERS_LIST:
        buf_printf(out, "; it has %zu user%s", d->user_count, d->user_count == 1 ? "" : "s");
        break;
    case USERS_SYSTEM:
        buf_append(out, SLICE("; its users are the users of this system"));
        break;
    case USERS_ANY:
        buf_append(out, SLICE("; any recipient is taken"));
        break;
    }
}

static void say_domain(const struct route_tables *t, const struct route_domain *d, buf *out)
{
    if (d->same_as) {
        buf_printf(out, "%.*s: the same as %.*s.\n", SLICE_ARG(d->name), SLICE_ARG(d->same_as->name));
        return;
    }
    buf_printf(out, "%.*s: %s", SLICE_ARG(d->name), d->deliver.kind == DELIVER_NONE ? "" : "mail ");
    say_way(&d->deliver, out);
    if (d->deliver.kind != DELIVER_NONE)
        say_users(d, out);
    if (d->aliases)
        buf_printf(out, "; aliases are in %.*s", SLICE_ARG(alias_table_name(d->aliases)));
    if (d->catch_all.len > 0)
        buf_printf(out, "; all else goes to %.*s", SLICE_ARG(d->catch_all));
    if (d->implied)
        buf_printf(out, "; root, postmaster, abuse and mailer-daemon go to %.*s", SLICE_ARG(t->postmaster));
    buf_append(out, SLICE(".\n"));
}

static void say_lists(const struct route_tables *t, buf *out)
{
    static const char *const posters[] = {
        [LIST_POST_MEMBERS] = "its members",
        [LIST_POST_AUTHENTICATED] = "signed-in users",
        [LIST_POST_ANY] = "anyone",
        [LIST_POST_ADDRESSES] = "",
    };
    for (size_t i = 0; i < t->list_count; i++) {
        const struct route_list *l = &t->lists[i];
        buf_printf(out, "%.*s: a list of %zu member%s; %s", SLICE_ARG(l->address), l->member_count,
                   l->member_count == 1 ? "" : "s", posters[l->post]);
        say_list(out, l->posters, l->post == LIST_POST_ADDRESSES ? l->poster_count : 0);
        buf_printf(out, " may post; bounces go to %.*s.\n", SLICE_ARG(l->owner));
    }
    for (size_t i = 0; i < t->address_count; i++) {
        buf_printf(out, "%.*s: mail ", SLICE_ARG(t->addresses[i].address));
        say_way(&t->addresses[i].deliver, out);
        buf_append(out, SLICE(".\n"));
    }
}

static void say_override(const struct route_override *o, buf *out)
{
    static const char *const levels[] = {"TLS when offered", "no TLS", "TLS required", "verified TLS required"};
    if (slice_equal(o->domain, SLICE("*")))
        buf_append(out, SLICE("Mail for all other domains goes"));
    else
        buf_printf(out, "Mail for %.*s goes", SLICE_ARG(o->domain));
    if (o->host.len > 0)
        buf_printf(out, " to %.*s port %u", SLICE_ARG(o->host), o->port);
    else
        buf_append(out, SLICE(" by MX"));
    if (o->login.len > 0)
        buf_printf(out, ", signed in as %.*s", SLICE_ARG(o->login));
    buf_printf(out, " (%s%s).\n", o->smtps ? "SMTPS, " : "", levels[o->tls]);
}

void route_policy_describe(const struct route_index *index, buf *out)
{
    const struct route_tables *t = index->tables;
    if (t->null_client)
        buf_append(out, SLICE("This is a null client: it takes mail from this host only.\n"));
    say_senders(t, out);
    say_networks(t, out);
    for (size_t i = 0; i < t->domain_count; i++)
        say_domain(t, &t->domains[i], out);
    say_lists(t, out);
    for (size_t i = 0; i < t->override_count; i++)
        say_override(&t->overrides[i], out);
    if (!index->any_override)
        buf_append(out, SLICE("Mail for all other domains goes by MX.\n"));
}
