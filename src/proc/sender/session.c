/* SPDX-License-Identifier: ISC */
/* One connection with one engine. The engine is driven to rest after every event; what a session's end means for its job and its destination is decided in one
 * place, session_over. */
#include "proc/sender/state.h"

#define CONNECT_MS 30000
#define HANDSHAKE_MS 60000
#define IDLE_MS 2000
#define NO_MORE_MS 30000
#define TARGETS_TRIED_MAX 10u
#define WRITE_MAX (512u * 1024)
#define INPUT_MAX (256u * 1024)

static void host_print(struct session *x, const struct destination *d)
{
    buf b;
    buf_init_fixed(&b, x->host, sizeof x->host);
    if (d->hop.unix_path.len > 0) {
        buf_append(&b, SLICE("unix:"));
        buf_append(&b, d->hop.unix_path);
    } else {
        const struct mx_target *t = &d->targets[x->target];
        buf_append(&b, slice_sub(t->name, 0, 200));
        buf_append_char(&b, '[');
        address_ip_print(&b, t->address.ip, t->address.ip_len);
        buf_append(&b, SLICE("]:"));
        buf_append_u64(&b, d->hop.port ? d->hop.port : 25);
    }
    x->host_text = buf_slice(&b);
}

static void options_set(struct sender *s, struct session *x)
{
    const struct destination *d = x->destination;
    const struct route_override *o = d->hop.override;
    enum route_tls tls = o ? o->tls : ROUTE_TLS_MAY;
    x->options = (struct smtp_client_options){
        .helo = o && o->helo.len > 0 ? o->helo : s->conf->route.hostname,
        .login = d->login,
        .password = d->password,
        .lmtp = d->hop.kind == NEXT_LMTP,
        .implicit_tls = o && o->smtps,
    };
    if (x->options.lmtp || tls == ROUTE_TLS_NONE || x->plain_only || x->options.implicit_tls)
        x->options.tls = SMTP_CLIENT_TLS_NONE;
    else
        x->options.tls = tls == ROUTE_TLS_MAY ? SMTP_CLIENT_TLS_MAY : SMTP_CLIENT_TLS_REQUIRE;
}

static bool must_verify(const struct session *x)
{
    const struct route_override *o = x->destination->hop.override;
    return o && (o->tls == ROUTE_TLS_VERIFY || o->login.len > 0);
}

static void count_state(struct session *x, enum session_state state)
{
    struct destination *d = x->destination;
    if (x->state <= SESSION_HANDSHAKE && state > SESSION_HANDSHAKE)
        d->opening--;
    x->state = state;
}

static void set_idle(struct session *x, bool idle)
{
    if (x->idle != idle)
        x->destination->idle += idle ? 1 : UINT32_MAX;
    x->idle = idle;
}

void sender_session_close(struct sender *s, struct session *x)
{
    set_idle(x, false);
    count_state(x, SESSION_OVER);
    x->destination->session_count--;
    s->session_count--;
    list_remove(&x->link);
    list_remove(&x->all);
    if (x->connection)
        net_close_after_write(&x->connection, 1000);
    smtp_client_close(&x->client);
    if (x->entry)
        spool_entry_close(&x->entry);
    buf_deinit(&x->pending);
    free(x);
}

/* The destination remembers what its last session died of, for when no target is left. */
static void failure_keep(struct session *x, const struct verdict *v, bool remote)
{
    struct destination *d = x->destination;
    buf text;
    buf_init_fixed(&text, d->failure_memory, sizeof d->failure_memory);
    buf_append(&text, slice_sub(v->text, 0, sizeof d->failure_memory));
    d->failure = *v;
    d->failure.text = buf_slice(&text);
    d->failure_remote = remote;
    memcpy(d->failure_host, x->host, sizeof d->failure_host);
    d->failure_from = slice_of(d->failure_host, x->host_text.len);
}

/* The target did not get as far as taking mail: another is tried, or the destination is down. Permanent words of a greeting are no judgement on the mail: only the next host counts. */
static void target_failed(struct sender *s, struct session *x)
{
    struct destination *d = x->destination;
    uint32_t next = x->target + 1;
    if (d->target_first <= x->target)
        d->target_first = next;
    bool others = d->session_count > 1;
    sender_session_close(s, x);
    if (next < d->target_count && next < TARGETS_TRIED_MAX) {
        if (d->job_count > 0)
            sender_session_open(s, d, next, false);
        return;
    }
    d->target_first = 0;
    if (others) {
        d->no_more_until_ms = loop_now_ms(s->child.loop) + NO_MORE_MS;
        return;
    }
    struct verdict v = d->failure;
    if (verdict_class(&v) != VERDICT_TEMPORARY)
        v.code = 451, v.enhanced[0] = 4;
    sender_destination_down(s, d, &v, d->failure_from, d->failure_remote);
}

static void session_over(struct sender *s, struct session *x, const struct verdict *v, bool remote,
                         enum smtp_client_phase phase)
{
    struct destination *d = x->destination;
    bool worked = phase > SMTP_PHASE_AUTH || x->carried > 0;
    failure_keep(x, v, remote);
    if (!worked) {
        log_line(LOG_INFO, "connect to %.*s: %.*s", SLICE_ARG(x->host_text), SLICE_ARG(d->failure.text));
        target_failed(s, x);
        return;
    }
    sender_session_close(s, x);
    sender_destination_pump(s, d);
}

static bool events(struct sender *s, struct session *x);

static void output_flush(struct session *x)
{
    slice out = smtp_client_output(x->client);
    if (out.len == 0 || !x->connection)
        return;
    enum err e = net_write(x->connection, out);
    smtp_client_sent(x->client, out.len);
    if (e == ERR_OK)
        return;
    smtp_client_lost(x->client, e);
    x->broken = true;
}

static bool feed(struct sender *s, struct session *x, slice in, size_t *used_r)
{
    return smtp_client_feed(x->client, loop_now_ms(s->child.loop), in, used_r) == ERR_OK;
}

/* False when the session is gone. */
static bool consume(struct sender *s, struct session *x, slice in)
{
    for (;;) {
        size_t used = 0;
        if (!feed(s, x, in, &used))
            smtp_client_lost(x->client, ERR_NOMEM);
        in = slice_skip(in, used);
        if (!events(s, x))
            return false;
        if (used == 0 || in.len == 0)
            break;
    }
    buf_append(&x->pending, in);
    if (!buf_ok(&x->pending)) {
        smtp_client_lost(x->client, ERR_LIMIT);
        return events(s, x);
    }
    return true;
}

void sender_session_drive(struct sender *s, struct session *x)
{
    if (!events(s, x) || x->pending.len == 0)
        return;
    buf in = x->pending;
    buf_init(&x->pending, INPUT_MAX);
    (void)consume(s, x, buf_slice(&in));
    buf_deinit(&in);
}

static void tls_begin(struct sender *s, struct session *x)
{
    const struct destination *d = x->destination;
    const struct tls_client *t = must_verify(x) ? s->tls_verify : s->tls_open;
    count_state(x, SESSION_HANDSHAKE);
    x->deadline_ms = loop_now_ms(s->child.loop) + HANDSHAKE_MS;
    if (net_start_tls_client(x->connection, t, d->targets[x->target].name) != ERR_OK)
        smtp_client_lost(x->client, ERR_TLS);
}

/* One event; false when the session is gone. */
static bool event(struct sender *s, struct session *x, const struct smtp_client_event *e)
{
    switch (e->kind) {
    case SMTP_CLIENT_STARTTLS:
        output_flush(x);
        tls_begin(s, x);
        return true;
    case SMTP_CLIENT_READY:
        if (!x->ready_us)
            x->ready_us = os_now_us();
        count_state(x, SESSION_TALKING);
        x->destination->target_first =
            x->target < x->destination->target_first ? x->target : x->destination->target_first;
        sender_session_next(s, x);
        return true;
    case SMTP_CLIENT_BODY:
        x->body_open = true;
        sender_transfer_body(s, x);
        return true;
    case SMTP_CLIENT_RECIPIENT:
        sender_transfer_recipient(x, e);
        return true;
    case SMTP_CLIENT_MESSAGE_DONE:
        x->ended = true;
        return true;
    case SMTP_CLIENT_FAILED: {
        /* The verdict's words live in the engine, which is closed on the way. */
        char memory[512];
        buf text;
        buf_init_fixed(&text, memory, sizeof memory);
        buf_append(&text, slice_sub(e->verdict.text, 0, sizeof memory));
        struct verdict v = e->verdict;
        v.text = buf_slice(&text);
        if (x->job)
            sender_transfer_end(s, x, true, e->phase);
        session_over(s, x, &v, e->remote, e->phase);
        return false;
    }
    case SMTP_CLIENT_CLOSED:
        session_over(s, x, &(struct verdict){.code = 250}, false, SMTP_PHASE_QUIT);
        return false;
    }
    return true;
}

static bool events(struct sender *s, struct session *x)
{
    struct smtp_client_event e;
    while (smtp_client_next(x->client, &e)) {
        /* MESSAGE_DONE is acted upon only when it is known whether the session failed with it. */
        if (x->ended && e.kind != SMTP_CLIENT_FAILED) {
            x->ended = false;
            sender_transfer_end(s, x, false, SMTP_PHASE_END);
        }
        x->ended = x->ended && e.kind != SMTP_CLIENT_FAILED;
        if (!event(s, x, &e))
            return false;
    }
    if (x->ended) {
        x->ended = false;
        sender_transfer_end(s, x, false, SMTP_PHASE_END);
    }
    output_flush(x);
    return true;
}

void sender_session_next(struct sender *s, struct session *x)
{
    struct job *j;
    while ((j = sender_job_next(x->destination)) != NULL) {
        if (j->target_first > x->target) {
            /* This host has failed it before; it waits for a session with the next one. */
            sender_job_wait(x->destination, j);
            break;
        }
        set_idle(x, false);
        if (sender_transfer_begin(s, x, j)) {
            output_flush(x);
            return;
        }
    }
    if (s->child.draining) {
        smtp_client_quit(x->client, loop_now_ms(s->child.loop));
        output_flush(x);
        return;
    }
    set_idle(x, true);
    x->deadline_ms = loop_now_ms(s->child.loop) + IDLE_MS;
}

static void on_data(void *ctx, slice in)
{
    struct session *x = ctx;
    struct sender *s = sender_get();
    if (x->pending.len > 0) {
        buf_append(&x->pending, in);
        sender_session_drive(s, x);
        return;
    }
    (void)consume(s, x, in);
}

static void on_drained(void *ctx)
{
    struct session *x = ctx;
    if (!x->body_open)
        return;
    sender_transfer_body(sender_get(), x);
    sender_session_drive(sender_get(), x);
}

static void on_connected(void *ctx)
{
    struct session *x = ctx;
    struct sender *s = sender_get();
    if (x->options.implicit_tls) {
        tls_begin(s, x);
    } else {
        count_state(x, SESSION_TALKING);
    }
    sender_session_drive(s, x);
}

static void on_secured(void *ctx)
{
    struct session *x = ctx;
    struct sender *s = sender_get();
    bool verified = net_tls_verified(x->connection);
    count_state(x, SESSION_TALKING);
    smtp_client_secured(x->client, loop_now_ms(s->child.loop), verified);
    sender_session_drive(s, x);
}

/* Opportunistic TLS that fails is worth no more than none: once more without it. */
static bool retry_plain(struct sender *s, struct session *x)
{
    if (x->state != SESSION_HANDSHAKE || x->options.tls != SMTP_CLIENT_TLS_MAY || x->options.implicit_tls || x->job)
        return false;
    struct destination *d = x->destination;
    uint32_t target = x->target;
    log_line(LOG_INFO, "%.*s: TLS handshake failed (%.*s): trying without", SLICE_ARG(x->host_text),
             SLICE_ARG(net_tls_error(x->connection)));
    sender_session_close(s, x);
    sender_session_open(s, d, target, true);
    return true;
}

static void on_closed(void *ctx, enum err why)
{
    struct session *x = ctx;
    struct sender *s = sender_get();
    if (retry_plain(s, x))
        return;
    smtp_client_lost(x->client, why);
    sender_session_drive(s, x);
}

static const struct net_ops session_ops = {
    .data = on_data,
    .drained = on_drained,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

static enum err connect_to(struct sender *s, struct session *x)
{
    const struct destination *d = x->destination;
    struct socket_address to = d->unix_target, source;
    struct net_route route = {.to = &to};
    if (d->hop.unix_path.len == 0) {
        const struct mx_address *a = &d->targets[x->target].address;
        to = (struct socket_address){.ip_len = a->ip_len, .port = d->hop.port ? d->hop.port : 25};
        memcpy(to.ip, a->ip, a->ip_len);
    }
    slice from = d->hop.override ? d->hop.override->source : SLICE_NONE;
    if (from.len > 0 && socket_address_parse(from, 0, &source) == ERR_OK && source.ip_len == to.ip_len)
        route.source = &source;
    return net_connect(s->child.loop, &route, &session_ops, x, &x->connection);
}

void sender_session_open(struct sender *s, struct destination *d, uint32_t target, bool plain_only)
{
    struct session *x = calloc(1, sizeof *x);
    if (!x)
        return;
    x->destination = d;
    x->target = target < d->target_count ? target : 0;
    x->plain_only = plain_only;
    x->begun_us = os_now_us();
    x->deadline_ms = loop_now_ms(s->child.loop) + CONNECT_MS;
    buf_init(&x->pending, INPUT_MAX);
    options_set(s, x);
    host_print(x, d);
    if (smtp_client_open(&x->options, loop_now_ms(s->child.loop), &x->client) != ERR_OK) {
        free(x);
        return;
    }
    list_push(&d->sessions, &x->link);
    list_push(&s->sessions, &x->all);
    d->session_count++;
    d->opening++;
    s->session_count++;
    enum err e = connect_to(s, x);
    if (e == ERR_OK) {
        net_write_max(x->connection, WRITE_MAX);
        return;
    }
    x->connection = NULL;
    smtp_client_lost(x->client, e);
    sender_session_drive(s, x);
}

static void deadline(struct sender *s, struct session *x, int64_t now_ms)
{
    if (x->broken) {
        sender_session_drive(s, x);
        return;
    }
    if (x->idle) {
        if (now_ms < x->deadline_ms)
            return;
        set_idle(x, false);
        smtp_client_quit(x->client, now_ms);
        sender_session_drive(s, x);
        return;
    }
    if (x->state == SESSION_TALKING) {
        if (now_ms < smtp_client_deadline(x->client))
            return;
        smtp_client_tick(x->client, now_ms);
    } else {
        if (now_ms < x->deadline_ms)
            return;
        if (retry_plain(s, x))
            return;
        smtp_client_lost(x->client, ERR_TIMEOUT);
    }
    sender_session_drive(s, x);
}

void sender_session_sweep(struct sender *s)
{
    int64_t now_ms = loop_now_ms(s->child.loop);
    LIST_FOREACH(l, &s->sessions)
        deadline(s, LIST_ENTRY(l, struct session, all), now_ms);
}
