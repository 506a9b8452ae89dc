/* SPDX-License-Identifier: ISC */
#include "proc/sender/sender.h"

#include "proc/sender/state.h"

#define SWEEP_MS 250
#define OUT_MAX (1u * 1024 * 1024)

static struct sender sender;

struct sender *sender_get(void)
{
    return &sender;
}

static void peer_up(void *ctx, struct hub_peer *p)
{
    struct sender *s = ctx;
    if (p->kind == PROCESS_QUEUE)
        sender_jobs_hello(s, p);
    else if (p->kind == PROCESS_LOOKUP)
        sender_targets_ask_again(s);
}

static void peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    (void)ctx;
    (void)p;
    (void)dead;
}

static void message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct sender *s = ctx;
    (void)p;
    if (m->type == IPC_job)
        sender_job_take(s, &m->u.job);
    else if (m->type == IPC_answer_mx)
        sender_targets_answer(s, &m->u.answer_mx);
}

/* What waits goes back to the queue; what is being sent is sent. */
static void drain(void *ctx, int64_t limit_ms)
{
    struct sender *s = ctx;
    s->drain_until_ms = loop_now_ms(s->child.loop) + limit_ms;
    LIST_FOREACH(l, &s->destinations) {
        struct destination *d = LIST_ENTRY(l, struct destination, link);
        for (struct job *j = sender_job_first(d); j; j = sender_job_first(d))
            sender_job_return(s, j);
    }
    LIST_FOREACH(l, &s->sessions) {
        struct session *x = LIST_ENTRY(l, struct session, all);
        if (x->idle)
            sender_session_next(s, x);
    }
}

static void master_gone(void *ctx)
{
    struct sender *s = ctx;
    child_stop(&s->child, 0);
}

static void sweep(void *ctx)
{
    struct sender *s = ctx;
    loop_timer_start(s->sweep, SWEEP_MS);
    sender_session_sweep(s);
    sender_targets_sweep(s);
    sender_destination_sweep(s);
    spool_reader_trim(s->reader);
    /* What no queue has heard of would be sent again: at a reload there is none for a moment. */
    bool over = list_empty(&s->jobs) && list_empty(&s->done);
    if (s->child.draining && (over || loop_now_ms(s->child.loop) >= s->drain_until_ms))
        child_stop(&s->child, 0);
}

static enum err tls_open(struct sender *s)
{
    buf why;
    buf_init(&why, 1024);
    enum err e = tls_client_open(false, &s->tls_open, &why);
    if (e == ERR_OK)
        e = tls_client_open(true, &s->tls_verify, &why);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "TLS for outgoing mail: %.*s", SLICE_ARG(buf_slice(&why)));
    buf_deinit(&why);
    return e;
}

static enum err start(struct sender *s, const struct child_start *start_with)
{
    struct sandbox_profile sandbox;
    sender_sandbox(start_with, &sandbox);
    enum err e = sender_credentials_read(s);
    if (e == ERR_OK)
        e = tls_open(s);
    if (e == ERR_OK)
        e = child_become(&s->child, PROCESS_NO_CAPS);
    if (e == ERR_OK)
        e = child_confine(&sandbox);
    if (e == ERR_OK)
        e = spool_reader_open(start_with->spool_fd, &s->reader);
    if (e == ERR_OK)
        e = route_index_open(&s->conf->route, start_with->hash_key, &s->routes);
    if (e == ERR_OK)
        e = loop_timer_open(s->child.loop, sweep, s, &s->sweep);
    if (e == ERR_OK)
        e = sender_pace_open(s);
    if (e == ERR_OK)
        e = sender_convert_open(s);
    if (e == ERR_OK)
        loop_timer_start(s->sweep, SWEEP_MS);
    return e;
}

int sender_main(const struct child_start *start_with)
{
    static const struct ipc_hub_ops ops = {
        .peer_up = peer_up,
        .peer_down = peer_down,
        .message = message,
        .drain = drain,
        .master_gone = master_gone,
    };
    struct sender *s = &sender;
    s->conf = start_with->conf;
    sender_destinations_init(s, start_with->hash_key);
    list_init(&s->sessions);
    list_init(&s->jobs);
    list_init(&s->held);
    list_init(&s->done);
    buf_init(&s->out, OUT_MAX);
    sender_targets_self_init(s);
    enum err e = child_begin(&s->child, start_with, "smtp", &ops, s);
    if (e == ERR_OK)
        e = start(s, start_with);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "the sender cannot start: %s", err_text(e));
        log_close();
        return 1;
    }
    child_ready(&s->child);
    int status = child_run(&s->child);
    LIST_FOREACH(l, &s->sessions)
        sender_session_close(s, LIST_ENTRY(l, struct session, all));
    sender_destination_close_all(s);
    sender_credentials_close(s);
    return status;
}
