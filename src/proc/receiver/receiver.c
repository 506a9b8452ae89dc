/* SPDX-License-Identifier: ISC */
#include "proc/receiver/receiver.h"

#include "proc/receiver/state.h"

#define MEMORY_MAX (128u << 20) /* bodies in flight */
#define GRACE_PART 10           /* of the time to drain, for sessions that are idle */
#define GRACE_MAX_MS 60000
#define STOP_MAX_MS 60000 /* a shorter time to drain is the end of the server, not of a generation */
#define EXIT_CONFIGURATION 78

static void on_peer_up(void *ctx, struct hub_peer *p)
{
    if (p->kind == PROCESS_QUEUE)
        announce_queue_up(ctx, p);
    else if (p->kind == PROCESS_KEYS)
        sign_look(ctx);
}

static void on_peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    struct receiver *r = ctx;
    (void)dead;
    if (p->kind == PROCESS_QUEUE)
        announce_queue_down(r, p);
    else if (p->kind == PROCESS_LOOKUP && !ipc_hub_find(r->child.hub, PROCESS_LOOKUP))
        ask_lookup_down(r);
    else if (p->kind == PROCESS_KEYS)
        sign_look(r);
}

static void on_message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct receiver *r = ctx;
    switch (m->type) {
    case IPC_numbers:
        numbers_arrived(r, m->u.numbers.first, m->u.numbers.count);
        break;
    case IPC_announce_ack:
        announce_ack(r, p, m->u.announce_ack.bytes);
        break;
    case IPC_segment_free:
        if (p == r->queue)
            spool_writer_recycle(r->writer, m->u.segment_free.segment, m->u.segment_free.epoch);
        break;
    case IPC_answer_user:
    case IPC_answer_sasl:
    case IPC_answer_name:
    case IPC_answer_etrn:
    case IPC_answer_mx:
        ask_answer(r, m);
        break;
    case IPC_answer_sign:
        sign_answer(r, &m->u.answer_sign);
        break;
    case IPC_sasl_offer:
        if (p == ipc_hub_find(r->child.hub, PROCESS_LOOKUP))
            auth_offer_set(r, m->u.sasl_offer.mechanisms);
        break;
    default:
        break;
    }
}

/* Sessions in a transaction may finish it; idle ones are told to go after a while, since a client may be about to use them. When the server stops, a client that
 * is never idle goes then, too. The server may stop while a generation drains: the earlier end counts. */
static void on_drain(void *ctx, int64_t limit_ms)
{
    struct receiver *r = ctx;
    int64_t now_ms = receiver_now_ms(r), until_ms = now_ms + limit_ms;
    if (!r->draining || until_ms < r->drain_until_ms) {
        r->drain_grace_ms = limit_ms / GRACE_PART < GRACE_MAX_MS ? limit_ms / GRACE_PART : GRACE_MAX_MS;
        r->drain_until_ms = until_ms;
        r->drain_busy_until_ms = limit_ms < STOP_MAX_MS ? now_ms + r->drain_grace_ms : until_ms;
    }
    r->draining = true;
    listeners_stop(r);
    proxied_close(r);
    receiver_end_if_drained(r);
}

static const struct ipc_hub_ops ops = {
    .peer_up = on_peer_up, .peer_down = on_peer_down, .message = on_message, .drain = on_drain};

void receiver_end_if_drained(struct receiver *r)
{
    if (r->draining && r->session_count == 0 && r->storing_count == 0)
        child_stop(&r->child, 0);
}

static void writer_wakes(void *ctx, bool readable, bool writable)
{
    struct receiver *r = ctx;
    struct spool_done done;
    (void)readable;
    (void)writable;
    while (spool_writer_next_done(r->writer, &done)) {
        if (done.kind == SPOOL_DONE_NUMBERS_LOW) {
            numbers_writer_low(r);
        } else if (done.kind == SPOOL_DONE_COMMITTED) {
            store_done(r, &done);
        } else {
            struct storing *st = done.cookie;
            if (st->session && st->session->congested) {
                st->session->congested = false;
                session_resume(st->session);
            }
        }
    }
}

static void turn_ends(void *ctx)
{
    struct receiver *r = ctx;
    spool_writer_flush(r->writer);
    trace_gauge_set(TRACE_GAUGE_SESSIONS_IN, (int64_t)r->session_count);
}

/* Certificates, and the keys that cannot be apart, may be root's: they are read before the process becomes somebody else. */
static enum err load_keys(struct receiver *r)
{
    const struct conf *c = r->conf;
    if (c->tls_count == 0)
        return ERR_OK;
    struct tls_pair *pairs = calloc(c->tls_count, sizeof(*pairs));
    if (!pairs)
        return ERR_NOMEM;
    for (size_t i = 0; i < c->tls_count; i++) {
        pairs[i] = (struct tls_pair){c->tls[i].name, c->tls[i].cert, c->tls[i].key, &r->signer};
        r->keys_needed = r->keys_needed || tls_pair_apart(&pairs[i]);
    }
    r->signer = (struct tls_signer){sign_ask, r};
    char text[512];
    buf why;
    buf_init_fixed(&why, text, sizeof(text));
    enum err e = tls_server_open(pairs, c->tls_count, r->start->ticket_key, &r->tls, &why);
    if (e == ERR_OK && c->auth.client_ca.len > 0)
        e = tls_server_open(pairs, c->tls_count, SLICE_NONE, &r->tls_asking, &why);
    if (e == ERR_OK && r->tls_asking)
        e = tls_server_ask_clients(r->tls_asking, c->auth.client_ca, &why);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "no TLS: %.*s", SLICE_ARG(buf_slice(&why)));
    free(pairs);
    return e;
}

static enum err open_spool(struct receiver *r)
{
    const struct spool_writer_options o = {.dir_fd = r->start->spool_fd,
                                           .writer = r->start->process,
                                           .min_free = r->conf->queue.min_free,
                                           .memory_max = MEMORY_MAX};
    enum err e = spool_writer_open(&o, &r->writer);
    if (e == ERR_OK)
        e = loop_watch_open(r->child.loop, spool_writer_wake_fd(r->writer), writer_wakes, r, &r->writer_watch);
    if (e != ERR_OK)
        return e;
    loop_watch_set(r->writer_watch, true, false);
    return loop_at_turn_end(r->child.loop, turn_ends, r);
}

static enum err begin(struct receiver *r)
{
    const struct conf_limits *l = &r->conf->limits;
    r->limits = (struct limits_config){.sessions = l->sessions,
                                       .sessions_per_address = l->sessions_per_address,
                                       .connections_per_minute = l->connections_per_minute,
                                       .auth_failures = l->auth_failures,
                                       .user_messages = l->user_messages_per_hour,
                                       .user_recipients = l->user_recipients_per_hour};
    auth_offer_set(r, SLICE("PLAIN LOGIN"));
    struct sandbox_profile sandbox;
    receiver_sandbox(r->start, &sandbox);
    enum err e = child_become(&r->child, PROCESS_NO_CAPS);
    if (e == ERR_OK)
        e = child_confine(&sandbox);
    if (e == ERR_OK)
        e = route_index_open(&r->conf->route, r->start->hash_key, &r->routes);
    if (e == ERR_OK)
        e = open_spool(r);
    if (e == ERR_OK)
        e = loop_timer_open(r->child.loop, sessions_sweep, r, &r->sweep);
    if (e == ERR_OK)
        e = listeners_open(r);
    sign_look(r);
    return e;
}

/* Without its master it has sessions still, and they have mail half written. */
static void end(struct receiver *r)
{
    if (r->writer_watch)
        loop_watch_close(&r->writer_watch);
    proxied_close(r);
    sessions_close(r);
    spool_writer_close(&r->writer);
    free(r->listeners);
    free(r->asks);
    free(r->names);
    route_index_close(&r->routes);
    tls_server_close(&r->tls);
    tls_server_close(&r->tls_asking);
}

int receiver_main(const struct child_start *start)
{
    struct receiver r = {.start = start, .conf = start->conf, .hurry = 100};
    list_init(&r.proxied);
    list_init(&r.sessions);
    list_init(&r.free_sessions);
    list_init(&r.free_storings);
    if (child_begin(&r.child, start, "smtpd", &ops, &r) != ERR_OK)
        return EXIT_TEMPORARY;
    if (load_keys(&r) != ERR_OK) {
        log_close();
        return EXIT_CONFIGURATION;
    }
    enum err e = begin(&r);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot start: %s", err_text(e));
        log_close();
        return EXIT_TEMPORARY;
    }
    numbers_ask(&r);
    child_ready(&r.child);
    int status = child_run(&r.child);
    end(&r);
    return status;
}
