/* SPDX-License-Identifier: ISC */
/* Inside the room only: what a writer is made of. Three threads share it: the caller's loop thread; the journal, which writes and syncs batches and does
 * nothing else, so that no commit waits for anything slower; and the yard, which gives birth to segments, recycles them and writes large
 * bodies. What belongs to one thread is marked so; everything below `lock` is touched with the lock held only. A commit travels
 * submitted (loop) -> [yard, when its body is large] -> pending -> journal -> done -> reaped (loop), and the loop thread frees it. */
#ifndef SPOOL_WRITER_PARTS_H
#define SPOOL_WRITER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "os/os.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/space.h"
#include "spool/writer.h"

#define SPACE_ASK_MS 1000

#define BATCH_VECTORS 1000
#define GATHER_COUNT 8
#define GATHER_US 300
#define SPARES 2
#define SPARES_RECYCLED 8
#define RANGES 8
#define NUMBERS_LOW 64

struct spool_chunk {
    struct list link;
    uint32_t len, cap;
    bool keep; /* the message's start: stays in memory when it was written to a large file */
    char bytes[];
};

struct done_node {
    struct list link;
    enum done_what { DONE_COMMIT, DONE_DRAINED, DONE_ABORTED, DONE_NUMBERS } what;
};

struct group_item {
    uint64_t id;
    uint32_t offset; /* of the record, from the group's frame */
    uint32_t length, head_len;
    uint16_t copy;
};

struct closed_segment {
    uint64_t number;
    uint32_t epoch;
};

/* A record, or group of records, on its way to the disk. */
struct spool_commit {
    struct done_node node; /* its link is in submitted, pending, a batch, done or reaped */
    void *cookie;
    buf head;           /* frame and encoded head; of a group all of it */
    struct list chunks; /* body in memory */
    uint32_t chunk_count;
    uint32_t length, padding;
    bool is_group, is_large;
    enum err err;
    uint64_t id, segment;
    struct closed_segment closed;
    uint32_t offset, epoch, committed;
    struct group_item *items; /* messages of a group */
    size_t item_count, item_cap;
};

struct spool_message {
    struct spool_commit commit; /* first */
    struct done_node drained;
    struct spool_writer *writer;
    /* loop thread */
    struct spool_chunk *start, *tail;
    uint64_t size;
    uint64_t large_file; /* 0: not large yet */
    uint32_t body_crc;
    /* yard */
    struct list finish_link;
    int large_fd;
    uint64_t large_at;
    atomic_int large_err; /* enum err */
    /* lock */
    struct list yard_link;
    struct list outbox; /* chunks to write */
    size_t queued;      /* bytes of them */
    bool in_yard, finish, abort, want_drained;
};

struct spool_group {
    struct spool_commit commit; /* first */
    struct spool_writer *writer;
};

enum segment_state { SEGMENT_SPARE, SEGMENT_ACTIVE, SEGMENT_CLOSED, SEGMENT_RETIRED };

struct writer_segment {
    struct list link;
    struct spool_superblock block;
    enum segment_state state;
    uint32_t committed;
    int fd;
};

struct number_range {
    uint64_t first;
    uint32_t count;
};

struct spool_writer {
    struct spool_writer_options o; /* never changes */
    int wake_fd;
    uint32_t segment_size, inline_max;
    pthread_t journal, yard;

    /* loop thread */
    struct list submitted;
    size_t submitted_count, in_flight, open, open_shown;
    struct list reaped;
    struct spool_commit *last; /* reaped last: its head is still looked at */
    int64_t space_asked_ms;
    int64_t full_until_ms; /* the disk has refused what the sum said there is room for */
    struct spool_space space;
    bool space_known, numbers_reaped;
    struct list first_chunks; /* of CHUNK_FIRST, to be used again: all of them begin and end in this thread */
    size_t first_count;

    atomic_size_t memory_used;

    /* journal */
    struct iovec vectors[BATCH_VECTORS];
    struct writer_segment *active;   /* changed with the lock held */
    struct closed_segment closed[4]; /* not reported yet */
    size_t closed_count;

    /* yard */
    struct writer_segment *birth;
    uint32_t birth_at;
    char *zeros;

    pthread_mutex_t lock;
    pthread_cond_t journal_wake, yard_wake;
    enum journal_state { JOURNAL_BUSY, JOURNAL_IDLE, JOURNAL_GATHERS } journal_state;
    struct list pending; /* commits */
    size_t pending_count, open_seen;
    int64_t pending_since_us;
    struct list done; /* done_nodes */
    bool signalled;
    struct list segments; /* active, closed, retired: in order of use */
    struct list spares, recycling;
    size_t spare_count;
    bool segment_needed;
    enum err segment_err;
    int64_t birth_retry_us;
    struct list yard_messages;
    struct list idle_chunks; /* full-sized, to be used again */
    size_t idle_count;
    size_t finishing; /* large messages that were committed and have not reached the journal */
    struct number_range ranges[RANGES];
    size_t range_count;
    struct done_node numbers_node;
    bool numbers_asked;
    bool stop_journal, stop_yard;
};

/* journal.c, yard.c: the threads. */
void *spool_journal_run(void *writer);
void *spool_yard_run(void *writer);

/* With the lock held. */
bool spool_journal_due(const struct spool_writer *w);
/* True: the caller wakes the journal, best after it has given up the lock, which the journal takes first. */
must_check bool spool_journal_submit(struct spool_writer *w, struct list *commits, size_t count);
void spool_writer_done(struct spool_writer *w, struct done_node *node);
/* 0 when there is none. Asks for more when few are left. */
uint64_t spool_writer_number(struct spool_writer *w);
/* Counts bytes of new space as used; ERR_NOSPACE when they would come out of the reserve. The caller's thread only. */
must_check enum err spool_writer_space_take(struct spool_writer *w, uint64_t bytes);
/* Puts the message where the yard finds it. */
void spool_yard_call(struct spool_writer *w, struct spool_message *m);

/* yard_segment.c, in the yard without the lock. One step of bringing a segment to the spares: recycles one, or writes a piece of a new one. */
void spool_yard_segment_step(struct spool_writer *w);
/* With the lock held: is there such a step to do now? */
bool spool_yard_segment_wanted(const struct spool_writer *w, int64_t now_us);
void spool_yard_birth_fail(struct spool_writer *w, enum err e);
/* yard_large.c: with the lock held; gives it up while it writes. */
void spool_yard_large_step(struct spool_writer *w);

/* Frees what a commit owns and the message or group that it is the first part of. */
void spool_commit_free(struct spool_writer *w, struct spool_commit *c);
void spool_chunk_free(struct spool_writer *w, struct spool_chunk *c);

#endif
