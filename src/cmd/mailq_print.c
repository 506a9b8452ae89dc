/* SPDX-License-Identifier: ISC */
#include "cmd/mailq_print.h"

#include "cmd/queue_print.h"

#define HEAD "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
#define REASON_COLUMNS 76u
#define REASON_MAX 2048

static void append_reason(buf *out, slice reason)
{
    char memory[REASON_MAX];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    buf_append_escaped(&text, slice_sub(reason, 0, REASON_MAX / 4));
    size_t padding = text.len < REASON_COLUMNS ? REASON_COLUMNS - text.len : 0;
    buf_printf(out, "%*s(%.*s)\n", (int)padding, "", SLICE_ARG(buf_slice(&text)));
}

void mailq_print_item(buf *out, const struct ipc_queue_item *item, int offset_min, struct mailq_sum *sum)
{
    char memory[64];
    buf text;
    slice address, rest = item->to;
    buf_append(out, sum->messages == 0 ? SLICE(HEAD) : SLICE("\n"));
    buf_init_fixed(&text, memory, sizeof memory);
    queue_id_print(&text, item->id);
    if (item->state != QUEUE_ITEM_DEFERRED)
        buf_append_char(&text, item->state == QUEUE_ITEM_ACTIVE ? '*' : '!');
    buf_printf(out, "%-11.*s %7llu ", SLICE_ARG(buf_slice(&text)), (unsigned long long)item->size);
    buf_clear(&text);
    date_print_mailq(&text, item->arrival_s, offset_min);
    buf_printf(out, "%.20s ", memory);
    buf_append_escaped(out, item->from.len > 0 ? item->from : SLICE("MAILER-DAEMON"));
    buf_append_char(out, '\n');
    if (item->reason.len > 0)
        append_reason(out, item->reason);
    while (rest.len > 0) {
        rest = queue_print_next_address(rest, &address);
        buf_printf(out, "%40s ", "");
        buf_append_escaped(out, address);
        buf_append_char(out, '\n');
    }
    sum->bytes += item->size;
    sum->messages++;
}

void mailq_print_end(buf *out, const struct mailq_sum *sum)
{
    if (sum->messages == 0)
        buf_append(out, SLICE("Mail queue is empty\n"));
    else
        buf_printf(out, "\n-- %llu Kbytes in %llu Request%s.\n", (unsigned long long)(sum->bytes / 1024),
                   (unsigned long long)sum->messages, sum->messages == 1 ? "" : "s");
}
