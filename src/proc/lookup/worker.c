/* SPDX-License-Identifier: ISC */
#include "proc/lookup/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct worker {
    struct worker_start start;
    struct loop_watch *watch;
    int event_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Below: under the lock. */
    struct list waiting, finished;
    size_t waiting_count;
    bool stop;
};

static void *run(void *ctx)
{
    struct worker *w = ctx;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct list *link = list_pop(&w->waiting);
        if (!link) {
            (void)pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        w->waiting_count--;
        (void)pthread_mutex_unlock(&w->lock);
        w->start.ops->work(w->start.thread_ctx, LIST_ENTRY(link, struct worker_task, link));
        (void)pthread_mutex_lock(&w->lock);
        list_push(&w->finished, link);
        os_event_signal(w->event_fd);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void on_event(void *ctx, bool readable, bool writable)
{
    struct worker *w = ctx;
    (void)writable;
    if (!readable)
        return;
    os_event_clear(w->event_fd);
    for (;;) {
        (void)pthread_mutex_lock(&w->lock);
        struct list *link = list_pop(&w->finished);
        (void)pthread_mutex_unlock(&w->lock);
        if (!link)
            return;
        w->start.ops->done(w->start.ctx, LIST_ENTRY(link, struct worker_task, link));
    }
}

/* Signals are the loop's business. */
static enum err start_thread(struct worker *w)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    w->started = pthread_create(&w->thread, NULL, run, w) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->started ? ERR_OK : ERR_LIMIT;
}

enum err worker_open(struct loop *loop, const struct worker_start *start, struct worker **worker_r)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return ERR_NOMEM;
    w->start = *start;
    w->event_fd = -1;
    list_init(&w->waiting);
    list_init(&w->finished);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    enum err e = os_event_open(&w->event_fd);
    if (e == ERR_OK)
        e = loop_watch_open(loop, w->event_fd, on_event, w, &w->watch);
    if (e == ERR_OK)
        e = start_thread(w);
    if (e != ERR_OK) {
        worker_close(&w);
        return e;
    }
    loop_watch_set(w->watch, true, false);
    *worker_r = w;
    return ERR_OK;
}

static void drop_all(struct worker *w, struct list *tasks)
{
    for (struct list *link; (link = list_pop(tasks)) != NULL;)
        w->start.ops->drop(LIST_ENTRY(link, struct worker_task, link));
}

void worker_close(struct worker **worker)
{
    struct worker *w = *worker;
    if (!w)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    if (w->started)
        (void)pthread_join(w->thread, NULL);
    drop_all(w, &w->waiting);
    drop_all(w, &w->finished);
    if (w->watch)
        loop_watch_close(&w->watch);
    os_close(&w->event_fd);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    *worker = NULL;
}

enum err worker_add(struct worker *w, struct worker_task *t)
{
    enum err e = ERR_LIMIT;
    (void)pthread_mutex_lock(&w->lock);
    if (w->waiting_count < w->start.waiting_max) {
        list_push(&w->waiting, &t->link);
        w->waiting_count++;
        (void)pthread_cond_signal(&w->wake);
        e = ERR_OK;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return e;
}
