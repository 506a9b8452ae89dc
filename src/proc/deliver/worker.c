/* SPDX-License-Identifier: ISC */
/* The parent's view of a worker: items go out as its socket takes them, answers come back. */
#include "proc/deliver/state.h"
#include "proc/deliver/work.h"

#define CHUNK 65536u
#define OUT_MAX (512u * 1024)
#define LOAD_BEFORE_NEXT 40u

static void worker_gone(struct deliver *d, struct worker *w)
{
    list_remove(&w->link);
    loop_watch_close(&w->watch);
    os_close(&w->fd);
    struct verdict v =
        status_verdict_text(STATUS_MAILBOX_TEMPORARY, SLICE("the delivery process ended before it was done"));
    struct list *lists[2] = {&w->sent, &w->waiting};
    for (size_t i = 0; i < 2; i++) {
        LIST_FOREACH(l, lists[i])
            deliver_delivery_done(d, LIST_ENTRY(l, struct delivery, link), &v);
    }
    buf_deinit(&w->out);
    buf_deinit(&w->in);
    free(w);
}

/* A worker that ends for want of work, and one that breaks, look alike: an EOF. */
static void worker_fail(struct deliver *d, struct worker *w, const char *what)
{
    if (w->load > 0)
        log_line(LOG_WARNING, "delivery process %d: %s", w->pid, what);
    process_kill(w->pid, 15);
    worker_gone(d, w);
}

/* Begins the next item when the one before has gone out whole. */
static void item_begin(struct worker *w)
{
    if (w->streaming || list_empty(&w->waiting))
        return;
    w->streaming = LIST_ENTRY(w->waiting.next, struct delivery, link);
    w->body_at = 0;
    item_encode(&w->out, &w->streaming->item);
}

/* False when the content cannot be read: the worker must be cut, or it would take what follows for content. */
static bool item_body(struct worker *w)
{
    struct delivery *x = w->streaming;
    uint64_t size = x->item.body_size;
    if (w->body_at < size) {
        slice content;
        uint64_t left = size - w->body_at;
        enum err e = spool_entry_content(x->job->entry, w->body_at, left < CHUNK ? (size_t)left : CHUNK, &content);
        if (e != ERR_OK || content.len == 0)
            return false;
        buf_append(&w->out, slice_sub(content, 0, left < CHUNK ? (size_t)left : CHUNK));
        w->body_at += content.len;
    }
    if (w->body_at >= size) {
        list_remove(&x->link);
        list_push(&w->sent, &x->link);
        w->streaming = NULL;
    }
    return true;
}

/* False when the worker is gone. */
static bool worker_write(struct deliver *d, struct worker *w)
{
    for (;;) {
        while (w->out.len < CHUNK) {
            item_begin(w);
            if (!w->streaming)
                break;
            if (!item_body(w) || !buf_ok(&w->out)) {
                worker_fail(d, w, "a message could not be read from the spool");
                return false;
            }
        }
        if (w->out.len == 0)
            break;
        size_t sent;
        enum err e = socket_send_fd(w->fd, buf_slice(&w->out), -1, &sent);
        if (e == ERR_AGAIN)
            break;
        if (e != ERR_OK) {
            worker_fail(d, w, err_text(e));
            return false;
        }
        buf_consume(&w->out, sent);
    }
    loop_watch_set(w->watch, true, w->out.len > 0);
    return true;
}

static void answer(struct deliver *d, struct worker *w, const struct item_answer *a)
{
    LIST_FOREACH(l, &w->sent) {
        struct delivery *x = LIST_ENTRY(l, struct delivery, link);
        if (x->number != a->number)
            continue;
        w->load--;
        deliver_delivery_done(d, x, &a->verdict);
        return;
    }
}

/* False when the worker is gone. */
static bool worker_read(struct deliver *d, struct worker *w)
{
    char *room = buf_reserve(&w->in, CHUNK);
    size_t got, used;
    struct socket_passed passed;
    enum err e = room ? socket_receive_fd(w->fd, room, CHUNK, &got, &passed) : ERR_NOMEM;
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
static void worker_become(const struct deliver *d, const struct os_user *user, int fd, int parent_pid)
{
    process_child_begin("thurn: delivery", (uint32_t)parent_pid, &fd, 1);
    log_open(SLICE("local"), 2, LOG_INFO);
    if (d->child.start->root && process_become_recipient(user) != ERR_OK) {
        log_line(LOG_ERROR, "cannot become user %.*s", SLICE_ARG(user->name));
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
        worker_become(d, &x->user, pair[1], parent);
    os_close(&pair[1]);
    deliver_here = d;
    w->fd = pair[0];
    w->uid = x->user.uid;
    w->commands = x->item.kind == ITEM_COMMAND;
    list_init(&w->waiting);
    list_init(&w->sent);
    buf_init(&w->out, OUT_MAX);
    buf_init(&w->in, OUT_MAX);
    list_push(&d->workers, &w->link);
    if (loop_watch_open(d->child.loop, w->fd, on_ready, w, &w->watch) != ERR_OK) {
        worker_fail(d, w, "cannot be watched");
        return NULL;
    }
    loop_watch_set(w->watch, true, false);
    return w;
}

/* The least busy worker of this user; another is started when all have much to do. A mailbox's order does not matter: Maildir has none, and mbox is locked. */
static struct worker *worker_choose(struct deliver *d, const struct delivery *x)
{
    struct worker *best = NULL;
    uint32_t count = 0, enough = x->item.kind == ITEM_COMMAND ? 1 : LOAD_BEFORE_NEXT;
    LIST_FOREACH(l, &d->workers) {
        struct worker *w = LIST_ENTRY(l, struct worker, link);
        if (w->uid != x->user.uid || w->commands != (x->item.kind == ITEM_COMMAND))
            continue;
        count++;
        if (!best || w->load < best->load)
            best = w;
    }
    if (best && (best->load < enough || count >= WORKERS_A_USER))
        return best;
    struct worker *fresh = worker_start(d, x);
    return fresh ? fresh : best;
}

void deliver_worker_give(struct deliver *d, struct delivery *x)
{
    struct worker *w = worker_choose(d, x);
    if (!w) {
        struct verdict v = status_verdict_text(STATUS_MAILBOX_TEMPORARY, SLICE("no delivery process could be started"));
        deliver_delivery_done(d, x, &v);
        return;
    }
    list_push(&w->waiting, &x->link);
    w->load++;
    (void)worker_write(d, w);
}

void deliver_worker_reap_all(struct deliver *d)
{
    int pid, status;
    (void)d;
    while (process_reap(&pid, &status) == ERR_OK) {
        char memory[128];
        buf b;
        buf_init_fixed(&b, memory, sizeof memory);
        process_status_print(&b, status);
        if (process_status_code(status) != 0)
            log_line(LOG_WARNING, "delivery process %d %.*s", pid, SLICE_ARG(buf_slice(&b)));
    }
}

void deliver_worker_close_all(struct deliver *d)
{
    LIST_FOREACH(l, &d->workers)
        worker_gone(d, LIST_ENTRY(l, struct worker, link));
}
