/* SPDX-License-Identifier: ISC */
/* Recovery: what is in the spool after a stop of any kind. The newest valid checkpoint first, then every record that is newer than it. Records come in an arbitrary
 * order between segments: whoever takes them must accept an outcome before its message. Recovery is idempotent and may itself be interrupted anywhere. */
#ifndef SPOOL_SCAN_H
#define SPOOL_SCAN_H

#include "os/os.h"
#include "spool/head.h"

/* Called for each thing found; every slice and pointer lives for the call only. ERR_CORRUPT or ERR_UNSUPPORTED from message, outcome or checkpoint (a head that cannot be decoded)
 * makes that record a damaged one; any other error of a callback stops the scan and is returned. */
struct spool_scan_ops {
    enum err (*message)(void *ctx, const struct spool_place *place, slice head);
    enum err (*outcome)(void *ctx, const struct spool_outcome *o);
    /* One live message of the checkpoint: opaque bytes as given to spool_checkpoint_add, with its place. */
    enum err (*checkpoint)(void *ctx, const struct spool_place *place, slice state);
    /* One segment that exists, before its records; it may be empty. ERR_AGAIN: a live process owns it and tells of it itself, its records are left out. */
    enum err (*segment)(void *ctx, uint64_t segment, uint32_t writer, uint32_t epoch);
    /* A record that cannot be read: logged by the caller, kept on disk, its segment never recycled nor swept. Offset 0: the superblock; segment 0: the checkpoint. */
    void (*damaged)(void *ctx, uint64_t segment, uint32_t offset, slice what);
    /* The disk does not give the segment's bytes (ERR_IO), or only some: the scan goes on with the next one. Records of it may have been passed before. Nothing may be concluded from what was not seen, and
     * no checkpoint written. NULL: the scan ends with ERR_IO. */
    void (*unreadable)(void *ctx, uint64_t segment);
};

/* A segment that a live process owns is read only below `committed` (its HELLO). Under another epoch than that it was recycled since, and its owner tells of all that is in it: it is left out. */
struct spool_scan_limit {
    uint64_t segment;
    uint32_t epoch;
    uint32_t committed;
};

must_check enum err spool_scan(int dir_fd, const struct spool_scan_limit *limits, size_t limit_count,
                               const struct spool_scan_ops *ops, void *ctx);

/* What a dead writer has left: of its segments from number_floor on (an earlier writer had the same number) everything that is not below an offset in `known`, for the
 * epoch given there. Calls segment (with ERR_AGAIN as above), message and damaged. */
struct spool_known {
    uint64_t segment;
    uint32_t epoch;
    uint32_t offset;
};
struct spool_writer_left {
    uint32_t writer;
    uint64_t number_floor;
    struct spool_known *known; /* is sorted here */
    size_t known_count;
};
must_check enum err spool_scan_left(int dir_fd, const struct spool_writer_left *left, const struct spool_scan_ops *ops,
                                    void *ctx);

/* Removes segments, large files and temporary files that hold nothing alive. `large_alive` and `segment_alive` answer for a number. Durable (folder synced) on ERR_OK.
 * A large file in the making is known to its writer only: sweep while no writer is open, or answer true for every number above those known. */
must_check enum err spool_sweep(int dir_fd, bool (*segment_alive)(void *ctx, uint64_t segment),
                                bool (*large_alive)(void *ctx, uint64_t file), void *ctx);
/* Unlinks one large-body file whose message is done. */
must_check enum err spool_large_remove(int dir_fd, uint64_t file);
must_check enum err spool_segment_remove(int dir_fd, uint64_t segment);
/* Reads all of it: ERR_OK when the disk gives it (or it is gone), whatever is in it. */
must_check enum err spool_segment_probe(int dir_fd, uint64_t segment);
/* Gives a segment with damage a second name, NUMBER.damaged, which no scan reads and no sweep removes, so that its bytes stay when the first name goes. Durable on ERR_OK. */
must_check enum err spool_segment_keep(int dir_fd, uint64_t segment);

/* A checkpoint being written beside the old one; replaces it atomically and durably at commit. It covers, for each segment, what is below the offset given. Bounded work a
 * call, so that the queue can write it in slices of its loop; runs on the caller's thread except spool_checkpoint_thread_begin's, which has one of its own. */
struct spool_checkpoint;
must_check enum err spool_checkpoint_begin(int dir_fd, struct spool_checkpoint **c_r);
/* Of a closed segment all is covered: UINT32_MAX. Else what a failed batch has left behind its committed offset could come back, when the outcomes that
 * speak of it are gone. A segment that is to be recycled belongs into each checkpoint until its new epoch is known to be on the disk (a record of that epoch, a newer scan, or spool_freed_look): it
 * may still have the old one after a power cut. */
must_check enum err spool_checkpoint_segment(struct spool_checkpoint *c, uint64_t segment, uint32_t epoch,
                                             uint32_t covered);
must_check enum err spool_checkpoint_add(struct spool_checkpoint *c, const struct spool_place *place, slice state);
must_check enum err spool_checkpoint_commit(struct spool_checkpoint **c);
void spool_checkpoint_abort(struct spool_checkpoint **c);
/* Segments that were handed back to their writers, under the epoch that they had then. */
struct spool_freed {
    uint64_t segment;
    uint32_t epoch;
    bool gone, over;
};
struct spool_freed_list {
    int dir_fd;
    struct spool_freed *all;
    size_t count;
};
/* Sets gone where there is no such file, and over where that, or a higher epoch, is on stable storage: the old records come back no more, whatever happens. What cannot be told is not over. Reads a superblock
 * of each, and syncs those that are new: not for a loop's thread. */
void spool_freed_look(const struct spool_freed_list *list);

/* The commit in a thread: takes the checkpoint, and signals the event (os/event) when it is over. One at a time; nothing else of checkpoints is called until spool_checkpoint_thread_end.
 * Then, whatever has become of the commit, the thread looks at `freed`, which is its own until the end. ERR_NOMEM: nothing was begun, the checkpoint is still the caller's. */
struct spool_checkpoint_thread;
must_check enum err spool_checkpoint_thread_begin(struct spool_checkpoint **c, int event_fd,
                                                  const struct spool_freed_list *freed,
                                                  struct spool_checkpoint_thread **thread_r);
/* Waits for it if need be: what spool_checkpoint_commit returned. */
must_check enum err spool_checkpoint_thread_end(struct spool_checkpoint_thread **thread);

/* The durable counter that queue ids, segment and file numbers are drawn from. Returns the first of count numbers, never returned before; on stable storage before it returns. ERR_LIMIT above 2^24 at once; ERR_CORRUPT when the counter is lost: nothing may be written then. Only the master calls it. */
must_check enum err spool_numbers_take(int dir_fd, uint32_t count, uint64_t *first_r);
/* Makes the spool's folders (mode 0700) where missing and opens the top one; refuses one that is world-writable, a link, or of a newer format. */
must_check enum err spool_dir_open(const char *path, int *dir_fd_r);
/* Takes the lock that all processes of one instance inherit (queue/lock); its file belongs to whom the folder belongs, so that this one can start the next instance. ERR_AGAIN when another instance has it;
 * ERR_PERMISSION when the file is somebody else's. */
must_check enum err spool_lock(int dir_fd, int *lock_fd_r);

#endif
