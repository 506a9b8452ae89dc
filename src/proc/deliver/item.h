/* SPDX-License-Identifier: ISC */
/* What the parent tells a worker, and what comes back: the one format between them. An item is one message for one mailbox or command: its head frame, then exactly body_size bytes
 * of content as stored (CRLF). An answer is one frame. Both sides bound what they read; the worker runs as a recipient's user and the parent trusts nothing it says but the verdict on its own items. */
#ifndef PROC_DELIVER_ITEM_H
#define PROC_DELIVER_ITEM_H

#include "mail/mail.h"

enum item_kind { ITEM_MAILDIR = 1, ITEM_MBOX, ITEM_FILE, ITEM_COMMAND };

#define ITEM_FRAME_MAX 65536u

struct item {
    uint64_t number;
    uint64_t body_size;
    uint8_t kind; /* enum item_kind */
    slice path;   /* mailbox, or the command */
    slice trace;  /* Return-Path and Delivered-To fields, CRLF: go before the content */
    slice sender, recipient;
    slice user, home, hostname;
};

struct item_answer {
    uint64_t number;
    struct verdict verdict;
};

/* Frame: u32 length of what follows, then the fields. */
void item_encode(buf *b, const struct item *i);
/* ERR_AGAIN: not complete; ERR_SYNTAX. Slices look into in. */
must_check enum err item_decode(slice in, struct item *item_r, size_t *used_r);
void item_answer_encode(buf *b, const struct item_answer *a);
must_check enum err item_answer_decode(slice in, struct item_answer *answer_r, size_t *used_r);

#endif
