/* SPDX-License-Identifier: ISC */
/* Inside the room only: what the master holds. A generation is one configuration with its seats; a seat is a place for one child that is to live; a child is a process, from fork until
 * waitpid has told of its end. The queue's seat belongs to no generation, because only one queue may live at any time. */
#ifndef PROC_MASTER_STATE_H
#define PROC_MASTER_STATE_H

#include "proc/master/master.h"

#define LISTENERS_MAX 200u
#define WAITERS_MAX 64u
#define EXIT_SOFTWARE 70
#define EXIT_UNAVAILABLE 69
#define EXIT_TRY_LATER 75
#define EXIT_PERMISSION 77
#define EXIT_CONF 78
#define NEVER INT64_MAX

struct master_listener {
    struct list link;
    struct socket_address address;
    int fd;
    bool used;   /* by the generation that is being bound */
    bool passed; /* opened by the service manager, which keeps it: it is closed at the end only, and its file stays */
    char name[OS_PASSED_NAME_MAX]; /* the one that it has there */
};

struct master_seat {
    enum process_kind kind;
    struct master_generation *generation;
    struct master_child *child; /* NULL: nobody; see restart_at_ms */
    int64_t restart_at_ms;
    uint32_t failures; /* deaths in a row, each soon after its start */
};

struct master_generation {
    struct list link;
    uint32_t number;
    struct conf *conf;
    struct arena arena;
    struct os_user user;
    struct master_seat *seats;
    size_t seat_count;
    int fds[LISTENERS_MAX]; /* the receivers' */
    size_t fd_conf[LISTENERS_MAX];
    size_t fd_count;
    int control_fd;
    struct os_file_stamp *seen; /* of each conf source, as it was taken, or found wrong */
    struct os_file_stamp *last; /* when last looked at: what still changes is left alone */
    const struct conf *before;  /* of the generation in whose place it comes, while it is checked; NULL at the start */
    bool old;
};

struct master_child {
    struct list link;
    struct master_seat *seat; /* NULL: its generation is over, nobody takes its place */
    struct master_generation *generation;
    enum process_kind kind;
    uint32_t process, slot;
    int pid;
    struct ipc_channel *channel; /* NULL: broken */
    bool ready, draining;
    uint32_t asked, answered; /* the last rounds of the keep-alive */
    uint32_t numbers_owed;    /* a lease that failed, tried again at numbers_at_ms */
    int64_t numbers_at_ms;
    int64_t born_ms, kill_at_ms;
};

/* A short-lived child that does one thing and says what it found. */
struct master_job {
    int pid; /* 0: none */
    int fd;  /* its words; -1 after their end */
    int64_t kill_at_ms;
    int status;
    bool ended;
    buf text;
};

/* Somebody who waits for a reload's outcome: a console's request. */
struct master_waiter {
    uint32_t process;
    uint64_t token;
};

enum reload_state { RELOAD_NONE, RELOAD_CHECKING, RELOAD_STARTING };

enum reload_cause {
    RELOAD_ASKED,
    RELOAD_BY_FILE, /* a file that the configuration names has changed; nobody asked, and thurn.toml itself is not read again */
    RELOAD_DRY, /* somebody asks what it would change */
};

struct master_reload {
    enum reload_state state;
    struct master_generation *generation; /* being checked */
    struct master_job job;
    int64_t give_up_ms; /* STARTING */
    enum reload_cause cause;
    bool again;  /* asked for while one is under way */
    buf changes; /* STARTING: what it changes for whom, for those who asked */
    struct master_waiter waiters[WAITERS_MAX], next[WAITERS_MAX];
    size_t waiter_count, next_count;
};

/* What the service manager is told at intervals. */
struct master_keepalive {
    int64_t every_ms; /* 0: nobody waits for it */
    int64_t at_ms;
    uint32_t round;
    bool silent; /* it was said that it is not told, and by whose fault */
    enum process_kind dead;
};

/* Where processes tell what happens: rings.c. */
struct master_rings {
    int folder_fd;      /* -1: there are none */
    uint32_t receivers; /* of a generation */
    uint64_t bytes;     /* of all files together */
    uint64_t min_free;
    bool complained;
    struct master_ring *first;
};

enum stop_stage { STOP_NOT, STOP_SESSIONS, STOP_QUEUE, STOP_NOW };

struct master {
    struct master_options options;
    uint32_t pid;
    bool root, announced;
    uint64_t descriptors; /* that each process may have; 0 not known */
    int signals_fd, spool_fd, lock_fd;
    uint64_t number_floor; /* the first number that was drawn from the spool's counter in our life */
    void *shared;
    char ticket_key[80];
    uint32_t last_process, last_generation;
    struct list listeners, generations, children;
    struct master_generation *current;
    struct master_seat queue;
    struct master_reload reload;
    struct master_keepalive keepalive;
    struct master_rings rings;
    int64_t watch_at_ms;
    int64_t log_at_ms; /* when its socket is connected again */
    enum err log_err;  /* that people know of */
    enum stop_stage stop;
    int exit_status;
};

/* prepare.c: folders, lock, shared memory. The exit status, 0 when all is well; else what is wrong was said. */
int master_prepare(struct master *m, const struct master_generation *g);

/* generation.c: takes over conf, also on error. */
must_check enum err master_generation_open(struct master *m, struct conf *conf, buf *messages,
                                           struct master_generation **g_r);
void master_generation_close(struct master_generation **g);
/* Closes old ones that have no child left. */
void master_generations_sweep(struct master *m);

/* listeners.c: takes over what the service manager has opened. The exit status, 0 when all is well; else why says it. */
int master_listeners_adopt(struct master *m, buf *why);
/* Sockets for all of the generation's listeners, old ones kept. On error nothing has changed, *exit_r is the exit status and why says it. */
must_check enum err master_listeners_bind(struct master *m, struct master_generation *g, buf *why, int *exit_r);
/* Closes those that the current generation does not use (all when there is none). */
void master_listeners_sweep(struct master *m);

/* job.c */
must_check enum err master_job_start(struct master *m, struct master_job *j, const char *title,
                                     int (*work)(void *ctx, buf *words), void *ctx);
/* Reads what it said; called when its descriptor is readable. */
void master_job_read(struct master_job *j);
bool master_job_done(const struct master_job *j);
/* The pid ended: true when it was this job's. */
bool master_job_ended(struct master_job *j, int pid, int status);
/* Waits for it, at most until its time is up. */
void master_job_wait(struct master_job *j);
void master_job_clear(struct master_job *j);
/* The check of a configuration as a job's work: 0 or EXIT_CONF. ctx is the generation. */
int master_check(void *ctx, buf *words);

/* children.c */
void master_child_start(struct master *m, struct master_seat *seat);
void master_child_send(struct master_child *c, const struct ipc_message *message);
void master_child_drain(struct master_child *c, int64_t limit_ms, int64_t kill_after_ms);
/* waitpid told of the end. */
void master_child_ended(struct master *m, struct master_child *c, int status);
struct master_child *master_child_find(struct master *m, uint32_t process);
size_t master_children_of(const struct master *m, const struct master_generation *g, unsigned kinds);
/* Frames from the child. */
void master_child_read(struct master *m, struct master_child *c);
/* Nothing reaches it any more: it is to end, and another takes its place. */
void master_child_broken(struct master *m, struct master_child *c);
void master_numbers_lease(struct master *m, struct master_child *c, uint32_t count);

/* seats.c: who should live, and when. */
void master_seats_fill(struct master *m, struct master_generation *g);
bool master_seats_ready(const struct master *m);
void master_seat_emptied(struct master *m, struct master_seat *seat, const struct master_child *c);
void master_seats_tick(struct master *m, int64_t now_ms);
int64_t master_seats_soonest(const struct master *m);

/* keepalive.c: the service manager hears that all is well while every seat's child lives and, once it was ready, answers. One that is not ready yet is not asked: the queue may read its folder for minutes. */
void master_keepalive_init(struct master *m);
void master_keepalive_tick(struct master *m, int64_t now_ms);
/* When the tick has something to do next: monotonic, ms; NEVER while it has not begun. */
int64_t master_keepalive_soonest(const struct master *m);
/* A failure is logged. */
void master_tell(enum err told);

/* reload.c */
void master_reload_ask(struct master *m, enum reload_cause cause, const struct master_waiter *w);
void master_reload_tick(struct master *m, int64_t now_ms);

/* retire.c: the end of old generations, and of all. */
void master_retire(struct master *m);
void master_retire_tick(struct master *m, int64_t now_ms);
void master_stop(struct master *m);

/* rings.c: at the start, once; the master tells in its own from then on. What fails is said, and the server runs without. */
void master_rings_open(struct master *m, const struct master_generation *g);
/* From now on this size for those that begin. */
void master_rings_reload(struct master *m, const struct conf *conf);
/* For a child that is about to be forked: NULL, it has none. */
struct trace_ring *master_ring_of(struct master *m, enum process_kind kind, uint32_t slot);
/* The child has ended. */
void master_ring_rest(struct master *m, enum process_kind kind, uint32_t slot);
/* In the child: gives up all but its own. */
void master_rings_leave(struct master *m, const struct trace_ring *mine);
void master_rings_close(struct master *m);

/* log.c: from now on the log is so, in children that are forked from now on, too. */
void master_log_use(struct master *m, const struct log_settings *settings);
void master_log_tick(struct master *m, int64_t now_ms);
/* Each line of text as a line of the log. */
void master_log_lines(enum log_level level, slice text);

#endif
