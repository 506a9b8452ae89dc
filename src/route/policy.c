/* SPDX-License-Identifier: ISC */
#include "route/policy.h"

#include "route/index.h"
#include "route/network.h"

/* Bare names are completed as everywhere. */
static struct address complete(const struct route_index *index, struct address a)
{
    if (a.local.len > 0 && a.domain.len == 0)
        a.domain = index->tables->origin;
    return a;
}

static bool sender_matches(slice pattern, struct address sender)
{
    if (slice_equal(pattern, SLICE("*")))
        return true;
    if (pattern.len > 1 && pattern.ptr[0] == '@')
        return slice_equal_nocase(slice_skip(pattern, 1), sender.domain);
    if (pattern.len > 1 && pattern.ptr[0] == '.')
        return sender.domain.len > pattern.len && slice_ends_nocase(sender.domain, pattern);
    struct address own = route_address_split(pattern);
    return slice_equal_nocase(own.local, sender.local) && slice_equal_nocase(own.domain, sender.domain);
}

static bool network_allows(const struct route_network *network, struct address sender)
{
    if (address_is_null(sender))
        return true;
    for (size_t i = 0; i < network->sender_count; i++) {
        if (sender_matches(network->senders[i], sender))
            return true;
    }
    return false;
}

bool route_networks_contain(const struct route_network *networks, size_t count, const uint8_t *ip, uint8_t ip_len)
{
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        found = route_network_contains(&networks[i], ip, ip_len);
    return found;
}

static const struct route_network *trusting_network(const struct route_index *index, const struct route_session *s,
                                                    struct address sender)
{
    const struct route_tables *t = index->tables;
    for (size_t i = 0; i < t->network_count; i++) {
        if (route_network_contains(&t->networks[i], s->ip, s->ip_len) && network_allows(&t->networks[i], sender))
            return &t->networks[i];
    }
    return NULL;
}

bool route_session_trusted(const struct route_index *index, const struct route_session *s, struct address reverse_path,
                           const struct route_network **network_r)
{
    const struct route_tables *t = index->tables;
    const struct route_network *network = NULL;
    bool trusted = (s->login.len > 0 && t->allow_authenticated) || (s->local_socket && t->allow_local_socket);
    if (!trusted && !s->local_socket && !s->own_only) {
        network = trusting_network(index, s, complete(index, reverse_path));
        trusted = network != NULL;
    }
    if (trusted && network_r)
        *network_r = network;
    return trusted;
}

bool route_domain_whole(const struct route_index *index, slice domain)
{
    return domain.len == 0 || domain.ptr[0] == '[' || slice_find_char(domain, '.') >= 0 ||
           route_domain_find(index, domain) != NULL;
}

enum status route_policy_mail(const struct route_index *index, const struct route_session *s,
                              struct address reverse_path)
{
    if (s->login.len > 0 && !route_sender_allowed(index, s->login, reverse_path))
        return STATUS_SENDER_NOT_YOURS;
    return STATUS_OK;
}

/* A local part that a server behind us could take for a route of its own (RFC 5321 appendix C, "user%host", "host!user"): where we are
 * its gateway it trusts us, so a stranger could relay through both. */
static bool is_routed_further(const struct route_domain *domain, slice local)
{
    enum deliver_kind kind = domain->deliver.kind;
    if (domain->users != USERS_ANY || (kind != DELIVER_SMTP && kind != DELIVER_MX && kind != DELIVER_LMTP))
        return false;
    return slice_find_char(local, '%') >= 0 || slice_find_char(local, '!') >= 0 || slice_find_char(local, '@') >= 0;
}

enum status route_policy_rcpt(const struct route_index *index, const struct route_session *s,
                              struct address reverse_path, struct address recipient)
{
    if (recipient.domain.len == 0 && slice_equal_nocase(recipient.local, SLICE("postmaster")))
        return STATUS_OK;
    recipient = complete(index, recipient);
    const struct route_domain *domain = route_domain_find(index, recipient.domain);
    if (domain && !is_routed_further(domain, recipient.local))
        return STATUS_OK;
    return route_session_trusted(index, s, reverse_path, NULL) ? STATUS_OK : STATUS_RELAY_DENIED;
}
