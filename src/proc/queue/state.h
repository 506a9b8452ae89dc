/* SPDX-License-Identifier: ISC */
/* What the files of the process queue share. One struct queue a process; everything runs on its loop's thread. The life of a message here: intake (or recovery) makes
 * parts; dispatch leases a part as a job; results gather in the job; when the job is done they become outcomes of the batch; the batch is one
 * record group; only when that is on disk is a part finished, and with its last part the message, and with its last message a segment. */
#ifndef PROC_QUEUE_STATE_H
#define PROC_QUEUE_STATE_H

#include "child/child.h"
#include "route/route.h"
#include "sched/sched.h"
#include "trace/trace.h"

/* A segment that holds, or may hold, mail or outcomes. */
struct segment {
    uint64_t number;
    uint32_t writer; /* process number of who wrote it */
    uint32_t epoch;
    uint32_t live;          /* messages whose newest copy is in it */
    uint32_t committed;     /* we know everything below */
    uint32_t read_to;       /* of a living receiver's: our start has read all below */
    uint32_t covered;       /* by the last checkpoint */
    uint32_t covering;      /* by the one that is being written */
    struct hub_peer *owner; /* the living receiver that appends to it, or NULL */
    bool mine;              /* of our own writer */
    bool closed;            /* takes no more records */
    bool damaged;           /* not to be used again */
    bool kept;              /* has a second name for the admin: this one may go */
    bool freed;             /* handed back to its writer. Its new epoch ends this, or that the old one is gone */
};

enum wish_flags {
    WISH_SUCCESS = 1,   /* a recipient with NOTIFY=SUCCESS */
    WISH_TRACE = 2,     /* DELIVERBY with trace */
    WISH_BY_RETURN = 4, /* at deliver_by_s it fails; else it is reported as delayed */
    WISH_BY_DONE = 8,   /* deliver_by_s is over, and what it asks is done */
    WISH_TAG = 16,
};

/* What few messages ask for: see wish.c. */
struct wish {
    uint32_t release_s;    /* unix time, 0 none */
    uint32_t message;      /* tells the live from the free: not the first field */
    uint32_t deliver_by_s; /* unix time, 0 none */
    uint32_t tag;          /* queue_wish_tag of it; 0: look at the head */
    uint8_t flags;         /* enum wish_flags */
};

/* One recipient's result, kept until its job is done. */
struct result {
    uint32_t recipient;
    uint16_t code;
    uint8_t enhanced[3];
    bool remote, by_passed;
    uint8_t dsn;      /* enum result_dsn, of a 2xx */
    slice text, host; /* in the job's arena */
};

struct job {
    struct list link; /* in queue.jobs, or queue.jobs_free */
    uint64_t number;  /* process number above 40 bits of a counter: never the same twice */
    uint64_t id;      /* message */
    uint64_t segment; /* pinned while the job reads from it; 0 none */
    uint32_t part;    /* 0: given by the queue before us; all parts of the message are leased for it */
    struct hub_peer *peer;
    bool ended; /* before recovery was over: its results count when it is */
    struct arena arena;
    struct result *results;
    size_t result_count, result_cap;
};

/* A bounce or a delay warning on its way to the disk. */
struct report {
    struct spool_head head;
    slice body;
};

struct move {
    uint64_t id;
    struct spool_head head;
    slice body;
};

/* What has to become durable together. Kept whole until it is, so that a full or failing disk only delays it. */
struct batch {
    struct list link; /* in queue.batches once it is full or submitted */
    struct arena arena;
    struct spool_outcome *outcomes;
    size_t outcome_count, outcome_cap;
    uint32_t *finished; /* parts */
    size_t finished_count, finished_cap;
    struct report *reports;
    size_t report_count, report_cap;
    struct move *moves;
    size_t move_count, move_cap;
    size_t bytes;
    uint64_t serial; /* in the order of making */
    bool waiting;    /* to be submitted again after a failure */
    bool durable;    /* but one before it is not */
};

struct peer_state {
    uint64_t unacked; /* receiver: announced bytes since the last ack */
    bool hello_done, dead;
};

struct queue {
    struct child child;
    const struct conf *conf;
    struct route_index *routes;
    struct sched *sched;
    struct sched_options sched_options;
    struct spool_writer *writer;
    struct loop_watch *writer_watch;
    struct spool_reader *reader;
    struct table segments;         /* key: the segment's number, 8 bytes */
    struct segment *segment_found; /* the last one, or NULL */
    struct hash_key key;
    struct table job_by_number; /* key: 8 bytes */
    struct list jobs, jobs_free;
    uint32_t *dead; /* receivers whose death was told to us: their segments are nobody's */
    size_t dead_count;
    int64_t drain_until_ms; /* draining: jobs, and a disk that takes no records, are waited for until then */
    uint64_t job_counter;
    struct batch *batch;     /* that gathers, NULL when empty */
    int64_t batch_closed_ms; /* when the one before it was full or submitted */
    struct list batches;     /* full or submitted, oldest first */
    struct loop_timer *tick, *retry_batches, *gathered, *checkpoint_timer;
    struct arena turn;                /* reset at turn end */
    uint64_t number_next, number_end; /* queue ids for reports */
    bool numbers_asked;
    bool settled, recovered;
    int64_t clock_s;       /* the wall clock at the last tick */
    uint32_t limits_count; /* HELLO: what to scan of owned segments */
    struct spool_scan_limit *limits;
    struct slab wishes;
    int64_t wish_due_s;  /* when the next time to be delivered by is over; INT64_MAX none */
    uint32_t wish_at;    /* cursor of the step over wishes; 0 not running */
    uint32_t sweep_part; /* cursor of the sweep over parts; 0 not running */
    bool sweep_wanted;
    int64_t sweep_last_s;
    uint64_t changes; /* since the last checkpoint */
    uint64_t batch_serial;
    size_t batch_bytes;        /* of all batches that are not on the disk yet */
    uint32_t batches_waiting;  /* after a failure */
    int64_t batch_complaint_s; /* when we last said so; 0: all is well */
    bool broken;      /* no memory for what must not be forgotten: the process ends, and frees nothing any more */
    bool incomplete;  /* a mail on disk is not in the index: no checkpoint may cover it, the next start reads it */
    int64_t again_ms; /* incomplete: when to see whether it is time for that; 0: not decided */
    uint64_t *aside;  /* segments that cannot be read */
    size_t aside_count;
    struct spool_checkpoint *checkpoint;    /* being written, or NULL */
    struct spool_checkpoint_thread *commit; /* of one that is written, in its thread, or NULL */
    struct spool_freed_list freed;          /* what that thread looks at as well */
    size_t freed_at;                        /* cursor over segments: where the next look begins */
    int commit_fd;                          /* its event */
    struct loop_watch *commit_watch;
    uint32_t checkpoint_at; /* cursor over messages */
    uint64_t
        checkpoint_batch; /* UINT64_MAX while messages are listed; then the last batch that must be durable before it counts */
    uint64_t
        route_stamp; /* hash of the configuration's files: the destinations in a checkpoint hold only with the same one */
    struct pending_outcome *pending; /* recovery: outcomes whose message has not been read yet */
    struct listing *listings;
    struct alarm *alarms; /* to be told */
};

/* No memory to keep account of what is on the disk: the process ends, and the master starts another one, which reads everything. Until then nothing is freed. */
void queue_break(struct queue *q, const char *what);
/* segments.c */
struct segment *queue_segment_find(struct queue *q, uint64_t number);
/* NULL without memory. */
struct segment *queue_segment_get(struct queue *q, uint64_t number);
void queue_segment_live_add(struct queue *q, uint64_t number);
void queue_segment_live_drop(struct queue *q, uint64_t number);
/* Frees, hands back or unlinks it if nothing needs it any more. */
void queue_segment_release(struct queue *q, struct segment *s);
/* This epoch was seen: what was known of a segment under an earlier one holds no more. */
void queue_segment_epoch(struct segment *s, uint32_t epoch);
void queue_segments_owner_gone(struct queue *q, const struct hub_peer *p);
void queue_segments_release_all(struct queue *q);
/* Gathers freed segments for the checkpoint's thread to look at. */
void queue_segments_freed_gather(struct queue *q);
/* After its look: those that cannot come back are forgotten. */
void queue_segments_freed_forget(struct queue *q);
/* How many are nobody's any more, and wait only for a checkpoint to go. */
uint32_t queue_segments_left(const struct queue *q);
void queue_segments_close(struct queue *q);

/* log.c: what happens to a mail */
void queue_log_active(uint64_t id, const struct spool_head *head);
void queue_log_removed(uint64_t id);
/* reason: what its sender is told. */
void queue_log_expired(uint64_t id, slice reason);
void queue_log_discarded(uint64_t id, int64_t delay_s);
/* what: "sender non-delivery notification"; report: its queue id. */
void queue_log_report(uint64_t id, slice what, uint64_t report, slice to);
void queue_log_held(uint64_t id, bool hold, slice reason);
/* The part is tried again then. */
void queue_log_waiting(struct queue *q, uint32_t part, int64_t next_s, slice reason);
/* "ID: what: why" */
void queue_log_note(enum log_level level, uint64_t id, const char *what, slice why);

/* intake.c */
/* A message record, from an announcement, from recovery or from our own batch. ERR_OK also when it was known. */
must_check enum err queue_intake_message(struct queue *q, const struct spool_place *place, slice head_bytes,
                                         bool recovering);
void queue_intake_announce(struct queue *q, struct hub_peer *p, const struct ipc_announce *a);
/* Another record of a message that is there: the higher copy number is the place that counts. */
void queue_intake_place(struct queue *q, uint32_t message, const struct spool_place *place);
/* Groups recipients of the message into parts. */
must_check enum err queue_intake_route(struct queue *q, uint32_t message, const struct spool_head *head);
/* A message without parts is gone: its segment and large file may go too. */
void queue_intake_message_done(struct queue *q, uint32_t message);
/* What needs no process (discard, or a route that is gone), after sched made it ready. True when it was handled here. */
bool queue_intake_handled_here(struct queue *q, uint32_t part);

/* wish.c */
struct wish queue_wish_read(const struct spool_head *head);
/* Kept with the message; nothing when nothing is asked. */
must_check enum err queue_wish_set(struct queue *q, uint32_t message, struct wish wish);
/* NULL for nearly all. Until the next queue_wish_set. */
struct wish *queue_wish(const struct queue *q, uint32_t message);
void queue_wish_drop(struct queue *q, uint32_t message);
/* Iteration over all, from 0; NULL at the end. */
struct wish *queue_wish_next(const struct queue *q, uint32_t *cursor);
uint32_t queue_wish_tag(slice tag);
/* Is it not to be tried yet? */
bool queue_wish_waits(const struct queue *q, uint32_t message, int64_t now_s);
/* Lets its parts wait for the time before which they are not tried. */
void queue_wish_hold_back(struct queue *q, uint32_t message);
/* From when its age counts: its arrival or its release. */
int64_t queue_wish_begin_s(const struct queue *q, uint32_t message);
bool queue_wish_by_passed(const struct queue *q, uint32_t message, int64_t now_s);
/* Looks after those whose time to be delivered by is over; true when it is to go on soon. */
bool queue_wish_step(struct queue *q, int64_t now_s);
/* Lines for an admin: what the sender asked beside delivery, and the priority unless it is 0. */
void queue_wish_show(const struct queue *q, uint32_t message, buf *text);

/* dispatch.c */
void queue_dispatch(struct queue *q);
void queue_dispatch_result(struct queue *q, struct hub_peer *p, const struct ipc_result *r);
void queue_dispatch_job_end(struct queue *q, struct hub_peer *p, uint64_t number);
/* HELLO: the peer has this job from the queue before us. Its parts are leased once recovery has found them. */
void queue_dispatch_lease(struct queue *q, struct hub_peer *p, const struct ipc_hello_lease *l);
void queue_dispatch_leases_take(struct queue *q);
/* Is the part (a handle) out with a job that we have given? */
bool queue_dispatch_has_job(const struct queue *q, uint32_t part);
/* Jobs that ended while their results could not be taken. */
void queue_dispatch_ended_take(struct queue *q);
void queue_dispatch_destination_down(struct queue *q, const struct ipc_destination_down *d);
/* The process is dead: its jobs come back. */
void queue_dispatch_peer_dead(struct queue *q, const struct hub_peer *p);
void queue_dispatch_close(struct queue *q);

/* outcome.c: a job's results, or time, become outcomes */
void queue_outcome_job(struct queue *q, struct job *j);
void queue_outcome_add(struct queue *q, uint64_t id, uint32_t recipient, enum spool_outcome_kind kind,
                       const struct verdict *v);
/* The part waits; bounce it if it has waited too long, warn if long enough. True when it was ended. */
bool queue_outcome_check_age(struct queue *q, uint32_t part, const struct verdict *last, slice host);
void queue_outcome_removed(struct queue *q, uint32_t part);
/* reason: why it is held, or empty. */
void queue_outcome_hold(struct queue *q, uint32_t message, bool hold, slice reason);
/* The same of one part, without a record. */
void queue_outcome_hold_part(struct queue *q, uint32_t part, bool hold, slice reason);
void queue_outcome_delivered(struct queue *q, uint32_t part);
/* Nobody's part: only a report is due. */
void queue_outcome_notice(struct queue *q, uint32_t part);
/* The time to deliver by is over: what the sender wants then (RFC 2852 section 4). */
void queue_outcome_by_passed(struct queue *q, uint32_t message);
/* Mail that would be returned instead of being tried again: true when it was. */
bool queue_outcome_too_late(struct queue *q, uint32_t part);
void queue_outcome_sweep(struct queue *q);

/* report.c: delivery reports, to whom and about what */
struct report_recipient {
    uint32_t recipient;
    enum dsn_action action;
    struct verdict verdict;
    slice host;
    bool by_lost; /* RELAYED: the host was not told the time to deliver by, which is still to come */
    bool done;    /* out: its outcome is in the batch, with the report if there is to be one */
};
/* What has come to its end: adds reports to those who want them, and the outcomes that cause them, to the batch. A failure, or an expansion, that is not done after it could not be told now and
 * must be tried again; what was delivered is always done. */
void queue_report_ended(struct queue *q, uint32_t message, struct report_recipient *recipients, size_t count);
/* A delay warning; false when it must be tried again later. by: because a time to deliver by is over. */
bool queue_report_delay(struct queue *q, uint32_t message, struct report_recipient *recipients, size_t count, bool by);
/* Mail of our own, from the null reverse-path, into the batch. The resolved recipients of `to` become the envelope's. ERR_NOTFOUND: nobody has that address. */
must_check enum err queue_report_submit(struct queue *q, struct spool_head head, slice to, slice body);

/* batch.c */
/* What is added until the next call of this belongs to one record group: a report with its outcomes. Call it before each thing that can stand for itself. */
void queue_batch_unit(struct queue *q);
/* So much waits for a disk that fails that nothing new should be begun. */
bool queue_batch_behind(const struct queue *q);
void queue_batch_outcome(struct queue *q, const struct spool_outcome *o);
void queue_batch_finish(struct queue *q, uint32_t part);
must_check enum err queue_batch_report(struct queue *q, const struct spool_head *head, slice body);
must_check enum err queue_batch_move(struct queue *q, const struct spool_head *head, slice body);
/* At the end of a loop turn: at once, or within a few milliseconds. */
void queue_batch_submit(struct queue *q);
void queue_batch_gathered(void *ctx);
void queue_batch_retry(void *ctx);
void queue_batch_committed(struct queue *q, const struct spool_done *done);
bool queue_batch_idle(const struct queue *q);
/* Is everything up to this batch on disk? */
bool queue_batch_durable(const struct queue *q, uint64_t serial);
void queue_batch_close(struct queue *q);

/* recover.c */
void queue_recover_when_settled(struct queue *q);
void queue_recover_lease_limits(struct queue *q, const struct ipc_hello_segment *h, struct hub_peer *p);
/* A receiver is dead: what it had committed and we never heard of is read from its segments. */
void queue_recover_left(struct queue *q, const struct hub_peer *p);
/* aside.c */
/* A mail on disk is not in the index. */
void queue_incomplete(struct queue *q);
/* The disk does not give this segment. */
void queue_aside_add(struct queue *q, uint64_t number);
/* For people: a line each. */
void queue_aside_print(const struct queue *q, buf *text);
void queue_aside_step(struct queue *q);
/* checkpoint.c: written in slices of the loop's turns; what changes meanwhile is in records behind it */
must_check enum err queue_checkpoint_open(struct queue *q);
void queue_checkpoint_step(struct queue *q);
void queue_checkpoint_begin(void *ctx);
/* All of it now (at the end). */
void queue_checkpoint_whole(struct queue *q);
/* What is written comes to its end, what is being written is given up. */
void queue_checkpoint_close(struct queue *q);
must_check enum err queue_checkpoint_restore(struct queue *q, const struct spool_place *place, slice state);
uint64_t queue_checkpoint_route_stamp(const struct conf *conf);
/* summary.c */
/* One line for each domain, whatever hosts its mail goes through. NULL without memory. */
struct summary *queue_summary_make(struct queue *q, uint32_t *lines_r);
/* As many lines as a slow console should have waiting for it; true when all are sent. */
bool queue_summary_send(struct queue *q, struct summary *s, struct hub_peer *to, uint64_t token);
void queue_summary_close(struct summary **s);

/* control.c */
void queue_control_request(struct queue *q, struct hub_peer *p, const struct ipc_queue_request *r);
void queue_control_gone(struct queue *q, const struct hub_peer *p, uint64_t token);
void queue_control_peer_down(struct queue *q, const struct hub_peer *p);
/* RFC 1985 */
void queue_control_etrn(struct queue *q, struct hub_peer *p, const struct ipc_etrn *e);
/* All queued mail of this login comes to rest. */
void queue_control_hold_login(struct queue *q, slice login, slice reason);
void queue_control_step(struct queue *q);
bool queue_control_busy(const struct queue *q);

/* alarm.c: a login has sent more than it may in an hour. */
void queue_alarm(struct queue *q, const struct ipc_user_alarm *a);
/* Those that could not be told yet. */
void queue_alarm_step(struct queue *q);

/* A new queue id for mail of our own; 0 when the range is used up for the moment. */
uint64_t queue_number(struct queue *q);
/* Is there one? Asks for more when few are left. */
bool queue_numbers_left(struct queue *q);

#endif
