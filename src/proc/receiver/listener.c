/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

struct limit_row {
    enum status status;
    const char *rule;
};

static struct limit_row limit_row(enum limits_answer a)
{
    static const struct limit_row rows[] = {
        [LIMITS_OK] = {STATUS_OK, ""},
        [LIMITS_SESSIONS] = {STATUS_TOO_MANY_SESSIONS, "sessions"},
        [LIMITS_ADDRESS] = {STATUS_TOO_MANY_FROM_ADDRESS, "sessions_per_address"},
        [LIMITS_RATE] = {STATUS_CONNECTION_RATE, "connections_per_minute"},
        [LIMITS_NETWORK] = {STATUS_TOO_MANY_FROM_ADDRESS, "sessions_per_address"},
        [LIMITS_NETWORK_RATE] = {STATUS_CONNECTION_RATE, "connections_per_minute"},
    };
    return rows[a];
}

static uint32_t limit_of(const struct conf_limits *l, enum limits_answer a)
{
    switch (a) {
    case LIMITS_OK:
        break;
    case LIMITS_SESSIONS:
        return l->sessions;
    case LIMITS_ADDRESS:
        return l->sessions_per_address;
    case LIMITS_RATE:
        return l->connections_per_minute;
    case LIMITS_NETWORK:
        return l->sessions_per_address * LIMITS_NETWORK_FACTOR;
    case LIMITS_NETWORK_RATE:
        return l->connections_per_minute * LIMITS_NETWORK_FACTOR;
    }
    return 0;
}

enum status listener_limit(const struct receiver *r, enum limits_answer a, slice ip)
{
    char text[64];
    buf b;
    struct limit_row row = limit_row(a);
    if (a == LIMITS_OK)
        return STATUS_OK;
    buf_init_fixed(&b, text, sizeof(text));
    if (ip.len > 0)
        address_ip_print(&b, (const uint8_t *)ip.ptr, ip.len);
    else
        buf_append(&b, SLICE("local"));
    bool network = a == LIMITS_NETWORK || a == LIMITS_NETWORK_RATE;
    char memory[96];
    buf why;
    buf_init_fixed(&why, memory, sizeof(memory));
    buf_printf(&why, "[limits] %s = %u is reached%s", row.rule, limit_of(&r->conf->limits, a),
               network ? " by its network" : "");
    log_refused(buf_slice(&b), "refused", buf_slice(&why));
    return row.status;
}

static void accepted(void *ctx, int fd, const struct socket_address *peer)
{
    const struct listener *l = ctx;
    struct receiver *r = l->r;
    if (l->conf && l->conf->proxy) {
        proxied_accept(l, fd, peer);
        return;
    }
    slice ip = slice_of(peer->ip, peer->ip_len);
    enum limits_answer a = limits_session_begin(r->start->shared, r->start->slot, &r->limits, ip, os_wall_s());
    const struct session_peer direct = {.address = *peer};
    session_accept(l, fd, &direct, listener_limit(r, a, ip));
}

static bool is_loopback(int fd)
{
    struct socket_address a;
    static const uint8_t six[16] = {[15] = 1};
    if (socket_local_address(fd, &a) != ERR_OK)
        return false;
    return a.ip_len == 4 ? a.ip[0] == 127 : a.ip_len == 16 && memcmp(a.ip, six, 16) == 0;
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
        l->options = admission_options(r->conf, l->conf, is_loopback(l->fd));
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
        if (e != ERR_OK) {
            /* one that is deaf would be left alone for ever: the master starts another */
            log_line(LOG_ERROR, "cannot accept connections: %s", err_text(e));
            child_stop(&r->child, EXIT_TEMPORARY);
            return;
        }
    }
}

void listeners_stop(struct receiver *r)
{
    for (size_t i = 0; i < r->listener_count; i++)
        net_listener_close(&r->listeners[i].net);
}
