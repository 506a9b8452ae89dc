/* SPDX-License-Identifier: ISC */
/* A process's ring file: counters and gauges, and the last events, in a file of fixed size below STATE/trace/, named KIND-SLOT ("receiver-0"), mapped shared, its blocks allocated beforehand, so
 * that writing into it makes no system call and a full disk raises no SIGBUS. The master makes and maps it before the fork (a child opens nothing) and a process that is started again goes on in its file.
 * What is in it survives the process at once and the machine mostly: it is for telling, never for keeping mail. One process writes (its threads under a lock); any number of readers look without one: a reader copies a
 * block, checks that it was not begun anew meanwhile, and each record's length and CRC; what does not fit is left out. Readers are root and `user`.
 *
 * Layout: one page of header (magic, version, block size and count, pid, start time, counters[], gauges[]), then blocks; a block has a sequence number (0: never used) and records, which never cross blocks. When the last block is full the first is
 * begun anew, under the next sequence number. */
#ifndef TRACE_RING_H
#define TRACE_RING_H

#include "trace/event.h"

/* What is true now, not counted: set by who knows it. */
#define TRACE_GAUGES(X)                                                                                                \
    X(SESSIONS_IN, "sessions-in")       /* receiver: clients connected */                                              \
    X(SESSIONS_OUT, "sessions-out")     /* sender: hosts connected */                                                  \
    X(MESSAGES, "messages")             /* queue: mails in it */                                                       \
    X(MESSAGES_ACTIVE, "active")        /* queue: being delivered now */                                               \
    X(MESSAGES_HELD, "held")            /* queue */                                                                    \
    X(DESTINATIONS, "destinations")     /* queue: with waiting mail */                                                 \
    X(BYTES_ACCEPTED, "bytes-accepted") /* receiver: only grows */
#define TRACE_ENUM_GAUGE(word, name) TRACE_GAUGE_##word,
enum trace_gauge { TRACE_GAUGES(TRACE_ENUM_GAUGE) TRACE_GAUGE_COUNT };

slice trace_gauge_name(enum trace_gauge gauge);

/* Writing. size: of the whole file, bytes. An existing file of the same layout goes on; another is made anew. ERR_NOSPC, ERR_PERM, ERR_IO...: the server runs without. folder_fd: STATE/trace. */
struct trace_ring;
must_check enum err trace_ring_open(int folder_fd, const char *name, size_t size, struct trace_ring **ring_r);
void trace_ring_close(struct trace_ring **ring);
/* From now on trace_emit of this process writes there; NULL: nowhere. Called once by the child after the fork; not owned. */
void trace_ring_use(struct trace_ring *ring);
void trace_gauge_set(enum trace_gauge gauge, int64_t value);
void trace_gauge_add(enum trace_gauge gauge, int64_t value);

/* Reading: all rings of a folder. */
struct trace_record {
    int64_t time_us; /* since 1970 */
    slice process;   /* "receiver-0" */
    uint32_t pid;
    struct trace_event event; /* texts point into the reader's memory until the next call */
    slice message;
};
struct trace_totals {
    slice process;
    uint32_t pid;
    int64_t started_us;
    uint64_t counters[TRACE_KIND_COUNT];
    int64_t gauges[TRACE_GAUGE_COUNT];
};
struct trace_reader;
/* ERR_NOENT: no server has run here. ERR_PERM. */
must_check enum err trace_reader_open(const char *folder, struct trace_reader **reader_r);
void trace_reader_close(struct trace_reader **reader);
/* The next event in order of time, oldest first, over all rings; false: none for now (call again later to follow; rings that were made since are found). */
bool trace_reader_next(struct trace_reader *reader, struct trace_record *record_r);
/* Calls each once for each ring. */
void trace_reader_totals(struct trace_reader *reader, void (*each)(void *ctx, const struct trace_totals *totals),
                         void *ctx);

#endif
