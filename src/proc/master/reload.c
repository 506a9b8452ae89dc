/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#include <signal.h>

#define MESSAGES_MAX (1u << 20)
#define START_LIMIT_MS 10000
#define WATCH_MS 2000

/* Every outcome is told to all who asked, in the words that the log has, too. The service manager hears it first: `systemctl reload` ends with `thurn reload`. */
static void answer(struct master *m, bool ok, slice text)
{
    struct master_reload *r = &m->reload;
    master_tell(os_notify(SLICE("READY=1")));
    for (size_t i = 0; i < r->waiter_count; i++) {
        struct master_child *c = master_child_find(m, r->waiters[i].process);
        struct ipc_message done = {.type = IPC_reload_done, .fd = -1, .u.reload_done = {r->waiters[i].token, ok, text}};
        if (c)
            master_child_send(c, &done);
    }
    r->waiter_count = 0;
}

/* All zero for a file that is gone. */
static struct os_file_stamp stamp_of(slice path)
{
    struct os_file_stamp now = {0};
    if (os_file_stamp(AT_FDCWD, path, true, &now) != ERR_OK)
        return (struct os_file_stamp){0};
    return now;
}

/* What was wrong is told once: the watch takes the files as they are now. */
static void look_at_sources(struct master_generation *g)
{
    for (size_t i = 0; i < g->conf->source_count; i++) {
        g->seen[i] = stamp_of(g->conf->sources[i].path);
    }
}

static void end_reload(struct master *m)
{
    struct master_reload *r = &m->reload;
    master_job_clear(&r->job);
    r->state = RELOAD_NONE;
    r->generation = NULL;
}

static void fail(struct master *m, slice messages)
{
    master_log_lines(LOG_ERROR, messages);
    log_line(LOG_ERROR, "reload failed: nothing has changed");
    answer(m, false, messages);
    master_generation_close(&m->reload.generation);
    look_at_sources(m->current);
    end_reload(m);
}

static bool movable(const struct master *m, const struct conf *new_conf, buf *messages)
{
    const struct conf *old = m->current->conf;
    if (!slice_equal(old->state_dir, new_conf->state_dir))
        buf_printf(messages, "%.*s: error: `state_dir` cannot change while thurn runs; stop it and start it again\n",
                   SLICE_ARG(new_conf->path));
    else if (!slice_equal(old->queue.dir, new_conf->queue.dir))
        buf_printf(messages, "%.*s: error: [queue] `dir` cannot change while thurn runs; stop it and start it again\n",
                   SLICE_ARG(new_conf->path));
    else if (m->root && !slice_equal(old->user, new_conf->user))
        buf_printf(messages, "%.*s: error: `user` cannot change while thurn runs; stop it and start it again\n",
                   SLICE_ARG(new_conf->path));
    else
        return true;
    return false;
}

static void begin(struct master *m)
{
    struct master_reload *r = &m->reload;
    struct conf *conf = NULL;
    buf messages;
    master_tell(os_notify_reloading());
    buf_init(&messages, MESSAGES_MAX);
    enum err e = m->options.load(m->options.ctx, &messages, &conf);
    if (e == ERR_OK && !movable(m, conf, &messages)) {
        conf_close(&conf);
        e = ERR_UNSUPPORTED;
    }
    if (e == ERR_OK)
        e = master_generation_open(m, conf, &messages, &r->generation);
    if (e == ERR_OK)
        e = master_job_start(m, &r->job, "thurn: check", master_check, r->generation);
    if (e != ERR_OK) {
        if (messages.len == 0)
            buf_printf(&messages, "error: %s\n", err_text(e));
        fail(m, buf_slice(&messages));
    } else {
        master_log_lines(LOG_WARNING, buf_slice(&messages));
        r->state = RELOAD_CHECKING;
    }
    buf_deinit(&messages);
}

void master_reload_ask(struct master *m, bool quiet, const struct master_waiter *w)
{
    struct master_reload *r = &m->reload;
    bool busy = r->state != RELOAD_NONE;
    struct master_waiter *list = busy ? r->next : r->waiters;
    size_t *count = busy ? &r->next_count : &r->waiter_count;
    if (m->stop != STOP_NOT || !m->announced)
        return;
    if (w && *count < WAITERS_MAX)
        list[(*count)++] = *w;
    if (busy) {
        r->again = true;
        return;
    }
    r->quiet = quiet;
    begin(m);
}

static void log_changes(struct master *m, const struct master_generation *old, const struct master_generation *g)
{
    buf *changes = &m->reload.changes;
    buf_deinit(changes);
    buf_init(changes, MESSAGES_MAX);
    conf_describe_changes(old->conf, g->conf, changes);
    master_log_lines(LOG_INFO, buf_slice(changes));
    if (!m->reload.quiet || changes->len > 0)
        log_line(LOG_INFO, "reloaded %.*s: generation %u%s", SLICE_ARG(g->conf->path), g->number,
                 changes->len > 0 ? "" : ", nothing has changed");
}

static void switch_generation(struct master *m)
{
    struct master_reload *r = &m->reload;
    struct master_generation *old = m->current, *g = r->generation;
    char memory[1024];
    buf why;
    int exit_status;
    buf_init_fixed(&why, memory, sizeof memory);
    if (master_listeners_bind(m, g, &why, &exit_status) != ERR_OK) {
        fail(m, buf_slice(&why));
        return;
    }
    list_push(&m->generations, &g->link);
    m->current = g;
    master_log_use(m, &g->conf->log.lines);
    master_rings_reload(m, g->conf);
    r->state = RELOAD_STARTING;
    r->give_up_ms = os_now_ms() + START_LIMIT_MS;
    log_changes(m, old, g);
    master_seats_fill(m, g);
    master_retire(m);
    master_listeners_sweep(m);
}

static void checked(struct master *m)
{
    struct master_reload *r = &m->reload;
    slice text = buf_slice(&r->job.text);
    if (process_status_code(r->job.status) == 0) {
        master_log_lines(LOG_WARNING, text);
        switch_generation(m);
    } else if (text.len > 0) {
        fail(m, text);
    } else {
        fail(m, SLICE("error: the check of the configuration died\n"));
    }
}

static void started(struct master *m)
{
    buf_append(&m->reload.changes, SLICE("reloaded\n"));
    answer(m, true, buf_slice(&m->reload.changes));
    buf_deinit(&m->reload.changes);
    end_reload(m);
}

static void again(struct master *m)
{
    struct master_reload *r = &m->reload;
    r->again = false;
    r->quiet = false;
    memcpy(r->waiters, r->next, sizeof r->next);
    r->waiter_count = r->next_count;
    r->next_count = 0;
    begin(m);
}

static void watch(struct master *m)
{
    struct master_generation *g = m->current;
    for (size_t i = 0; i < g->conf->source_count; i++) {
        const struct conf_source *s = &g->conf->sources[i];
        struct os_file_stamp now = stamp_of(s->path);
        if (slice_equal(s->path, g->conf->path) || os_file_stamp_equal(&now, &g->seen[i]))
            continue;
        log_line(LOG_INFO, "%.*s has changed: reloading", SLICE_ARG(s->path));
        look_at_sources(g);
        master_reload_ask(m, true, NULL);
        return;
    }
}

static void tick_idle(struct master *m, int64_t now_ms)
{
    if (m->reload.again) {
        again(m);
    } else if (m->announced && m->watch_at_ms <= now_ms) {
        m->watch_at_ms = now_ms + WATCH_MS;
        watch(m);
    }
}

void master_reload_tick(struct master *m, int64_t now_ms)
{
    struct master_reload *r = &m->reload;
    bool checking = r->job.pid != 0 && !r->job.ended;
    if (checking && (m->stop != STOP_NOT || r->job.kill_at_ms <= now_ms))
        process_kill(r->job.pid, SIGKILL);
    if (m->stop != STOP_NOT)
        return;
    switch (r->state) {
    case RELOAD_NONE:
        tick_idle(m, now_ms);
        break;
    case RELOAD_CHECKING:
        if (master_job_done(&r->job))
            checked(m);
        break;
    case RELOAD_STARTING:
        if (master_seats_ready(m) || r->give_up_ms <= now_ms)
            started(m);
        break;
    }
}
