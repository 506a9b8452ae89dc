/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "spool/outcome.h"
#include "spool/writer_parts.h"

enum err spool_group_begin(struct spool_writer *w, void *cookie, struct spool_group **group_r)
{
    struct spool_group *g = calloc(1, sizeof(*g));
    if (!g)
        return ERR_NOMEM;
    struct spool_commit *c = &g->commit;
    c->node.what = DONE_COMMIT;
    c->cookie = cookie;
    c->is_group = true;
    list_init(&c->node.link);
    list_init(&c->chunks);
    buf_init(&c->head, w->segment_size - SPOOL_PAGE);
    if (!buf_reserve(&c->head, SPOOL_FRAME_SIZE)) {
        free(g);
        return ERR_NOMEM;
    }
    buf_grown(&c->head, SPOOL_FRAME_SIZE);
    g->writer = w;
    *group_r = g;
    return ERR_OK;
}

/* A record that was not added leaves the group as it was. ERR_LIMIT only when it is sure that it does not fit: a caller may give up then what memory would let it write a moment later. */
static enum err take_back(struct spool_group *g, size_t at, const buf *head, slice body)
{
    buf *b = &g->commit.head;
    b->len = at;
    b->failed = false;
    uint32_t length = buf_ok(head) ? spool_record_length(head->len, body.len) : 0;
    return buf_ok(head) && (length == 0 || length > b->max - at) ? ERR_LIMIT : ERR_NOMEM;
}

/* The frame is written last, when the head's length is known. */
static enum err begin_record(buf *b)
{
    char *frame = buf_reserve(b, SPOOL_FRAME_SIZE);
    if (!frame)
        return ERR_LIMIT;
    memset(frame, 0, SPOOL_FRAME_SIZE);
    buf_grown(b, SPOOL_FRAME_SIZE);
    return ERR_OK;
}

static enum err end_record(struct spool_group *g, size_t at, struct spool_record *r, slice body)
{
    buf *b = &g->commit.head;
    if (!buf_ok(b))
        return ERR_LIMIT;
    r->flags = SPOOL_RECORD_INNER;
    r->head.len = b->len - at - SPOOL_FRAME_SIZE;
    r->body = body;
    r->body_crc = hash_crc32c(0, body);
    r->length = spool_record_length(r->head.len, body.len);
    if (r->length == 0)
        return ERR_LIMIT;
    buf_append(b, body);
    size_t pad = buf_ok(b) ? at + r->length - b->len : 0;
    char *zeros = buf_reserve(b, pad);
    if (!zeros)
        return ERR_LIMIT;
    memset(zeros, 0, pad);
    buf_grown(b, pad);
    spool_record_frame(b->ptr + at, r);
    return ERR_OK;
}

enum err spool_group_outcome(struct spool_group *g, const struct spool_outcome *o)
{
    buf *b = &g->commit.head;
    size_t at = b->len;
    struct spool_record r = {.id = o->id, .kind = SPOOL_RECORD_OUTCOME};
    enum err e = begin_record(b);
    if (e == ERR_OK) {
        spool_outcome_encode(b, o);
        e = end_record(g, at, &r, SLICE_NONE);
    }
    if (e == ERR_OK)
        return ERR_OK;
    buf head;
    buf_init(&head, SPOOL_RECORD_MAX);
    spool_outcome_encode(&head, o);
    e = take_back(g, at, &head, SLICE_NONE);
    buf_deinit(&head);
    return e;
}

static struct group_item *next_item(struct spool_commit *c)
{
    if (c->item_count == c->item_cap) {
        size_t cap = c->item_cap ? c->item_cap * 2 : 4;
        struct group_item *items = realloc(c->items, cap * sizeof(*items));
        if (!items)
            return NULL;
        c->items = items;
        c->item_cap = cap;
    }
    return &c->items[c->item_count];
}

static enum err message_refused(struct spool_group *g, size_t at, const struct spool_head *head, slice body)
{
    buf alone;
    buf_init(&alone, SPOOL_RECORD_MAX);
    spool_head_encode(&alone, head);
    enum err e = take_back(g, at, &alone, body);
    buf_deinit(&alone);
    return e;
}

static enum err add_message(struct spool_group *g, const struct spool_head *head, slice body)
{
    buf *b = &g->commit.head;
    size_t at = b->len;
    struct group_item *item = next_item(&g->commit);
    if (!item)
        return ERR_NOMEM;
    struct spool_record r = {.id = head->id, .copy = head->copy, .kind = SPOOL_RECORD_MESSAGE};
    enum err e = begin_record(b);
    if (e == ERR_OK) {
        spool_head_encode(b, head);
        e = end_record(g, at, &r, body);
    }
    if (e != ERR_OK)
        return message_refused(g, at, head, body);
    *item = (struct group_item){.id = head->id,
                                .offset = (uint32_t)at,
                                .length = r.length,
                                .head_len = (uint32_t)r.head.len,
                                .copy = head->copy};
    g->commit.item_count++;
    return ERR_OK;
}

enum err spool_group_message(struct spool_group *g, const struct spool_head *head, slice body)
{
    assert(head->large_file == 0);
    if (body.len > g->writer->inline_max)
        return ERR_LIMIT;
    return add_message(g, head, body);
}

enum err spool_group_move(struct spool_group *g, const struct spool_head *head, slice body)
{
    assert(head->copy > 0);
    assert(head->large_file == 0 || body.len == 0);
    return add_message(g, head, body);
}

enum err spool_group_commit(struct spool_group **group)
{
    struct spool_group *g = *group;
    struct spool_commit *c = &g->commit;
    struct spool_writer *w = g->writer;
    *group = NULL;
    size_t body_len = c->head.len - SPOOL_FRAME_SIZE;
    c->length = spool_record_length(0, body_len);
    assert(c->length == c->head.len);
    const struct spool_record r = {.kind = SPOOL_RECORD_GROUP, .body = {NULL, body_len}};
    spool_record_frame(c->head.ptr, &r);
    list_push(&w->submitted, &c->node.link);
    w->submitted_count++;
    return ERR_OK;
}

void spool_group_abort(struct spool_group **group)
{
    struct spool_group *g = *group;
    if (!g)
        return;
    *group = NULL;
    spool_commit_free(g->writer, &g->commit);
}
