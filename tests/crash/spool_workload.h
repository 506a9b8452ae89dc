/* SPDX-License-Identifier: ISC */
/* A small queue that lives on the spool as the real one does: mails come in, are delivered, bounce, move, segments are recycled, checkpoints taken. It
 * remembers what was promised and when, so that a recovery after any accident can be held to QUEUE.md:
 *   - an acknowledged mail whose end was never sent to the disk is there, whole;
 *   - a mail whose end was acknowledged is not there any more;
 *   - of a failed mail and its bounce there is one or the other;
 *   - every mail that is found is whole;
 *   - recovering again finds the same, also after a sweep. */
#ifndef TESTS_CRASH_SPOOL_WORKLOAD_H
#define TESTS_CRASH_SPOOL_WORKLOAD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/os.h"
#include "spool/spool.h"

#define WORKLOAD_MAILS 400
#define WORKLOAD_CLOSED 64
#define NEVER SIZE_MAX

struct mail {
    uint64_t id, size;
    struct spool_place place;
    size_t acked_at;     /* the instant, as `now` gives it, or NEVER */
    size_t end_sent_at;  /* its last outcome was handed to the writer */
    size_t end_acked_at; /* and was on the disk */
    uint64_t bounce;     /* id of the bounce that its end came with, or 0 */
    uint16_t next_copy;
    bool large;
};

struct workload {
    int dir_fd;
    struct spool_writer *receiver, *queue;
    struct spool_reader *reader;
    struct mail mails[WORKLOAD_MAILS];
    size_t count;
    uint64_t ids, ids_left;
    uint64_t random;
    size_t (*now)(void);
    struct closed {
        uint64_t segment;
        uint32_t epoch;
        bool queues, covered;
    } closed[WORKLOAD_CLOSED];
    size_t closed_count;
    size_t recycled, moved, checkpoints; /* done so far: a workload that does none of these tests nothing */
};

/* An empty folder for a spool in memory, if there is such a place. out: 64 bytes. */
void workload_folder(char *out);
void workload_remove(const char *path);
/* How much is tested, from the environment; value when it does not say. */
uint64_t workload_setting(const char *name, uint64_t value);
/* On dir_fd, which stays the caller's. Errors on the way are taken as a server takes them: what failed is not promised. */
void workload_run(struct workload *l, int dir_fd, unsigned rounds, uint64_t seed, size_t (*now)(void));
/* Recovers dir_fd and holds it to what was promised up to the instant. Fails the test. */
void workload_check(const struct workload *l, int dir_fd, size_t instant);
/* How many promised mails are not to be found: for runs that must lose some. */
size_t workload_count_lost(const struct workload *l, int dir_fd, size_t instant);

#endif
