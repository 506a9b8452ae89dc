/* SPDX-License-Identifier: ISC */
/* A process's ring file: counters and gauges, and the last events, in a file of fixed size below STATE/trace/, named KIND-SLOT ("receiver-0"), mapped shared, its blocks allocated beforehand, so
 * that writing into it makes no system call and a full disk raises no SIGBUS. The master makes and maps it before the fork (a child opens nothing) and a process that is started again goes on in its file.
 * What is in it survives the process at once and the machine mostly: it is for telling, never for keeping mail. One process writes (its threads under a lock); any number of readers look without one (trace/reader.h).
 * Part of the face trace/trace.h.
 *
 * Layout: one page of header (magic, block size and count, pid, start time, counters[], gauges[]), then blocks; a block has a sequence number (0: never used) and records, which never cross blocks. When the last
 * block is full the first is begun anew, under the next sequence number. */
#ifndef TRACE_RING_H
#define TRACE_RING_H

#include "trace/event.h"

/* What is true now, not counted: set by who knows it. New ones come last. */
#define TRACE_GAUGES(X)                                                                                                \
    X(SESSIONS_IN, "sessions-in")       /* receiver: clients connected */                                              \
    X(SESSIONS_OUT, "sessions-out")     /* sender: hosts connected */                                                  \
    X(MESSAGES, "messages")             /* queue: mails in it */                                                       \
    X(MESSAGES_ACTIVE, "active")        /* queue: being delivered now, counted by destination */                       \
    X(MESSAGES_HELD, "held")            /* queue: the same */                                                          \
    X(DESTINATIONS, "destinations")     /* queue: with waiting mail */                                                 \
    X(BYTES_ACCEPTED, "bytes-accepted") /* receiver: only grows, from 0 at its start */
#define TRACE_ENUM_GAUGE(word, name) TRACE_GAUGE_##word,
enum trace_gauge { TRACE_GAUGES(TRACE_ENUM_GAUGE) TRACE_GAUGE_COUNT };

slice trace_gauge_name(enum trace_gauge gauge);

struct trace_ring;
#define TRACE_RING_LEAST (68u * 1024) /* bytes: the header and two blocks */
/* size: of the whole file, bytes, rounded down to whole blocks. An existing file of the same layout goes on; another is made anew. ERR_NOSPACE, ERR_PERMISSION, ERR_IO...: the server runs without; ERR_LIMIT: size is out of range.
 * folder_fd: STATE/trace. The file is for its owner and, for reading, its group. */
must_check enum err trace_ring_open(int folder_fd, const char *name, size_t size, struct trace_ring **ring_r);
/* NULL is harmless. The file stays. */
void trace_ring_close(struct trace_ring **ring);
/* From now on trace_emit of this process writes there; NULL: nowhere. Not owned. A process that is forked from this one does not have the ring and writes nowhere, until it uses one of its own. The gauges begin at 0, the counters go on. */
void trace_ring_use(struct trace_ring *ring);
/* For who has opened it, when the process that used it has ended: what was true of that one is no more. */
void trace_ring_rest(struct trace_ring *ring);
/* Any thread. */
void trace_gauge_set(enum trace_gauge gauge, int64_t value);
void trace_gauge_add(enum trace_gauge gauge, int64_t value);

#endif
