/* SPDX-License-Identifier: ISC */
/* Inside the room only: what the queue says, as people and scripts read it: rows of a table, objects of JSON, and the page about one message. Pure: the time is passed in. */
#ifndef CMD_QUEUE_PRINT_H
#define CMD_QUEUE_PRINT_H

#include "child/child.h"
#include "cmd/columns.h"

#define QUEUE_SUMMARY_COLUMNS 5u
#define QUEUE_LIST_COLUMNS 7u
extern const struct column queue_summary_columns[QUEUE_SUMMARY_COLUMNS];
extern const struct column queue_list_columns[QUEUE_LIST_COLUMNS];

void queue_print_destination_row(struct columns *c, const struct ipc_queue_destination *d, int64_t now_s);
void queue_print_item_row(struct columns *c, const struct ipc_queue_item *item, int64_t now_s);
/* One line each. `next` is null while a message is held. */
void queue_print_destination_json(buf *out, const struct ipc_queue_destination *d, int64_t now_s);
void queue_print_item_json(buf *out, const struct ipc_queue_item *item, int64_t now_s);
void queue_print_item_page(buf *out, const struct ipc_queue_item *item, int64_t now_s);
/* The lines of a text from the queue, escaped. */
void queue_print_lines(buf *out, slice text);
/* What is left of `to` behind its first address, which goes to *address_r. Commas inside quotes divide nothing. */
slice queue_print_next_address(slice to, slice *address_r);

#endif
