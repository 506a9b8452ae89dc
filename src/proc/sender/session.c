/* SPDX-License-Identifier: ISC */
/* One connection with one engine. The engine is driven to rest after every event; what a session's end means for its job and its destination is decided in one
 * place, session_over. */
#include "proc/sender/state.h"

#define IDLE_MS 2000
#define NO_MORE_MS 30000
#define INPUT_MAX (256u * 1024)

static void set_ready(struct session *x)
{
    if (!x->ready)
        x->destination->opening--;
    x->ready = true;
}

/* Those that are idle come first in their destination's list. */
static void set_idle(struct session *x, bool idle)
{
    struct destination *d = x->destination;
    if (x->idle == idle)
        return;
    x->idle = idle;
    d->idle += idle ? 1 : UINT32_MAX;
    sender_get()->idle += idle ? 1 : UINT32_MAX;
    list_remove(&x->link);
    if (idle) {
        list_push_front(&d->sessions, &x->link);
        sender_pace_idle(sender_get(), x);
    } else {
        list_push(&d->sessions, &x->link);
        sender_pace_end(sender_get(), x);
    }
}

void sender_session_close(struct sender *s, struct session *x)
{
    set_idle(x, false);
    set_ready(x);
    if (s->sweep_at == &x->all)
        s->sweep_at = x->all.next;
    x->destination->session_count--;
    sender_pace_end(s, x);
    s->session_count--;
    trace_gauge_add(TRACE_GAUGE_SESSIONS_OUT, -1);
    list_remove(&x->link);
    list_remove(&x->all);
    if (x->connection)
        net_close_after_write(&x->connection, 1000);
    smtp_client_close(&x->client);
    sasl_client_close(&x->sasl);
    if (x->entry)
        spool_entry_close(&x->entry);
    sender_convert_end(s, x);
    buf_deinit(&x->pending);
    free(x);
}

/* What a session died of: its own copy, since the session goes first. */
struct failure {
    struct verdict verdict;
    bool remote;
    char text[512], host[sizeof((struct session *)0)->host];
    slice from;
};

static void failure_keep(struct failure *f, const struct session *x, const struct verdict *v, bool remote)
{
    buf text;
    buf_init_fixed(&text, f->text, sizeof f->text);
    buf_append(&text, slice_sub(v->text, 0, sizeof f->text));
    f->verdict = *v;
    f->verdict.text = buf_slice(&text);
    f->remote = remote;
    memcpy(f->host, x->host, x->host_text.len);
    f->from = slice_of(f->host, x->host_text.len);
}

/* Others are at the same host, and it takes their mail: it only has enough of us. */
static bool target_works(const struct session *x)
{
    LIST_FOREACH(l, &x->destination->sessions) {
        const struct session *other = LIST_ENTRY(l, struct session, link);
        if (other != x && other->ready && !other->stale && other->target <= x->target)
            return true;
    }
    return false;
}

/* Nothing is left to try. Permanent words of a greeting are no judgement on the mail. */
static void targets_failed(struct sender *s, struct destination *d, const struct failure *f)
{
    struct verdict v = f->verdict;
    if (verdict_class(&v) != VERDICT_TEMPORARY) {
        v.code = 451;
        v.enhanced[0] = v.enhanced[0] ? VERDICT_TEMPORARY : 0;
    }
    sender_destination_down(s, d, &v, f->from, f->remote);
}

/* The target did not get as far as taking mail: another is tried, or the destination is down. */
static void target_failed(struct sender *s, struct session *x, const struct failure *f)
{
    struct destination *d = x->destination;
    uint32_t next = x->target + 1;
    bool stale = x->stale, works = target_works(x), others = d->session_count > 1;
    sender_session_close(s, x);
    if (stale)
        return;
    if (!works) {
        if (d->target_first < next)
            d->target_first = next;
        if (next < d->target_count && next < TARGETS_TRIED_MAX) {
            if (d->job_count > 0)
                sender_session_open(s, d, next, false);
            return;
        }
        d->target_first = 0;
    }
    if (works || others)
        d->no_more_until_ms = loop_now_ms(s->child.loop) + NO_MORE_MS;
    else
        targets_failed(s, d, f);
}

static void session_over(struct sender *s, struct session *x, const struct verdict *v, bool remote,
                         enum smtp_client_phase phase)
{
    struct destination *d = x->destination;
    bool worked = phase > SMTP_PHASE_AUTH || x->carried > 0;
    if (!worked) {
        struct failure f;
        failure_keep(&f, x, v, remote);
        sender_log_host_failed(x, v);
        target_failed(s, x, &f);
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
    smtp_client_body_unwritten(x->client, x->connection && net_write_pending(x->connection) > 0);
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

/* Opportunistic TLS that fails is worth no more than none: once more without it, unless nobody knows the host's addresses any more. True: the session is gone. */
static bool retry_plain(struct sender *s, struct session *x)
{
    if (x->state != SESSION_HANDSHAKE || x->options.tls != SMTP_CLIENT_TLS_MAY || x->stale ||
        x->destination->target_count == 0)
        return false;
    struct destination *d = x->destination;
    uint32_t target = x->target;
    sender_log_tls_failed(x);
    sender_session_close(s, x);
    sender_session_open(s, d, target, true);
    return true;
}

/* False when the session is gone. */
static bool tls_begin(struct sender *s, struct session *x)
{
    if (sender_session_tls(s, x) == ERR_OK)
        return true;
    if (retry_plain(s, x))
        return false;
    smtp_client_lost(x->client, ERR_TLS);
    return true;
}

static void ready(struct sender *s, struct session *x)
{
    if (!x->ready)
        x->offer = smtp_client_offered(x->client);
    if (!x->ready_us)
        x->ready_us = os_now_us();
    if (!x->ready)
        sender_log_connected(x);
    set_ready(x);
    if (!x->stale && x->target < x->destination->target_first)
        x->destination->target_first = x->target;
    sender_session_next(s, x);
}

/* One event; false when the session is gone. */
static bool event(struct sender *s, struct session *x, const struct smtp_client_event *e)
{
    switch (e->kind) {
    case SMTP_CLIENT_STARTTLS:
        output_flush(x);
        return tls_begin(s, x);
    case SMTP_CLIENT_READY:
        if (sender_login_end(s, x))
            ready(s, x);
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
        output_flush(x);
        if (x->job && x->converting_now)
            sender_transfer_give_up(x, &v, e->remote);
        if (x->job)
            sender_transfer_end(s, x, true, e->phase);
        session_over(s, x, &v, e->remote, e->phase);
        return false;
    }
    case SMTP_CLIENT_AUTH:
        sender_login_begin(s, x, e->text);
        return true;
    case SMTP_CLIENT_CHALLENGE:
        sender_login_challenge(s, x, e->text);
        return true;
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
    struct destination *d = x->destination;
    struct job *j;
    set_idle(x, false);
    x->exhausted =
        x->exhausted || (x->offer.mail_max > 0 && x->carried >= x->offer.mail_max); /* RFC 9422 section 4.1 */
    while (!x->stale && !x->exhausted && (j = sender_job_next(d, x->target)) != NULL) {
        if (sender_transfer_begin(s, x, j)) {
            output_flush(x);
            return;
        }
    }
    /* Jobs that this host has failed wait for another one: its session would be in the way. */
    if (s->child.draining || x->stale || x->exhausted || d->job_count > 0) {
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
    x->state = SESSION_TALKING;
    x->connected_us = os_now_us();
    if (!x->options.implicit_tls || tls_begin(s, x))
        sender_session_drive(s, x);
}

static void on_secured(void *ctx)
{
    struct session *x = ctx;
    struct sender *s = sender_get();
    bool verified = net_tls_verified(x->connection);
    x->state = SESSION_TALKING;
    x->secured_us = os_now_us();
    smtp_client_secured(x->client, loop_now_ms(s->child.loop), verified);
    sender_session_drive(s, x);
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

const struct net_ops sender_session_ops = {
    .data = on_data,
    .drained = on_drained,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

void sender_session_quit(struct sender *s, struct session *x)
{
    set_idle(x, false);
    smtp_client_quit(x->client, loop_now_ms(s->child.loop));
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
        sender_session_quit(s, x);
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
    /* What one session does may end others: closing moves the cursor. */
    for (s->sweep_at = s->sessions.next; s->sweep_at != &s->sessions;) {
        struct session *x = LIST_ENTRY(s->sweep_at, struct session, all);
        s->sweep_at = s->sweep_at->next;
        deadline(s, x, now_ms);
    }
    s->sweep_at = NULL;
}
