/* SPDX-License-Identifier: ISC */
/* Inside the room only: one thread for work that blocks, with a bounded queue. Tasks are done in order; each comes back to the loop, which owns it again.
 * The thread touches the task it works on and its own context, nothing else. */
#ifndef PROC_LOOKUP_WORKER_H
#define PROC_LOOKUP_WORKER_H

#include "os/os.h"

struct worker;

/* The first member of what is to be done. */
struct worker_task {
    struct list link;
};

struct worker_ops {
    void (*work)(void *thread_ctx, struct worker_task *t); /* in the thread */
    void (*done)(void *ctx, struct worker_task *t);        /* on the loop: frees the task */
    void (*drop)(struct worker_task *t); /* at worker_close, for what has not come back: frees the task */
};

struct worker_start {
    const struct worker_ops *ops;
    void *thread_ctx, *ctx;
    size_t waiting_max;
};

must_check enum err worker_open(struct loop *loop, const struct worker_start *start, struct worker **worker_r);
/* Waits for the task that is being worked on. */
void worker_close(struct worker **w);
/* ERR_LIMIT: too many wait; the task stays the caller's. */
must_check enum err worker_add(struct worker *w, struct worker_task *t);

#endif
