/* SPDX-License-Identifier: ISC */
#include "proc/deliver/deliver.h"

#include "proc/deliver/state.h"

#define SWEEP_MS 500

static void peer_up(void *ctx, struct hub_peer *p)
{
    if (p->kind == PROCESS_QUEUE)
        deliver_jobs_hello(ctx, p);
}

static void peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    (void)ctx;
    (void)p;
    (void)dead;
}

static void message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    (void)p;
    if (m->type == IPC_job)
        deliver_job_take(ctx, &m->u.job);
}

static void drain(void *ctx, int64_t limit_ms)
{
    struct deliver *d = ctx;
    d->drain_until_ms = loop_now_ms(d->child.loop) + limit_ms;
}

static void master_gone(void *ctx)
{
    struct deliver *d = ctx;
    child_stop(&d->child, 0);
}

static void sweep(void *ctx)
{
    struct deliver *d = ctx;
    loop_timer_start(d->sweep, SWEEP_MS);
    deliver_worker_sweep(d);
    spool_reader_trim(d->reader);
    /* What no queue has heard of would be delivered again: at a reload there is none for a moment. */
    bool over = list_empty(&d->jobs) && list_empty(&d->done);
    if (d->child.draining && (over || loop_now_ms(d->child.loop) >= d->drain_until_ms))
        child_stop(&d->child, 0);
}

static void turn_end(void *ctx)
{
    deliver_worker_flush_all(ctx);
}

static enum err self_init(struct deliver *d, const struct child_start *start)
{
    arena_init(&d->self_arena, 65536);
    if (start->root) {
        d->self = start->user;
        return ERR_OK;
    }
    if (os_user_by_uid(os_uid(), &d->self_arena, &d->self) != ERR_OK)
        d->self = (struct os_user){.uid = os_uid(), .gid = process_gid(), .name = SLICE("thurn"), .home = SLICE("/")};
    return ERR_OK;
}

static enum err start(struct deliver *d, const struct child_start *start_with)
{
    enum err e = self_init(d, start_with);
    struct sandbox_profile sandbox;
    deliver_sandbox(start_with, &sandbox);
    if (e == ERR_OK && os_names_load() != ERR_OK)
        log_line(LOG_WARNING, "the name service does not answer");
    /* A filter that lets programs gain privileges can be put on by root only, any other by everybody. */
    bool by_root = sandbox.calls & SANDBOX_COMMANDS;
    if (e == ERR_OK && by_root && sandbox_enter(&sandbox) != ERR_OK)
        log_line(LOG_WARNING,
                 "pipe commands run without a system call filter of ours: that takes root, with CAP_SYS_ADMIN");
    if (e == ERR_OK)
        e = child_become(&d->child, PROCESS_SETUID_CAPS);
    if (e == ERR_OK && !by_root)
        e = child_confine(&sandbox);
    if (e == ERR_OK)
        e = spool_reader_open(start_with->spool_fd, &d->reader);
    if (e == ERR_OK)
        e = route_index_open(&d->conf->route, start_with->hash_key, &d->routes);
    if (e == ERR_OK)
        e = loop_timer_open(d->child.loop, sweep, d, &d->sweep);
    if (e == ERR_OK)
        e = loop_at_turn_end(d->child.loop, turn_end, d);
    if (e == ERR_OK)
        loop_timer_start(d->sweep, SWEEP_MS);
    return e;
}

int deliver_main(const struct child_start *start_with)
{
    static const struct ipc_hub_ops ops = {
        .peer_up = peer_up,
        .peer_down = peer_down,
        .message = message,
        .drain = drain,
        .master_gone = master_gone,
    };
    static struct deliver deliver;
    struct deliver *d = &deliver;
    d->conf = start_with->conf;
    list_init(&d->jobs);
    list_init(&d->done);
    list_init(&d->homeless);
    list_init(&d->workers);
    enum err e = child_begin(&d->child, start_with, "local", &ops, d);
    if (e == ERR_OK)
        e = start(d, start_with);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "deliver cannot start: %s", err_text(e));
        log_close();
        return 1;
    }
    child_ready(&d->child);
    int status = child_run(&d->child);
    deliver_worker_close_all(d);
    return status;
}
