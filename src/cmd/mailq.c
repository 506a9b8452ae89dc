/* SPDX-License-Identifier: ISC */
#include "cmd/mailq_print.h"
#include "cmd/queue_ask.h"
#include "cmd/sendmail.h"

#define OUT_MAX (16u << 20)
#define OUT_BATCH (64u * 1024)

struct mailq {
    buf out;
    struct mailq_sum sum;
    int status; /* of writing */
};

static void write_out(struct mailq *m)
{
    if (m->status == 0)
        m->status = command_print(&m->out);
    buf_clear(&m->out);
}

static void on_item(void *ctx, const struct ipc_message *message)
{
    struct mailq *m = ctx;
    if (message->type != IPC_queue_item)
        return;
    const struct ipc_queue_item *item = &message->u.queue_item;
    mailq_print_item(&m->out, item, os_utc_offset_min(item->arrival_s), &m->sum);
    if (m->out.len > OUT_BATCH)
        write_out(m);
}

int sendmail_queue(const struct command *c)
{
    struct queue_line line = {.channel = NULL};
    struct mailq m = {.status = 0};
    struct queue_request request = {.verb = QUEUE_VERB_LIST, .filter = QUEUE_FILTER_ALL, .answer = on_item, .ctx = &m};
    uint32_t count = 0;
    int status = queue_line_open(c, &line);
    if (status != 0)
        return status;
    buf_init(&m.out, OUT_MAX);
    status = queue_line_ask(&line, &request, &count);
    if (status == 0)
        mailq_print_end(&m.out, &m.sum);
    write_out(&m);
    buf_deinit(&m.out);
    queue_line_close(&line);
    return status == 0 ? m.status : status;
}

int sendmail_flush(const struct command *c, bool verbose)
{
    struct queue_line line = {.channel = NULL};
    struct queue_request request = {.verb = QUEUE_VERB_RETRY, .filter = QUEUE_FILTER_ALL};
    uint32_t count = 0;
    int status = queue_line_open(c, &line);
    if (status != 0)
        return status;
    status = queue_line_ask(&line, &request, &count);
    if (status == 0 && verbose)
        command_say("%u %s tried now", count, count == 1 ? "message is" : "messages are");
    queue_line_close(&line);
    return status;
}
