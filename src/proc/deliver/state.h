/* SPDX-License-Identifier: ISC */
/* The parent's side of deliver. A job of the queue has one delivery a recipient; a delivery is an item at a worker, who is a process of the mailbox's user. A worker's death fails its items for
 * the moment: they are tried again on the queue's schedule, so that a message that kills workers cannot keep us busy. */
#ifndef PROC_DELIVER_STATE_H
#define PROC_DELIVER_STATE_H

#include "child/child.h"
#include "proc/deliver/item.h"
#include "route/route.h"
#include "trace/trace.h"

#define WORKERS_A_USER 4u

/* A result that no queue was there to hear. */
struct kept_result {
    struct list link;
    uint32_t recipient;
    struct verdict verdict;
};

struct job {
    struct list link; /* deliver.jobs, or done */
    struct arena arena;
    uint64_t number;
    struct spool_place place;
    int64_t arrival_us, dispatch_us; /* unix time */
    struct spool_entry *entry;       /* the content; NULL while too many others have theirs */
    uint32_t open;                   /* deliveries without a verdict */
    uint32_t unsent;                 /* deliveries whose content has still to go to a worker */
    struct list kept;
};

struct delivery {
    struct list link; /* worker.waiting, worker.sent, or deliver.homeless */
    struct job *job;
    uint64_t number;
    uint32_t recipient; /* the queue's number */
    slice original;     /* of the address, for the log */
    struct item item;   /* slices in the job's arena */
    struct os_user user;
    int64_t started_us;
};

struct worker {
    struct list link;
    uint32_t uid, gid;
    bool commands; /* pipe commands have workers of their own: they may take long */
    int pid;       /* 0: it has been reaped, and the number may be another's */
    int fd;
    struct loop_watch *watch;
    struct list waiting, sent;
    uint32_t load;              /* deliveries of both */
    struct delivery *streaming; /* the first of waiting, whose head has gone out */
    uint64_t body_at;
    int64_t progress_ms; /* when it last had nothing to do, or answered */
    bool dirty;          /* something may be written at the turn's end */
    buf out, in;
};

struct deliver {
    struct child child;
    const struct conf *conf;
    struct route_index *routes;
    struct spool_reader *reader;
    struct list jobs, workers;
    struct list done;     /* jobs whose end no queue was there to hear */
    struct list homeless; /* deliveries for which there is no worker yet */
    uint32_t worker_count;
    uint32_t entries; /* that are open */
    uint64_t entries_bytes;
    int64_t drain_until_ms;
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
/* Its leases and unreported results, for a queue that has just come up. */
void deliver_jobs_hello(struct deliver *d, struct hub_peer *queue);
/* The content for one delivery; bounded in how many are open at once. */
must_check enum err deliver_job_content_begin(struct deliver *d, struct job *j);
void deliver_job_content_end(struct deliver *d, struct job *j);

/* worker.c */
void deliver_worker_give(struct deliver *d, struct delivery *x);
/* At the turn's end: what was given goes out, many in one write. */
void deliver_worker_flush_all(struct deliver *d);
/* Reaps, ends workers that are idle or hang, and finds workers for who has none. */
void deliver_worker_sweep(struct deliver *d);
void deliver_worker_close_all(struct deliver *d);

#endif
