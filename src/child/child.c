/* SPDX-License-Identifier: ISC */
#include "child/child.h"

#include <signal.h>

#define SIGNAL_DRAIN_MS 30000
#define BROKEN_MS 5000 /* in which the master tells that the other one is dead */
#define LAST_WRITES_MS 1000
#define EXIT_TRY_LATER 75
#define KEEP_MAX 256

/* The others need it to their end: the master tells it when. */
static bool serves_others(enum process_kind k)
{
    return k == PROCESS_QUEUE || k == PROCESS_LOOKUP || k == PROCESS_KEYS;
}

static void begin_drain(struct child *c, int64_t limit_ms)
{
    c->draining = true;
    if (c->ops->drain)
        c->ops->drain(c->ctx, limit_ms);
}

static void on_peer_up(void *ctx, struct hub_peer *p)
{
    struct child *c = ctx;
    if (c->ops->peer_up)
        c->ops->peer_up(c->ctx, p);
}

static void on_peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    struct child *c = ctx;
    if (c->ops->peer_down)
        c->ops->peer_down(c->ctx, p, dead);
    if (!dead)
        loop_timer_start(c->broken, BROKEN_MS);
}

/* The turn that it makes ends with flush_log. */
static void look_at_log(void *ctx)
{
    (void)ctx;
}

/* Both live and cannot talk: only a new process gets a new channel. The one that serves the others stays. */
static void broken_for_long(void *ctx)
{
    struct child *c = ctx;
    if (c->draining || serves_others(c->start->kind))
        return;
    for (struct hub_peer *p = ipc_hub_next(c->hub, NULL); p; p = ipc_hub_next(c->hub, p)) {
        if (p->up)
            continue;
        log_line(LOG_WARNING, "the channel to %s is broken: ending, to be started again", process_kind_name(p->kind));
        begin_drain(c, SIGNAL_DRAIN_MS);
        return;
    }
}

static void on_message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct child *c = ctx;
    if (c->ops->message)
        c->ops->message(c->ctx, p, m);
}

static void on_drain(void *ctx, int64_t limit_ms)
{
    begin_drain(ctx, limit_ms);
}

static void on_settled(void *ctx)
{
    struct child *c = ctx;
    if (c->ops->settled)
        c->ops->settled(c->ctx);
}

static void on_master_gone(void *ctx)
{
    struct child *c = ctx;
    if (c->ops->master_gone)
        c->ops->master_gone(c->ctx);
    child_stop(c, EXIT_TRY_LATER);
}

static const struct ipc_hub_ops hub_ops = {on_peer_up, on_peer_down, on_message, on_drain, on_settled, on_master_gone};

static void on_terminate(void *ctx, int signal_number)
{
    struct child *c = ctx;
    (void)signal_number;
    if (!serves_others(c->start->kind))
        begin_drain(c, SIGNAL_DRAIN_MS);
}

static void on_ignored(void *ctx, int signal_number)
{
    (void)ctx;
    (void)signal_number;
}

static void keep_descriptors(const struct child_start *s)
{
    int keep[KEEP_MAX];
    size_t count = 0;
    keep[count++] = s->control_fd;
    keep[count++] = s->lock_fd;
    keep[count++] = s->spool_fd;
    keep[count++] = log_socket();
    for (size_t i = 0; i < s->listen_count && count < KEEP_MAX; i++)
        keep[count++] = s->listen_fds[i];
    char title[32];
    buf b;
    buf_init_fixed(&b, title, sizeof title);
    buf_printf(&b, "thurn: %s%c", process_kind_name(s->kind), 0);
    process_child_begin(title, s->master_pid, keep, count);
}

enum err child_begin(struct child *c, const struct child_start *start, const char *log_component,
                     const struct ipc_hub_ops *ops, void *ctx)
{
    keep_descriptors(start);
    log_begin(slice_str(log_component));
    trace_ring_use(start->ring);
    *c = (struct child){.start = start, .conf = start->conf, .ops = ops, .ctx = ctx};
    enum err e = loop_open(&c->loop);
    if (e == ERR_OK)
        e = loop_timer_open(c->loop, broken_for_long, c, &c->broken);
    if (e == ERR_OK)
        e = loop_timer_open(c->loop, look_at_log, c, &c->log_again);
    if (e == ERR_OK)
        e = ipc_hub_open(c->loop, (struct ipc_hub_self){start->kind, start->control_fd}, &hub_ops, c, &c->hub);
    if (e == ERR_OK)
        e = loop_signal(c->loop, SIGTERM, on_terminate, c);
    if (e == ERR_OK)
        e = loop_signal(c->loop, SIGINT, on_ignored, c);
    if (e == ERR_OK)
        e = loop_signal(c->loop, SIGHUP, on_ignored, c);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot start: %s", err_text(e));
        log_close();
    }
    return e;
}

enum err child_become(struct child *c, enum process_caps caps)
{
    enum err e = process_become(&c->start->user, caps);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "cannot become user %.*s: %s", SLICE_ARG(c->start->user.name), err_text(e));
    return e;
}

enum err child_confine(const struct sandbox_profile *profile)
{
    enum err e = sandbox_enter(profile);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "cannot enter the sandbox: %s", err_text(e));
    return e;
}

void child_ready(struct child *c)
{
    struct ipc_message m = {.type = IPC_ready, .fd = -1, .u.ready = {c->start->process}};
    ipc_hub_send(c->hub, NULL, &m);
}

static void flush_log(void *ctx)
{
    struct child *c = ctx;
    int64_t again_ms = log_flush();
    if (again_ms >= 0)
        loop_timer_start(c->log_again, again_ms);
}

int child_run(struct child *c)
{
    /* Registered last, so that what the others log at the turn's end goes out with it. */
    enum err e = loop_at_turn_end(c->loop, flush_log, c);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "cannot run: %s", err_text(e));
    else
        loop_run(c->loop);
    ipc_hub_flush(c->hub, LAST_WRITES_MS);
    loop_timer_close(&c->broken);
    loop_timer_close(&c->log_again);
    ipc_hub_close(&c->hub);
    log_close();
    return e == ERR_OK ? c->exit_status : EXIT_TRY_LATER;
}

void child_stop(struct child *c, int exit_status)
{
    c->exit_status = exit_status;
    loop_stop(c->loop);
}
