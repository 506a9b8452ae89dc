/* SPDX-License-Identifier: ISC */
#include "child/admission.h"

struct smtp_server_options admission_options(const struct conf *conf, const struct conf_listener *c, bool on_loopback)
{
    const struct conf_limits *l = &conf->limits;
    struct smtp_server_options o = {.hostname = conf->route.hostname,
                                    .max_size = l->max_size,
                                    .max_recipients = l->recipients,
                                    .max_errors = l->errors,
                                    .max_messages = l->messages_per_session,
                                    .hops = l->hops,
                                    .min_rate = l->min_rate,
                                    .command_timeout_ms = l->command_timeout_ms,
                                    .data_timeout_ms = l->data_timeout_ms,
                                    .etrn = l->etrn != CONF_QUERY_NONE,
                                    .expn = l->expn != CONF_QUERY_NONE,
                                    .future_release_max_s = l->future_release_s,
                                    .strict_paths = l->strict_paths,
                                    .bare_newline_reject = l->bare_newline_reject};
    if (!c)
        return o;
    o.lmtp = c->role == CONF_LISTEN_LMTP;
    o.etrn = o.etrn && c->role != CONF_LISTEN_SUBMISSION; /* RFC 6409 section 7 */
    o.starttls =
        conf->tls_count > 0 && (c->role == CONF_LISTEN_MX ? c->tls != CONF_TLS_IMPLICIT : c->tls == CONF_TLS_STARTTLS);
    if (c->role == CONF_LISTEN_SUBMISSION) {
        o.auth_mechanisms = SLICE("PLAIN LOGIN"); /* before TLS, where none of them is taken */
        o.auth_required = true;
        /* behind a proxy the client is not where the connection comes from */
        o.auth_plaintext_ok = conf->auth.plaintext_on_loopback && c->tls != CONF_TLS_IMPLICIT && !c->proxy &&
                              (c->unix_path.len > 0 || on_loopback);
    }
    return o;
}

static bool is_submission(const struct admission *a)
{
    return a->listener && a->listener->role == CONF_LISTEN_SUBMISSION;
}

bool admission_trusts(const struct admission *a)
{
    const struct route_tables *t = &a->conf->route;
    const struct route_session *s = a->session;
    if (!a->listener || s->login.len > 0)
        return true;
    return a->listener->role == CONF_LISTEN_MX && !s->own_only &&
           route_networks_contain(t->networks, t->network_count, s->ip, s->ip_len);
}

enum status admission_sender(const struct admission *a, struct address path, const struct smtp_mail_parameters *p,
                             bool trusted)
{
    enum status status = route_policy_mail(a->routes, a->session, path);
    if (status == STATUS_OK && is_submission(a) && !route_domain_whole(a->routes, path.domain))
        status = STATUS_UNQUALIFIED;
    /* RFC 4865 section 4: a server may keep this to clients that it knows */
    if (status == STATUS_OK && (p->hold_s > 0 || p->release_s > 0) && !trusted)
        status = STATUS_UNKNOWN_PARAMETER;
    return status;
}

bool admission_asks_mx(const struct admission *a, struct address path, bool trusted)
{
    slice domain = path.domain;
    if (!a->conf->limits.refuse_null_mx || !a->listener || a->listener->role != CONF_LISTEN_MX || trusted)
        return false;
    return domain.len > 0 && domain.ptr[0] != '[' && !route_domain_find(a->routes, domain);
}

enum status admission_recipient(const struct admission *a, struct address reverse_path, struct address recipient)
{
    enum status status = route_policy_rcpt(a->routes, a->session, reverse_path, recipient);
    if (status == STATUS_OK && is_submission(a) && !route_domain_whole(a->routes, recipient.domain))
        status = STATUS_UNQUALIFIED;
    return status;
}

/* Whether the configuration alone says that the host is this machine. A name of which only a resolver would say so counts as another machine's. */
static bool is_this_machine(const struct conf *conf, const struct next_hop *hop)
{
    uint8_t ip[16];
    size_t len;
    if (hop->unix_path.len > 0)
        return true;
    if (address_ip_parse(hop->host, ip, &len) == ERR_OK)
        return address_ip_is_nowhere(ip, len);
    return slice_equal_nocase(hop->host, SLICE("localhost")) || slice_ends_nocase(hop->host, SLICE(".localhost")) ||
           slice_equal_nocase(hop->host, conf->route.hostname);
}

/* Known now that it will never go over TLS with REQUIRETLS: our LMTP has neither, and on this machine it needs none. What only a session can show is left to the
 * sender, whose report tells of it. */
static bool is_never_secured(const struct admission *a, const struct recipient *recipient)
{
    struct next_hop hop = route_next(a->routes, recipient);
    if (hop.override && hop.override->tls == ROUTE_TLS_NONE)
        return true;
    return hop.kind == NEXT_LMTP && !is_this_machine(a->conf, &hop);
}

enum status admission_resolved(const struct admission *a, uint32_t flags, const struct resolve_result *result)
{
    if (!(flags & ENVELOPE_REQUIRETLS))
        return STATUS_OK;
    for (size_t i = 0; i < result->group_count; i++)
        for (size_t k = 0; k < result->groups[i].count; k++)
            if (is_never_secured(a, &result->groups[i].recipients[k]))
                return STATUS_NO_REQUIRETLS;
    return STATUS_OK;
}
