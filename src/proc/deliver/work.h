/* SPDX-License-Identifier: ISC */
/* The worker's side: runs as the recipient's user, blocks as it likes, and reports an item only when it is on stable storage. Mails for Maildirs are gathered to batches:
 * all written, all synced, all renamed, all folders synced. */
#ifndef PROC_DELIVER_WORK_H
#define PROC_DELIVER_WORK_H

#include "os/os.h"
#include "proc/deliver/item.h"

/* Serves items from the socket until it closes. Never returns to the parent's code. */
void work_run(int socket) __attribute__((noreturn));

/* Content of one item as it comes: the trace first, then the body, with LF line ends (the local convention). */
struct work_body {
    int socket;
    slice ahead;   /* comes before what the socket has: what was read beyond a head frame */
    uint64_t left; /* of the body as sent */
    slice trace;
    bool last_cr; /* the last piece ended in CR: its LF may follow */
    bool gone;    /* the socket broke: the item must not be delivered */
    char *chunk;  /* WORK_ROOM bytes */
};
#define WORK_CHUNK 65536u
/* A whole trace, as much of the body, what local_lines_write may need more, the last CR; and then what is read at once. */
#define WORK_ROOM (3 * WORK_CHUNK + 64)
/* The next piece; empty at the end (or when gone). Lives until the next call. */
slice work_body_next(struct work_body *b);
/* Reads what is left so that the next item can be read. */
void work_body_skip(struct work_body *b);

struct maildir_batch;
/* One a worker. NULL without memory. */
struct maildir_batch *maildir_batch_open(void);
/* Writes the item below tmp/; its verdict comes from maildir_batch_end, or at once (false) when it cannot be written. */
bool maildir_batch_add(struct maildir_batch *m, const struct item *i, struct work_body *body, struct verdict *v_r);
size_t maildir_batch_count(const struct maildir_batch *m);
/* It must be ended before another item is added: there are 100, or they are for 32 mailboxes, or have 16 MiB together. */
bool maildir_batch_full(const struct maildir_batch *m);
/* Makes all of them durable and moves them to new/. Calls once for each. */
void maildir_batch_end(struct maildir_batch *m, void (*done)(void *ctx, uint64_t number, const struct verdict *v),
                       void *ctx);

/* mbox (quoted "From " lines, fcntl lock) and plain files of alias targets alike. */
struct verdict mbox_deliver(const struct item *i, struct work_body *body);
#define COMMAND_MS (15 * 60 * 1000)
/* A command with the message on its input, killed with its group after limit_ms; exit codes of sysexits.h. text lives until the next call. */
struct verdict command_deliver(const struct item *i, struct work_body *body, int64_t limit_ms);

/* The verdict on an error of the file system: full is 452 4.2.2, all else 451 4.2.0. what: one line. The text lives until the next call. */
struct verdict work_verdict(enum err e, slice what);

#endif
