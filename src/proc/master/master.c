/* SPDX-License-Identifier: ISC */
#include "proc/master/master.h"

#include <signal.h>

#include "proc/master/state.h"

#define WAIT_MAX 1000u
#define IDLE_MS 2000
#define MESSAGES_MAX (1u << 20)

/* Before there are children, people read standard error itself. */
static void say(slice words)
{
    log_flush();
    if (words.len > 0 && os_write(2, words) != ERR_OK)
        log_line(LOG_ERROR, "cannot write to standard error");
}

static int conf_exit(enum err e)
{
    return e == ERR_NOMEM ? EXIT_SOFTWARE : EXIT_CONF;
}

static int adopt_first(struct master *m)
{
    char memory[1024];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    int status = master_listeners_adopt(m, &why);
    if (status != 0)
        say(buf_slice(&why));
    return status;
}

static int check_first(struct master *m, struct master_generation *g)
{
    struct master_job job = {.fd = -1};
    enum err e = master_job_start(m, &job, "thurn: check", master_check, g);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot check the configuration: %s", err_text(e));
        return EXIT_TRY_LATER;
    }
    master_job_wait(&job);
    int status = process_status_code(job.status);
    say(buf_slice(&job.text));
    if (status != 0 && job.text.len == 0)
        log_line(LOG_ERROR, "the check of the configuration died with status %d", status);
    master_job_clear(&job);
    return status;
}

static int bind_first(struct master *m, struct master_generation *g)
{
    char memory[1024];
    buf why;
    int status = EXIT_UNAVAILABLE;
    buf_init_fixed(&why, memory, sizeof memory);
    if (master_listeners_bind(m, g, &why, &status) == ERR_OK)
        return 0;
    buf words;
    buf_init(&words, sizeof memory + 64);
    buf_printf(&words, "thurn: %.*s", SLICE_ARG(buf_slice(&why)));
    say(buf_slice(&words));
    buf_deinit(&words);
    return status;
}

static int load_first(struct master *m)
{
    struct conf *conf = NULL;
    struct master_generation *g = NULL;
    buf messages;
    buf_init(&messages, MESSAGES_MAX);
    enum err e = m->options.load(m->options.ctx, &messages, &conf);
    if (e == ERR_OK)
        e = master_generation_open(m, conf, &messages, &g);
    say(buf_slice(&messages));
    buf_deinit(&messages);
    if (e != ERR_OK)
        return conf_exit(e);
    list_push(&m->generations, &g->link);
    int status = check_first(m, g);
    if (status == 0)
        master_log_use(m, &g->conf->log.lines);
    if (status == 0)
        status = master_prepare(m, g);
    if (status == 0) {
        master_rings_open(m, g);
        status = bind_first(m, g);
    }
    if (status != 0)
        return status;
    m->current = g;
    m->queue = (struct master_seat){.kind = PROCESS_QUEUE, .generation = g};
    return 0;
}

static void reap(struct master *m)
{
    int pid, status;
    while (process_reap(&pid, &status) == ERR_OK) {
        if (master_job_ended(&m->reload.job, pid, status))
            continue;
        LIST_FOREACH(at, &m->children) {
            struct master_child *c = LIST_ENTRY(at, struct master_child, link);
            if (c->pid == pid) {
                master_child_ended(m, c, status);
                break;
            }
        }
    }
}

static void take_signals(struct master *m)
{
    int n;
    while ((n = os_signals_next(m->signals_fd)) != 0) {
        if (n == SIGCHLD) {
            reap(m);
        } else if (n == SIGHUP) {
            log_line(LOG_INFO, "reload asked for by SIGHUP");
            master_reload_ask(m, RELOAD_ASKED, NULL);
        } else {
            log_line(LOG_INFO, "stopping: signal %d", n);
            master_stop(m);
        }
    }
}

static size_t gather(struct master *m, struct os_wait *w, uint32_t *processes)
{
    size_t n = 0;
    w[n++] = (struct os_wait){.fd = m->signals_fd, .read = true};
    w[n++] = (struct os_wait){.fd = m->reload.job.fd, .read = true};
    LIST_FOREACH(at, &m->children) {
        const struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        if (!c->channel || n == WAIT_MAX)
            continue;
        processes[n] = c->process;
        w[n++] = (struct os_wait){
            .fd = ipc_channel_fd(c->channel), .read = true, .write = ipc_channel_pending(c->channel) > 0};
    }
    return n;
}

static int64_t wait_ms(const struct master *m)
{
    int64_t now = os_now_ms(), at = master_seats_soonest(m), keepalive = master_keepalive_soonest(m);
    if (keepalive < at)
        at = keepalive;
    int64_t left = at == NEVER ? IDLE_MS : at - now;
    return left < 0 ? 0 : left > IDLE_MS ? IDLE_MS : left;
}

static void flush_all(struct master *m)
{
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        /* Also when nothing waits: what there was no memory for is lost, and the child would wait for it for ever. */
        enum err e = c->channel ? ipc_channel_flush(c->channel) : ERR_OK;
        if (e != ERR_OK && e != ERR_AGAIN)
            master_child_broken(m, c);
    }
}

static void turn(struct master *m)
{
    struct os_wait w[WAIT_MAX];
    uint32_t processes[WAIT_MAX];
    size_t n = gather(m, w, processes);
    enum err e = os_wait(w, n, wait_ms(m));
    if (e == ERR_OK) {
        if (w[1].readable)
            master_job_read(&m->reload.job);
        for (size_t i = 2; i < n; i++) {
            struct master_child *c = w[i].readable ? master_child_find(m, processes[i]) : NULL;
            if (c && c->channel)
                master_child_read(m, c);
        }
        take_signals(m);
    }
    int64_t now = os_now_ms();
    master_seats_tick(m, now);
    master_reload_tick(m, now);
    master_retire_tick(m, now);
    master_keepalive_tick(m, now);
    master_log_tick(m, now);
    if (!m->announced && m->stop == STOP_NOT && master_seats_ready(m)) {
        m->announced = true;
        size_t receivers = master_children_of(m, NULL, M_RECEIVER);
        log_line(LOG_INFO, "ready: generation %u, %zu %s", m->current->number, receivers,
                 receivers == 1 ? "receiver" : "receivers");
        log_flush();
        m->options.ready(m->options.ctx);
    }
    flush_all(m);
    log_flush();
}

static void log_sandbox(void)
{
    char memory[128];
    buf words;
    buf_init_fixed(&words, memory, sizeof memory);
    bool whole = sandbox_describe(&words);
    log_line(whole ? LOG_INFO : LOG_WARNING, "sandbox: %.*s", SLICE_ARG(buf_slice(&words)));
}

static int open_signals(struct master *m)
{
    static const int signals[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    enum err e = os_signals_open(signals, sizeof signals / sizeof signals[0], &m->signals_fd);
    if (e == ERR_OK)
        return 0;
    log_line(LOG_ERROR, "no signals: %s", err_text(e));
    return EXIT_SOFTWARE;
}

static void close_all(struct master *m)
{
    m->current = NULL;
    master_listeners_sweep(m);
    master_generation_close(&m->reload.generation);
    master_job_clear(&m->reload.job);
    LIST_FOREACH(at, &m->generations) {
        struct master_generation *g = LIST_ENTRY(at, struct master_generation, link);
        master_generation_close(&g);
    }
    master_rings_close(m);
    os_close(&m->signals_fd);
    os_close(&m->spool_fd);
    os_close(&m->lock_fd);
}

int master_run(const struct master_options *options)
{
    struct master m = {.options = *options, .pid = process_pid(), .root = os_uid() == 0};
    m.signals_fd = m.spool_fd = m.lock_fd = m.reload.job.fd = m.rings.folder_fd = -1;
    list_init(&m.listeners);
    list_init(&m.generations);
    list_init(&m.children);
    process_title("thurn: master");
    log_open(SLICE("master"), 2, LOG_INFO);
    m.descriptors = process_raise_descriptors();
    master_keepalive_init(&m);
    m.exit_status = adopt_first(&m);
    if (m.exit_status == 0)
        m.exit_status = open_signals(&m);
    if (m.exit_status == 0)
        m.exit_status = load_first(&m);
    if (m.exit_status == 0) {
        log_sandbox();
        master_seats_fill(&m, m.current);
        flush_all(&m);
        while (m.stop == STOP_NOT || !list_empty(&m.children) || (m.reload.job.pid != 0 && !m.reload.job.ended))
            turn(&m);
        log_line(LOG_INFO, "stopped");
    }
    close_all(&m);
    log_close();
    return m.exit_status;
}
