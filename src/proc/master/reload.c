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

/* From here on they are as they are now: what is wrong with them is told once, and what changes after this is seen. */
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
    if (m->reload.cause != RELOAD_DRY) {
        master_log_lines(LOG_ERROR, messages);
        log_line(LOG_ERROR, "reload failed: nothing has changed");
    }
    answer(m, false, messages);
    master_generation_close(&m->reload.generation);
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

static enum err load(struct master *m, buf *messages, struct conf **conf_r)
{
    const struct conf *now = m->current->conf;
    if (m->reload.cause == RELOAD_BY_FILE && !now->development)
        return conf_load_again(now, messages, conf_r);
    return m->options.load(m->options.ctx, messages, conf_r);
}

static void begin(struct master *m)
{
    struct master_reload *r = &m->reload;
    struct conf *conf = NULL;
    buf messages;
    buf_init(&messages, MESSAGES_MAX);
    if (r->cause != RELOAD_DRY) {
        master_tell(os_notify_reloading());
        look_at_sources(m->current);
    }
    enum err e = load(m, &messages, &conf);
    if (e == ERR_OK && !movable(m, conf, &messages)) {
        conf_close(&conf);
        e = ERR_UNSUPPORTED;
    }
    if (e == ERR_OK)
        e = master_generation_open(m, conf, &messages, &r->generation);
    if (e == ERR_OK)
        r->generation->before = m->current->conf;
    if (e == ERR_OK)
        e = master_job_start(m, &r->job, "thurn: check", master_check, r->generation);
    if (e != ERR_OK) {
        if (messages.len == 0)
            buf_printf(&messages, "error: %s\n", err_text(e));
        fail(m, buf_slice(&messages));
    } else {
        if (r->cause != RELOAD_DRY)
            master_log_lines(LOG_WARNING, buf_slice(&messages));
        r->state = RELOAD_CHECKING;
    }
    buf_deinit(&messages);
}

static void say_busy(struct master *m, const struct master_waiter *w)
{
    struct master_child *c = master_child_find(m, w->process);
    struct ipc_message done = {.type = IPC_reload_done,
                               .fd = -1,
                               .u.reload_done = {w->token, false, SLICE("error: a reload is under way; try again\n")}};
    if (c)
        master_child_send(c, &done);
}

void master_reload_ask(struct master *m, enum reload_cause cause, const struct master_waiter *w)
{
    struct master_reload *r = &m->reload;
    bool busy = r->state != RELOAD_NONE;
    struct master_waiter *list = busy ? r->next : r->waiters;
    size_t *count = busy ? &r->next_count : &r->waiter_count;
    if (m->stop != STOP_NOT || !m->announced)
        return;
    if (busy && cause == RELOAD_DRY) {
        say_busy(m, w);
        return;
    }
    if (w && *count < WAITERS_MAX)
        list[(*count)++] = *w;
    if (busy) {
        r->again = true;
        return;
    }
    r->cause = cause;
    begin(m);
}

/* What the check has found changed (certificates) stands among its warnings, a line each. */
static void sort_words(slice words, buf *warnings, buf *changes)
{
    slice line;
    while (words.len > 0) {
        (void)slice_cut(words, '\n', &line, &words);
        buf *to = slice_starts(line, SLICE("CHANGED: ")) ? changes : warnings;
        buf_append(to, line);
        buf_append(to, line.len > 0 ? SLICE("\n") : SLICE_NONE);
    }
}

static void find_changes(struct master *m, slice words)
{
    buf *changes = &m->reload.changes;
    buf warnings;
    buf_deinit(changes);
    buf_init(changes, MESSAGES_MAX);
    buf_init(&warnings, MESSAGES_MAX);
    conf_describe_changes(m->current->conf, m->reload.generation->conf, changes);
    sort_words(words, &warnings, changes);
    if (m->reload.cause != RELOAD_DRY)
        master_log_lines(LOG_WARNING, buf_slice(&warnings));
    buf_deinit(&warnings);
}

static void log_changes(const struct master *m, const struct master_generation *g)
{
    const buf *changes = &m->reload.changes;
    master_log_lines(LOG_INFO, buf_slice(changes));
    if (m->reload.cause == RELOAD_ASKED || changes->len > 0)
        log_line(LOG_INFO, "reloaded %.*s: generation %u%s", SLICE_ARG(g->conf->path), g->number,
                 changes->len > 0 ? "" : ", nothing has changed");
}

static void tell_only(struct master *m)
{
    buf *changes = &m->reload.changes;
    buf_append(changes,
               changes->len > 0 ? SLICE("not reloaded: this was a dry run\n") : SLICE("nothing would change\n"));
    answer(m, true, buf_slice(changes));
    buf_deinit(changes);
    master_generation_close(&m->reload.generation);
    end_reload(m);
}

static void switch_generation(struct master *m)
{
    struct master_reload *r = &m->reload;
    struct master_generation *g = r->generation;
    char memory[1024];
    buf why;
    int exit_status;
    buf_init_fixed(&why, memory, sizeof memory);
    if (master_listeners_bind(m, g, &why, &exit_status) != ERR_OK) {
        fail(m, buf_slice(&why));
        return;
    }
    g->before = NULL;
    list_push(&m->generations, &g->link);
    m->current = g;
    master_log_use(m, &g->conf->log.lines);
    master_rings_reload(m, g->conf);
    r->state = RELOAD_STARTING;
    r->give_up_ms = os_now_ms() + START_LIMIT_MS;
    log_changes(m, g);
    master_seats_fill(m, g);
    master_retire(m);
    master_listeners_sweep(m);
}

static void checked(struct master *m)
{
    struct master_reload *r = &m->reload;
    slice text = buf_slice(&r->job.text);
    if (process_status_code(r->job.status) == 0) {
        find_changes(m, text);
        if (r->cause == RELOAD_DRY)
            tell_only(m);
        else
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
    r->cause = RELOAD_ASKED;
    memcpy(r->waiters, r->next, sizeof r->next);
    r->waiter_count = r->next_count;
    r->next_count = 0;
    begin(m);
}

/* A pair is two files, and a copy takes its time: what was otherwise at the last look may not be whole yet. */
static void watch(struct master *m)
{
    struct master_generation *g = m->current;
    const struct conf_source *changed = NULL;
    bool settled = true;
    for (size_t i = 0; i < g->conf->source_count; i++) {
        const struct conf_source *s = &g->conf->sources[i];
        struct os_file_stamp now = stamp_of(s->path);
        if (slice_equal(s->path, g->conf->path))
            continue;
        settled = settled && os_file_stamp_equal(&now, &g->last[i]);
        g->last[i] = now;
        if (!os_file_stamp_equal(&now, &g->seen[i]))
            changed = s;
    }
    if (!changed || !settled)
        return;
    log_line(LOG_INFO, "%.*s has changed: reloading", SLICE_ARG(changed->path));
    master_reload_ask(m, RELOAD_BY_FILE, NULL);
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
