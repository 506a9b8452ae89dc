/* SPDX-License-Identifier: ISC */
/* The parent's view of a worker: items go out as its socket takes them, answers come back. */
#include "proc/deliver/deliver.h"
#include "proc/deliver/state.h"
#include "proc/deliver/work.h"

#define CHUNK 65536u
#define OUT_MAX (512u * 1024)
#define LAST_READS 16 /* more than a socket holds */
#define LOAD_BEFORE_NEXT 200u
#define WORKERS_MAX 128u
#define IDLE_MS (60 * 1000)
/* Longer than a command may take. */
#define HANG_MS (20 * 60 * 1000)
#define SIGNAL_TERM 15
#define SIGNAL_KILL 9

static void fail_all(struct deliver *d, struct list *deliveries)
{
    struct verdict v =
        status_verdict_text(STATUS_MAILBOX_TEMPORARY, SLICE("the delivery process ended before it was done"));
    LIST_FOREACH(l, deliveries)
        deliver_delivery_done(d, LIST_ENTRY(l, struct delivery, link), &v);
}

/* What it had in hand may be what it died of: that waits for the queue's schedule. What it had not begun goes to another, unless it died of nothing. */
static void worker_gone(struct deliver *d, struct worker *w)
{
    bool innocent = w->streaming || !list_empty(&w->sent);
    list_remove(&w->link);
    d->worker_count--;
    loop_watch_close(&w->watch);
    os_close(&w->fd);
    if (w->streaming) {
        list_remove(&w->streaming->link);
        list_push(&w->sent, &w->streaming->link);
        deliver_job_content_end(d, w->streaming->job);
    }
    fail_all(d, &w->sent);
    while (innocent && !list_empty(&w->waiting))
        list_push(&d->homeless, list_pop(&w->waiting));
    LIST_FOREACH(l, &w->waiting)
        deliver_job_content_end(d, LIST_ENTRY(l, struct delivery, link)->job);
    fail_all(d, &w->waiting);
    if (!list_empty(&d->homeless))
        loop_timer_start(d->sweep, 0);
    buf_deinit(&w->out);
    buf_deinit(&w->in);
    free(w);
}

static void worker_kill(struct worker *w, int signal_number)
{
    if (w->pid > 0)
        process_kill(w->pid, signal_number);
}

static void worker_fail(struct deliver *d, struct worker *w, const char *what)
{
    if (w->load > 0)
        log_line(LOG_WARNING, "delivery process %d: %s", w->pid, what);
    worker_kill(w, SIGNAL_TERM);
    worker_gone(d, w);
}

/* Begins the next item when the one before has gone out whole. False when its content is not there. */
static bool item_begin(struct deliver *d, struct worker *w)
{
    if (w->streaming || list_empty(&w->waiting))
        return true;
    w->streaming = LIST_ENTRY(w->waiting.next, struct delivery, link);
    w->body_at = 0;
    if (deliver_job_content_begin(d, w->streaming->job) != ERR_OK)
        return false;
    item_encode(&w->out, &w->streaming->item);
    return true;
}

/* False when the content cannot be read: the worker must be cut, or it would take what follows for content. */
static bool item_body(struct deliver *d, struct worker *w)
{
    struct delivery *x = w->streaming;
    uint64_t size = x->item.body_size;
    if (w->body_at < size) {
        slice content;
        uint64_t left = size - w->body_at;
        /* A worker that was done with the same content may have made room for others. */
        enum err e = deliver_job_content_begin(d, x->job);
        if (e == ERR_OK)
            e = spool_entry_content(x->job->entry, w->body_at, left < CHUNK ? (size_t)left : CHUNK, &content);
        if (e != ERR_OK || content.len == 0)
            return false;
        buf_append(&w->out, slice_sub(content, 0, left < CHUNK ? (size_t)left : CHUNK));
        w->body_at += content.len;
    }
    if (w->body_at >= size) {
        list_remove(&x->link);
        list_push(&w->sent, &x->link);
        w->streaming = NULL;
        deliver_job_content_end(d, x->job);
    }
    return true;
}

/* False when a message cannot be read. */
static bool out_fill(struct deliver *d, struct worker *w)
{
    while (w->out.len < CHUNK) {
        if (!item_begin(d, w))
            return false;
        if (!w->streaming)
            break;
        if (!item_body(d, w) || !buf_ok(&w->out))
            return false;
    }
    return true;
}

static void answer(struct deliver *d, struct worker *w, const struct item_answer *a)
{
    LIST_FOREACH(l, &w->sent) {
        struct delivery *x = LIST_ENTRY(l, struct delivery, link);
        if (x->number != a->number)
            continue;
        w->load--;
        w->progress_ms = loop_now_ms(d->child.loop);
        deliver_delivery_done(d, x, &a->verdict);
        return;
    }
}

/* False when the worker is gone. */
static bool worker_read(struct deliver *d, struct worker *w)
{
    char *room = buf_reserve(&w->in, CHUNK);
    size_t got, used;
    /* Descriptors that it passes are not taken: it could pass more than we may have. */
    enum err e = room ? socket_take(w->fd, room, CHUNK, &got) : ERR_NOMEM;
    if (e == ERR_AGAIN)
        return true;
    if (e != ERR_OK) {
        worker_fail(d, w, err_text(e));
        return false;
    }
    buf_grown(&w->in, got);
    struct item_answer a;
    size_t at = 0;
    while ((e = item_answer_decode(slice_skip(buf_slice(&w->in), at), &a, &used)) == ERR_OK) {
        answer(d, w, &a);
        at += used;
    }
    buf_consume(&w->in, at);
    if (e == ERR_AGAIN)
        return true;
    worker_fail(d, w, "garbage from it");
    return false;
}

/* What it said before it died counts: else it would be delivered again. */
static void worker_broke(struct deliver *d, struct worker *w, enum err why)
{
    for (int i = 0; i < LAST_READS; i++) {
        if (!worker_read(d, w))
            return;
    }
    worker_fail(d, w, err_text(why));
}

/* False when the worker is gone. */
static bool worker_write(struct deliver *d, struct worker *w)
{
    for (;;) {
        if (!out_fill(d, w)) {
            worker_fail(d, w, "a message could not be read from the spool");
            return false;
        }
        if (w->out.len == 0)
            break;
        size_t sent;
        enum err e = socket_send_fd(w->fd, buf_slice(&w->out), -1, &sent);
        if (e == ERR_AGAIN)
            break;
        if (e != ERR_OK) {
            worker_broke(d, w, e);
            return false;
        }
        buf_consume(&w->out, sent);
    }
    loop_watch_set(w->watch, true, w->out.len > 0);
    return true;
}

/* Whom the callbacks belong to: one a process. */
static struct deliver *deliver_here;

static void on_ready(void *ctx, bool readable, bool writable)
{
    struct worker *w = ctx;
    if (readable && !worker_read(deliver_here, w))
        return;
    if (writable)
        (void)worker_write(deliver_here, w);
}

/* In the fork. */
static void worker_become(const struct deliver *d, const struct delivery *x, int fd, int parent_pid)
{
    struct sandbox_profile sandbox;
    const struct os_user *user = &x->user;
    const int keep[] = {fd, log_socket()};
    process_child_begin("thurn: delivery", (uint32_t)parent_pid, keep, 2);
    if (x->item.kind == ITEM_COMMAND)
        process_leave_terminal();
    if (d->child.start->root && process_become_recipient(user) != ERR_OK) {
        log_line(LOG_ERROR, "cannot become user %.*s", SLICE_ARG(user->name));
        log_close();
        process_exit(1);
    }
    deliver_worker_sandbox(&sandbox);
    if (x->item.kind != ITEM_COMMAND && child_confine(&sandbox) != ERR_OK) {
        log_close();
        process_exit(1);
    }
    work_run(fd);
}

static struct worker *worker_start(struct deliver *d, const struct delivery *x)
{
    struct worker *w = calloc(1, sizeof *w);
    int pair[2], parent = (int)process_pid();
    if (!w)
        return NULL;
    if (socket_pair(pair) != ERR_OK) {
        free(w);
        return NULL;
    }
    log_flush();
    if (process_fork(&w->pid) != ERR_OK) {
        os_close(&pair[0]);
        os_close(&pair[1]);
        free(w);
        return NULL;
    }
    if (w->pid == 0)
        worker_become(d, x, pair[1], parent);
    os_close(&pair[1]);
    deliver_here = d;
    w->fd = pair[0];
    w->uid = x->user.uid;
    w->gid = x->user.gid;
    w->progress_ms = loop_now_ms(d->child.loop);
    w->commands = x->item.kind == ITEM_COMMAND;
    list_init(&w->waiting);
    list_init(&w->sent);
    buf_init(&w->out, OUT_MAX);
    buf_init(&w->in, OUT_MAX);
    list_push(&d->workers, &w->link);
    d->worker_count++;
    if (loop_watch_open(d->child.loop, w->fd, on_ready, w, &w->watch) != ERR_OK) {
        worker_fail(d, w, "cannot be watched");
        return NULL;
    }
    loop_watch_set(w->watch, true, false);
    return w;
}

/* Makes room for another worker by ending one that has nothing to do. */
static bool idle_end(struct deliver *d)
{
    LIST_FOREACH(l, &d->workers) {
        struct worker *w = LIST_ENTRY(l, struct worker, link);
        if (w->load == 0) {
            worker_gone(d, w);
            return true;
        }
    }
    return false;
}

/* The least busy worker of this user; another is started when all have much to do. A mailbox's order does not matter: Maildir has none, and mbox is locked. NULL: there are too many
 * workers, or none can be started. */
static struct worker *worker_choose(struct deliver *d, const struct delivery *x)
{
    struct worker *best = NULL;
    uint32_t count = 0, enough = x->item.kind == ITEM_COMMAND ? 1 : LOAD_BEFORE_NEXT;
    LIST_FOREACH(l, &d->workers) {
        struct worker *w = LIST_ENTRY(l, struct worker, link);
        if (w->uid != x->user.uid || w->gid != x->user.gid || w->commands != (x->item.kind == ITEM_COMMAND))
            continue;
        count++;
        if (!best || w->load < best->load)
            best = w;
    }
    if (best && (best->load < enough || count >= WORKERS_A_USER))
        return best;
    if (d->worker_count >= WORKERS_MAX && !idle_end(d))
        return best;
    struct worker *fresh = worker_start(d, x);
    return fresh ? fresh : best;
}

void deliver_worker_give(struct deliver *d, struct delivery *x)
{
    struct worker *w = worker_choose(d, x);
    if (w) {
        list_push(&w->waiting, &x->link);
        if (w->load++ == 0)
            w->progress_ms = loop_now_ms(d->child.loop);
        w->dirty = true;
        return;
    }
    if (d->worker_count >= WORKERS_MAX) {
        list_push(&d->homeless, &x->link);
        return;
    }
    struct verdict v = status_verdict_text(STATUS_MAILBOX_TEMPORARY, SLICE("no delivery process could be started"));
    deliver_job_content_end(d, x->job);
    deliver_delivery_done(d, x, &v);
}

void deliver_worker_flush_all(struct deliver *d)
{
    LIST_FOREACH(l, &d->workers) {
        struct worker *w = LIST_ENTRY(l, struct worker, link);
        if (!w->dirty)
            continue;
        w->dirty = false;
        (void)worker_write(d, w);
    }
}

static void reaped(struct deliver *d, int pid, int status)
{
    LIST_FOREACH(l, &d->workers) {
        struct worker *w = LIST_ENTRY(l, struct worker, link);
        if (w->pid == pid)
            w->pid = 0;
    }
    if (process_status_code(status) == 0)
        return;
    char memory[128];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    process_status_print(&b, status);
    log_line(LOG_WARNING, "delivery process %d %.*s", pid, SLICE_ARG(buf_slice(&b)));
}

static void worker_check(struct deliver *d, struct worker *w, int64_t now_ms)
{
    int64_t since_ms = now_ms - w->progress_ms;
    if (w->load == 0 && since_ms >= IDLE_MS) {
        worker_gone(d, w);
    } else if (w->load > 0 && since_ms >= HANG_MS) {
        worker_kill(w, SIGNAL_KILL);
        worker_fail(d, w, "hangs, and was killed");
    }
}

void deliver_worker_sweep(struct deliver *d)
{
    int pid, status;
    while (process_reap(&pid, &status) == ERR_OK)
        reaped(d, pid, status);
    LIST_FOREACH(l, &d->workers)
        worker_check(d, LIST_ENTRY(l, struct worker, link), loop_now_ms(d->child.loop));
    struct list waiting;
    list_init(&waiting);
    while (!list_empty(&d->homeless))
        list_push(&waiting, list_pop(&d->homeless));
    while (!list_empty(&waiting))
        deliver_worker_give(d, LIST_ENTRY(list_pop(&waiting), struct delivery, link));
}

/* At the process's end, when nobody can be told any more: workers finish what they have, and the queue, seeing us dead, takes the rest back. */
void deliver_worker_close_all(struct deliver *d)
{
    LIST_FOREACH(l, &d->workers)
        os_close(&LIST_ENTRY(l, struct worker, link)->fd);
}
