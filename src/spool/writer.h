/* SPDX-License-Identifier: ISC */
/* Writing to the journal: one writer a process, appending to segments of its own, with a thread of its own for everything that blocks. The caller's
 * loop thread begins, appends, commits and reaps; commits that wait together share one fdatasync (group commit). Only a reaped SPOOL_DONE_COMMITTED with
 * ERR_OK means that the bytes are on stable storage. A failed fdatasync fails its whole batch and retires the segment for ever.
 * Segments are taken from a pool that the thread zero-writes ahead; emptied ones come back through spool_writer_recycle. Bodies in flight are bounded in memory.
 * Not thread-safe: all calls come from the caller's one thread. */
#ifndef SPOOL_WRITER_H
#define SPOOL_WRITER_H

#include "os/os.h"
#include "spool/head.h"

struct spool_writer;
struct spool_message;
struct spool_group;

struct spool_writer_options {
    int dir_fd;      /* the spool folder (kept by the caller); segments and large files are made below it */
    uint32_t writer; /* number of this writer (process number): goes into the superblock */
    uint64_t
        min_free; /* bytes of the file system that stay free for outcomes: below, messages are refused (outcomes are not) */
    uint64_t memory_max; /* bytes of bodies in flight, e.g. 64 MiB */
    uint32_t
        segment_size; /* 0: chosen by the disk, at most 16 MiB and a tenth of what is free for all preallocated ones */
    uint32_t inline_max; /* a larger body goes to a file of its own; 0: default */
    bool outcomes_only;  /* the queue's writer: may use the reserve below min_free */
};

struct spool_segment_state {
    uint64_t segment;
    uint32_t epoch;
    uint32_t committed; /* everything below this offset is on disk */
    bool closed;        /* takes no more records */
};

enum spool_done_kind { SPOOL_DONE_COMMITTED, SPOOL_DONE_DRAINED, SPOOL_DONE_NUMBERS_LOW };

struct spool_done {
    enum spool_done_kind kind;
    enum err err;             /* COMMITTED: ERR_OK, or why it is not on disk (ERR_NOSPACE gives 452, else 451) */
    void *cookie;             /* of the commit, or of the message (DRAINED) */
    struct spool_place place; /* of the message (of a group: of its first message record, if any) */
    slice head;               /* encoded head, to announce; lives until the next spool_writer_next_done */
    uint64_t segment;         /* COMMITTED: its segment */
    uint32_t committed;       /* COMMITTED: everything below this offset of the segment is on disk */
    uint32_t epoch;           /* COMMITTED: of the segment */
    uint64_t closed_segment;  /* not 0: this segment takes no more records from now on (full or retired) */
    uint32_t closed_epoch;    /* of that segment */
};

/* ERR_IO, ERR_NOSPACE, ERR_PERMISSION... Starts the thread. Numbers for segments and large files must be supplied before the first commit. */
must_check enum err spool_writer_open(const struct spool_writer_options *o, struct spool_writer **writer_r);
/* Ends the thread after what was submitted is done or failed. Pending completions are lost: reap first. Own segments that were never used are unlinked. */
void spool_writer_close(struct spool_writer **w);
/* Numbers first .. first+count-1, never given to anybody else: names of segments and large files. Asked for by SPOOL_DONE_NUMBERS_LOW, when fewer than 64 are left;
 * 256 and more at a time are right: without one a segment or large body cannot begin. */
void spool_writer_supply_numbers(struct spool_writer *w, uint64_t first, uint32_t count);
/* Readable when spool_writer_next_done has something. */
int spool_writer_wake_fd(const struct spool_writer *w);
bool spool_writer_next_done(struct spool_writer *w, struct spool_done *done_r);
/* Once a loop turn: hands what was committed in this turn to the thread. */
void spool_writer_flush(struct spool_writer *w);
/* Room for one more message of about size bytes (0 unknown)? ERR_OK, ERR_NOSPACE (disk; checked at most once a second, and for a second after a commit failed for it), ERR_NOMEM (bodies in flight). */
must_check enum err spool_writer_room(struct spool_writer *w, uint64_t size);
/* A closed segment of this writer whose mail is all gone, outcomes durable, no lease open: use it again under a higher epoch. The epoch is the one that this is known of: when the
 * segment has another by now, what was said is about mail of long ago, and nothing happens. */
void spool_writer_recycle(struct spool_writer *w, uint64_t segment, uint32_t epoch);
/* For HELLO and checkpoints: the i-th segment of this writer that is not yet free. False at the end. */
bool spool_writer_segment(const struct spool_writer *w, size_t i, struct spool_segment_state *state_r);
/* Nothing that was announced is kept here: what a restarted queue missed it reads from the disk, below `committed`. */

/* A message that is being received. cookie comes back with its completions. ERR_NOMEM when bodies in flight are at their bound. */
must_check enum err spool_message_begin(struct spool_writer *w, void *cookie, struct spool_message **message_r);
/* Takes content (any size up to a loop turn's read). Beyond inline_max it goes to a file of its own through the thread. ERR_NOMEM, ERR_NOSPACE, ERR_IO: the message is lost, abort it. */
must_check enum err spool_message_append(struct spool_message *m, slice content);
/* True when the thread is behind: stop reading from the client until SPOOL_DONE_DRAINED. */
bool spool_message_congested(const struct spool_message *m);
/* No more content: queues the record (head->large_file, head->copy are set by the writer; the other fields by the caller; copied at once) for the next group. The message
 * belongs to the writer from now on, also on error. ERR_OK: its completion is SPOOL_DONE_COMMITTED. An error (ERR_NOMEM, ERR_NOSPACE, ERR_IO, ERR_LIMIT: head too long) means that the message is
 * gone and no completion comes. */
must_check enum err spool_message_commit(struct spool_message **m, const struct spool_head *head);
void spool_message_abort(struct spool_message **m);
/* Content so far that is still in memory, from its start (at least the first 64 KiB, or all if less): for header checks at the end of data. */
slice spool_message_start(const struct spool_message *m);

/* A group of records with one CRC: all of it is there after a crash, or nothing (the queue's: outcomes, bounces, moves). */
must_check enum err spool_group_begin(struct spool_writer *w, void *cookie, struct spool_group **group_r);
must_check enum err spool_group_outcome(struct spool_group *g, const struct spool_outcome *o);
/* A whole message of our own (a bounce): head and body; large bodies are not for groups (at most inline_max; ERR_LIMIT). */
must_check enum err spool_group_message(struct spool_group *g, const struct spool_head *head, slice body);
/* A message moved to this writer's segments: head with its copy number raised by the caller, body as read. A large file keeps its file: body empty. */
must_check enum err spool_group_move(struct spool_group *g, const struct spool_head *head, slice body);
must_check enum err spool_group_commit(struct spool_group **g);
void spool_group_abort(struct spool_group **g);
/* Place of the i-th message (or moved message) of the group just reaped; valid until the next spool_writer_next_done. */
bool spool_done_place(const struct spool_writer *w, size_t i, struct spool_place *place_r, slice *head_r);

#endif
