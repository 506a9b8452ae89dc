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
        struct socket_passed passed = {.count = 0};
        enum err e = socket_receive_fd(j->fd, part, sizeof part, &got, &passed);
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

int master_check(void *ctx, buf *words)
{
    struct master_generation *g = ctx;
    return child_check_conf(g->conf, words) == ERR_OK ? 0 : EXIT_CONF;
}
