/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#include <signal.h>

#define WORDS_MAX (1u << 20)
#define JOB_MS 30000

static void run_job(struct master *m, int pair[2], const char *title, int (*work)(void *ctx, buf *words), void *ctx)
{
    int keep[3] = {pair[1], m->lock_fd, log_socket()};
    buf words;
    process_child_begin(title, m->pid, keep, 3);
    buf_init(&words, WORDS_MAX);
    int status = work(ctx, &words);
    slice rest = buf_slice(&words);
    while (rest.len > 0) {
        size_t sent = 0;
        enum err e = socket_send_fd(pair[1], rest, -1, &sent);
        if (e == ERR_AGAIN)
            e = socket_wait(pair[1], true, JOB_MS);
        if (e != ERR_OK)
            break;
        rest = slice_skip(rest, sent);
    }
    log_close();
    process_exit(status);
}

enum err master_job_start(struct master *m, struct master_job *j, const char *title, int (*work)(void *ctx, buf *words),
                          void *ctx)
{
    int pair[2], pid;
    enum err e = socket_pair(pair);
    if (e != ERR_OK)
        return e;
    e = process_fork(&pid);
    if (e == ERR_OK && pid == 0)
        run_job(m, pair, title, work, ctx);
    os_close(&pair[1]);
    if (e != ERR_OK) {
        os_close(&pair[0]);
        return e;
    }
    *j = (struct master_job){.pid = pid, .fd = pair[0], .kill_at_ms = os_now_ms() + JOB_MS};
    buf_init(&j->text, WORDS_MAX + 1024);
    return ERR_OK;
}

void master_job_read(struct master_job *j)
{
    char part[4096];
    while (j->fd >= 0) {
        size_t got = 0;
        enum err e = socket_take(j->fd, part, sizeof part, &got);
        if (e == ERR_AGAIN)
            return;
        if (e != ERR_OK)
            os_close(&j->fd);
        else
            buf_append(&j->text, slice_of(part, got));
    }
}

bool master_job_done(const struct master_job *j)
{
    return j->pid != 0 && j->ended && j->fd < 0;
}

bool master_job_ended(struct master_job *j, int pid, int status)
{
    if (j->pid == 0 || j->pid != pid)
        return false;
    master_job_read(j);
    j->ended = true;
    j->status = status;
    if (j->fd >= 0)
        os_close(&j->fd);
    return true;
}

void master_job_wait(struct master_job *j)
{
    while (!j->ended) {
        struct os_wait w = {.fd = j->fd, .read = true};
        int64_t left = j->kill_at_ms - os_now_ms();
        if (left <= 0)
            process_kill(j->pid, SIGKILL);
        enum err e = os_wait(&w, 1, j->fd < 0 || left <= 0 ? 10 : left);
        int pid, status;
        if (e == ERR_OK)
            master_job_read(j);
        if (process_reap(&pid, &status) == ERR_OK)
            (void)master_job_ended(j, pid, status);
    }
}

void master_job_clear(struct master_job *j)
{
    if (j->pid != 0)
        buf_deinit(&j->text);
    os_close(&j->fd);
    *j = (struct master_job){.fd = -1};
}

static const struct conf_source *source_of(const struct conf *c, slice path)
{
    for (size_t i = 0; i < c->source_count; i++)
        if (slice_equal(c->sources[i].path, path))
            return &c->sources[i];
    return NULL;
}

static bool is_another(const struct conf *before, const struct conf *c, slice path)
{
    const struct conf_source *old = source_of(before, path), *now = source_of(c, path);
    return old && now && !os_file_stamp_equal(&old->stamp, &now->stamp);
}

/* Pairs of the same names whose files are others; which name has which files is the configuration's own affair. */
static void tell_pairs(const struct conf *before, const struct conf *c, buf *words)
{
    for (size_t i = 0; i < c->tls_count; i++) {
        const struct conf_tls *t = &c->tls[i];
        const struct tls_pair pair = {.name = t->name, .cert = t->cert, .key = t->key};
        if (!is_another(before, c, t->cert) && !is_another(before, c, t->key))
            continue;
        slice name = t->name.len > 0 ? t->name : c->route.hostname;
        buf_printf(words, "CHANGED: certificate of %.*s: %.*s is another, valid until ", SLICE_ARG(name),
                   SLICE_ARG(t->cert));
        tls_pair_print_end(&pair, words);
        buf_append_char(words, '\n');
    }
}

int master_check(void *ctx, buf *words)
{
    struct master_generation *g = ctx;
    if (child_check_conf(g->conf, words) != ERR_OK)
        return EXIT_CONF;
    if (g->before)
        tell_pairs(g->before, g->conf, words);
    return 0;
}
