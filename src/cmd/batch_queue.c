/* SPDX-License-Identifier: ISC */
#include "cmd/batch_queue.h"

struct found {
    uint64_t *ids;
    size_t count;
};

enum err batch_queue_open(struct batch_link *l)
{
    if (l->asked)
        return ERR_OK;
    int status = queue_line_open(l->command, &l->queue);
    l->asked = status == 0;
    return status == 0 ? ERR_OK : status == EX_NOPERM ? ERR_PERMISSION : ERR_CLOSED;
}

static enum err ask(struct batch_link *l, const struct queue_request *request, uint32_t *count_r)
{
    int status = queue_line_ask(&l->queue, request, count_r);
    if (status == 0)
        return ERR_OK;
    queue_line_close(&l->queue);
    l->asked = false;
    return ERR_AGAIN;
}

static void on_item(void *ctx, const struct ipc_message *m)
{
    struct found *f = ctx;
    if (m->type == IPC_queue_item && f->count < BATCH_SERVER_IDS_MAX)
        f->ids[f->count++] = m->u.queue_item.id;
}

enum err batch_queue_find(struct batch_link *l, slice tag, uint64_t ids[BATCH_SERVER_IDS_MAX], size_t *count_r)
{
    uint32_t matched = 0;
    struct found f = {ids, 0};
    const struct queue_request request = {
        .verb = QUEUE_VERB_LIST, .filter = QUEUE_FILTER_TAG, .value = tag, .answer = on_item, .ctx = &f};
    enum err e = ask(l, &request, &matched);
    if (e == ERR_OK)
        *count_r = f.count;
    return e;
}

enum err batch_queue_act(struct batch_link *l, enum queue_verb verb, uint64_t id)
{
    char text[QUEUE_ID_TEXT_MAX];
    uint32_t matched = 0;
    const struct queue_request request = {
        .verb = verb, .filter = QUEUE_FILTER_ID, .value = slice_of(text, queue_id_write(text, id))};
    enum err e = ask(l, &request, &matched);
    return e == ERR_OK && matched == 0 ? ERR_NOTFOUND : e;
}
