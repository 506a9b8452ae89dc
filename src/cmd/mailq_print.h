/* SPDX-License-Identifier: ISC */
/* Inside the room only: the queue in the layout of Postfix's mailq, which monitors and scripts read: a head line, for each message a line with `*` (in delivery) or `!` (held) behind its id, the
 * reason in parentheses and a line a recipient, and the sum. Pure: the offset from UTC is passed in. */
#ifndef CMD_MAILQ_PRINT_H
#define CMD_MAILQ_PRINT_H

#include "child/child.h"

struct mailq_sum {
    uint64_t bytes, messages;
};

/* The head line comes with the first message. */
void mailq_print_item(buf *out, const struct ipc_queue_item *item, int offset_min, struct mailq_sum *sum);
void mailq_print_end(buf *out, const struct mailq_sum *sum);

#endif
