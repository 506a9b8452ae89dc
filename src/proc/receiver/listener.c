/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

#define COMMAND_TIMEOUT_MS 300000 /* RFC 5321 section 4.5.3.2.7 */
#define DATA_TIMEOUT_MS 180000
#define MIN_RATE 256 /* bytes a second, after the grace of a minute */

/* Which rule it is, for the log. */
static enum status limit_status(enum limits_answer a)
{
    switch (a) {
    case LIMITS_OK:
        break;
    case LIMITS_SESSIONS:
        return STATUS_TOO_MANY_SESSIONS;
    case LIMITS_ADDRESS:
        return STATUS_TOO_MANY_FROM_ADDRESS;
    case LIMITS_RATE:
        return STATUS_CONNECTION_RATE;
    }
    return STATUS_OK;
}

static void log_limit(const struct receiver *r, enum status status, const struct socket_address *peer)
{
    char ip[64];
    buf b;
    buf_init_fixed(&b, ip, sizeof(ip));
    address_ip_print(&b, peer->ip, peer->ip_len);
    const struct conf_limits *l = &r->conf->limits;
    const char *rule = "sessions";
    uint32_t limit = l->sessions;
    if (status == STATUS_TOO_MANY_FROM_ADDRESS) {
        rule = "sessions_per_address";
        limit = l->sessions_per_address;
    } else if (status == STATUS_CONNECTION_RATE) {
        rule = "connections_per_minute";
        limit = l->connections_per_minute;
    }
    log_line(LOG_WARNING, "refused unknown[%.*s]: [limits] %s = %u is reached", SLICE_ARG(buf_slice(&b)), rule, limit);
}

static void accepted(void *ctx, int fd, const struct socket_address *peer)
{
    const struct listener *l = ctx;
    struct receiver *r = l->r;
    slice ip = slice_of(peer->ip, peer->ip_len);
    enum limits_answer a = limits_session_begin(r->start->shared, r->start->slot, &r->limits, ip, os_wall_s());
    enum status status = limit_status(a);
    if (status != STATUS_OK)
        log_limit(r, status, peer);
    session_accept(l, fd, peer, status);
}

static bool is_loopback(int fd)
{
    struct socket_address a;
    static const uint8_t six[16] = {[15] = 1};
    if (socket_local_address(fd, &a) != ERR_OK)
        return false;
    return a.ip_len == 4 ? a.ip[0] == 127 : a.ip_len == 16 && memcmp(a.ip, six, 16) == 0;
}

static struct smtp_server_options options_of(const struct receiver *r, const struct conf_listener *c, int fd)
{
    const struct conf_limits *l = &r->conf->limits;
    struct smtp_server_options o = {.hostname = r->conf->route.hostname,
                                    .max_size = l->max_size,
                                    .max_recipients = l->recipients,
                                    .max_errors = l->errors,
                                    .max_messages = l->messages_per_session,
                                    .hops = l->hops,
                                    .min_rate = MIN_RATE,
                                    .command_timeout_ms = COMMAND_TIMEOUT_MS,
                                    .data_timeout_ms = DATA_TIMEOUT_MS,
                                    .strict_paths = l->strict_paths,
                                    .bare_newline_reject = l->bare_newline_reject};
    if (!c)
        return o;
    o.starttls = r->tls && (c->role == CONF_LISTEN_MX ? c->tls != CONF_TLS_IMPLICIT : c->tls == CONF_TLS_STARTTLS);
    if (c->role == CONF_LISTEN_SUBMISSION) {
        o.auth_mechanisms = SLICE("PLAIN LOGIN");
        o.auth_required = true;
        o.auth_plaintext_ok = c->tls == CONF_TLS_NONE && is_loopback(fd);
    }
    return o;
}

enum err listeners_open(struct receiver *r)
{
    const struct child_start *start = r->start;
    r->listeners = calloc(start->listen_count ? start->listen_count : 1, sizeof(*r->listeners));
    if (!r->listeners)
        return ERR_NOMEM;
    r->listener_count = start->listen_count;
    for (size_t i = 0; i < start->listen_count; i++) {
        struct listener *l = &r->listeners[i];
        l->r = r;
        l->fd = start->listen_fds[i];
        l->conf = start->listen_conf[i] == SIZE_MAX ? NULL : &r->conf->listeners[start->listen_conf[i]];
        l->options = options_of(r, l->conf, l->fd);
        if (l->conf && l->conf->tls == CONF_TLS_IMPLICIT && !r->tls) {
            log_line(LOG_ERROR, "listener %.*s wants TLS, and there is no [tls]", SLICE_ARG(l->conf->text));
            return ERR_TLS;
        }
    }
    return ERR_OK;
}

void listeners_start(struct receiver *r)
{
    if (r->listening || r->draining)
        return;
    r->listening = true;
    for (size_t i = 0; i < r->listener_count; i++) {
        struct listener *l = &r->listeners[i];
        enum err e = net_listen(r->child.loop, l->fd, accepted, l, &l->net);
        if (e != ERR_OK)
            log_line(LOG_ERROR, "cannot accept connections: %s", err_text(e));
    }
}

void listeners_stop(struct receiver *r)
{
    for (size_t i = 0; i < r->listener_count; i++)
        net_listener_close(&r->listeners[i].net);
}
