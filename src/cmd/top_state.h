/* SPDX-License-Identifier: ISC */
/* Inside the room only: what `thurn top` knows: of each process its counters and gauges from its ring, and processor time and memory from /proc; the queue's destinations from the running server; the last problems from
 * the rings. Memory is bounded; what is over the bounds is not shown. */
#ifndef CMD_TOP_STATE_H
#define CMD_TOP_STATE_H

#include "cmd/queue_ask.h"

#define TOP_PROCESSES_MAX 128u
#define TOP_DESTINATIONS_MAX 64u
#define TOP_PROBLEMS_MAX 64u
#define TOP_LINE_MAX 512u

struct top_process {
    char name[32];
    struct trace_totals totals; /* process points to name */
    bool alive;                 /* it runs: gauges are true */
    uint64_t cpu_ticks;         /* in hundredths of a second, since its start */
    uint64_t memory;            /* resident, bytes */
};

struct top_sample {
    int64_t at_us;
    size_t count;
    struct top_process processes[TOP_PROCESSES_MAX]; /* in order of their names */
    uint64_t counters[TRACE_KIND_COUNT];             /* of all */
    int64_t gauges[TRACE_GAUGE_COUNT];               /* of those that are alive */
    int64_t started_us;                              /* the master; 0: it does not run */
};

struct top_destination {
    char name[256], reason[256];
    size_t name_len, reason_len;
    uint32_t messages;
    int64_t oldest_s, next_s;
    uint8_t state;
};

struct top_problem {
    int64_t time_us;
    size_t len;
    char words[TOP_LINE_MAX]; /* escaped */
};

struct top_state {
    const char *folder;
    const struct conf *conf;
    struct trace_reader *reader;
    struct queue_line line;
    bool asked; /* the queue has answered: destinations are known */
    int64_t asked_at_us;
    struct top_sample before, now;                             /* before: at_us 0: there is none */
    struct top_destination destinations[TOP_DESTINATIONS_MAX]; /* those with the most mail */
    size_t destination_count;
    struct top_problem problems[TOP_PROBLEMS_MAX]; /* a ring */
    uint64_t problem_count;
};

/* folder and conf must outlive it. As trace_reader_open. */
must_check enum err top_state_open(struct top_state *s, const char *folder, const struct conf *conf);
void top_state_close(struct top_state *s);
/* Takes a new sample; the last one becomes `before`. The queue is asked now and then only. */
void top_state_look(struct top_state *s);
/* Of a counter, a second; 0 without a sample before. */
double top_state_rate(const struct top_state *s, enum trace_kind kind);
/* Share of a processor, in percent; below 0: not known. */
double top_state_cpu(const struct top_state *s, const struct top_process *p);

#endif
