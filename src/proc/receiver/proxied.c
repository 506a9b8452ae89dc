/* SPDX-License-Identifier: ISC */
/* A connection to a listener behind a load balancer, until its PROXY header is there; then a session for the client that it names. The header is looked at in the socket and no more than it
 * is taken out of it: what follows may be the client's TLS. Who is not a trusted proxy is closed without a word, before anything is read. A connection that ends before it says
 * anything is a health check. */
#include "proc/receiver/state.h"

#define PIECE_MAX 1024
#define HEADER_MS 10000

struct proxied {
    struct list link; /* in receiver.proxied */
    const struct listener *listener;
    struct loop_watch *watch;
    int fd;
    struct socket_address peer;
    int64_t until_ms;
    struct smtp_proxy_reader reader;
};

static void forget(struct proxied *p, bool end_count)
{
    struct receiver *r = p->listener->r;
    if (p->watch)
        loop_watch_close(&p->watch);
    os_close(&p->fd);
    if (end_count)
        limits_session_end(r->start->shared, r->start->slot, SLICE_NONE);
    smtp_proxy_deinit(&p->reader);
    list_remove(&p->link);
    free(p);
    receiver_end_if_drained(r);
}

static void refuse(struct proxied *p, const char *why)
{
    char ip[64];
    buf b;
    buf_init_fixed(&b, ip, sizeof(ip));
    address_ip_print(&b, p->peer.ip, p->peer.ip_len);
    log_refused(buf_slice(&b), "refused proxy", slice_str(why));
    forget(p, true);
}

/* a: NULL when the proxy speaks for itself. The descriptor goes to the session, whom the limits see as the client's from here on. */
static void begin_session(struct proxied *p, const struct smtp_proxy_addresses *a)
{
    const struct listener *l = p->listener;
    const struct receiver *r = l->r;
    struct session_peer peer = {.address = p->peer, .is_proxy = !a};
    struct socket_address *client = &peer.address;
    int fd = p->fd;
    if (a) {
        client->ip_len = (uint8_t)address_ip_unmap(a->source, a->len, client->ip);
        client->port = a->source_port;
    }
    p->fd = -1;
    forget(p, false);
    const slice ips[2] = {SLICE_NONE, slice_of(client->ip, client->ip_len)};
    enum limits_answer answer = limits_session_move(r->start->shared, r->start->slot, &r->limits, ips, os_wall_s());
    if (answer != LIMITS_OK)
        limits_session_end(r->start->shared, r->start->slot, SLICE_NONE);
    session_accept(l, fd, &peer, listener_limit(r, answer, ips[1]));
}

/* Takes what the reader has used out of the socket, where it is known to be. */
static enum err take(struct proxied *p, size_t count)
{
    char bytes[PIECE_MAX];
    size_t got = 0;
    enum err e = ERR_OK;
    while (count > 0 && (e = socket_take(p->fd, bytes, count, &got)) == ERR_OK)
        count -= got;
    return e;
}

static void readable(void *ctx, bool is_readable, bool is_writable)
{
    struct proxied *p = ctx;
    char bytes[PIECE_MAX];
    size_t got = 0, used = 0;
    struct smtp_proxy_addresses addresses;
    (void)is_readable;
    (void)is_writable;
    enum err e = socket_peek(p->fd, bytes, sizeof(bytes), &got);
    if (e == ERR_AGAIN)
        return;
    if (e != ERR_OK) {
        forget(p, true);
        return;
    }
    enum smtp_proxy_result result = smtp_proxy_read(&p->reader, slice_of(bytes, got), &used, &addresses);
    if (result == SMTP_PROXY_BAD || take(p, used) != ERR_OK)
        refuse(p, "its PROXY header cannot be read");
    else if (result != SMTP_PROXY_MORE)
        begin_session(p, result == SMTP_PROXY_ADDRESSES ? &addresses : NULL);
}

static bool is_trusted(const struct listener *l, const struct socket_address *peer)
{
    const struct conf_peers *peers = &l->r->conf->trust.proxy;
    return route_networks_contain(peers->networks, peers->count, peer->ip, peer->ip_len);
}

void proxied_accept(const struct listener *l, int fd, const struct socket_address *peer)
{
    struct receiver *r = l->r;
    enum limits_answer a = limits_session_begin(r->start->shared, r->start->slot, &r->limits, SLICE_NONE, os_wall_s());
    if (listener_limit(r, a, slice_of(peer->ip, peer->ip_len)) != STATUS_OK) {
        os_close(&fd);
        return;
    }
    struct proxied *p = calloc(1, sizeof(*p));
    if (!p) {
        os_close(&fd);
        limits_session_end(r->start->shared, r->start->slot, SLICE_NONE);
        return;
    }
    *p = (struct proxied){.listener = l, .fd = fd, .peer = *peer, .until_ms = receiver_now_ms(r) + HEADER_MS};
    list_push(&r->proxied, &p->link);
    smtp_proxy_init(&p->reader);
    if (!is_trusted(l, peer)) {
        refuse(p, "it is not in [trust] proxy");
        return;
    }
    if (loop_watch_open(r->child.loop, fd, readable, p, &p->watch) != ERR_OK) {
        forget(p, true);
        return;
    }
    loop_watch_set(p->watch, true, false);
    sessions_sweep_start(r);
}

void proxied_sweep(struct receiver *r, int64_t now_ms)
{
    LIST_FOREACH(l, &r->proxied) {
        struct proxied *p = LIST_ENTRY(l, struct proxied, link);
        if (now_ms >= p->until_ms)
            refuse(p, "its PROXY header did not come in time");
    }
}

void proxied_close(struct receiver *r)
{
    struct list *l;
    while ((l = list_pop(&r->proxied)))
        forget(LIST_ENTRY(l, struct proxied, link), true);
}
