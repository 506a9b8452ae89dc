/* SPDX-License-Identifier: ISC */
/* The parent's side of deliver. A job of the queue has one delivery a recipient; a delivery is an item at a worker, who is a process of the mailbox's user. A worker's death fails its items for
 * the moment: they are tried again on the queue's schedule, so that a message that kills workers cannot keep us busy. */
#ifndef PROC_DELIVER_STATE_H
#define PROC_DELIVER_STATE_H

#include "child/child.h"
#include "proc/deliver/item.h"
#include "route/route.h"

#define WORKERS_A_USER 4u

struct job {
    struct list link;
    struct arena arena;
    uint64_t number;
    struct spool_place place;
    int64_t arrival_s, dispatch_us;
    struct spool_entry *entry;
    uint32_t open; /* deliveries without a verdict */
};

struct delivery {
    struct list link; /* worker.waiting, or worker.sent */
    struct job *job;
    uint64_t number;
    uint32_t recipient; /* the queue's number */
    struct item item;   /* slices in the job's arena */
    struct os_user user;
    int64_t started_us;
};

struct worker {
    struct list link;
    uint32_t uid;
    bool commands; /* pipe commands have workers of their own: they may take long */
    int pid, fd;
    struct loop_watch *watch;
    struct list waiting, sent;
    uint32_t load;              /* deliveries of both */
    struct delivery *streaming; /* the first of waiting, whose head has gone out */
    uint64_t body_at;
    buf out, in;
};

struct deliver {
    struct child child;
    const struct conf *conf;
    struct route_index *routes;
    struct spool_reader *reader;
    struct list jobs, workers;
    uint64_t delivery_counter;
    struct os_user self; /* whom virtual mailboxes belong to by default */
    struct arena self_arena;
    struct loop_timer *sweep;
};

/* target.c: what a recipient's mailbox is. A verdict other than OK: it cannot be delivered so. */
struct verdict deliver_target_find(struct deliver *d, struct job *j, const struct recipient *r, struct delivery *x);

/* job.c */
void deliver_job_take(struct deliver *d, const struct ipc_job *m);
void deliver_delivery_done(struct deliver *d, struct delivery *x, const struct verdict *v);
void deliver_jobs_hello(struct deliver *d, struct hub_peer *queue);

/* worker.c */
void deliver_worker_give(struct deliver *d, struct delivery *x);
void deliver_worker_reap_all(struct deliver *d);
void deliver_worker_close_all(struct deliver *d);

#endif
