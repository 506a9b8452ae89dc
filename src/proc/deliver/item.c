/* SPDX-License-Identifier: ISC */
#include "proc/deliver/item.h"

static void put_number(buf *b, uint64_t v, size_t bytes)
{
    char raw[8];
    put_u64(raw, v);
    buf_append(b, slice_of(raw, bytes));
}

static void put_string(buf *b, slice s)
{
    put_number(b, s.len, 4);
    buf_append(b, s);
}

static uint64_t take_number(slice *in, size_t bytes, bool *bad)
{
    char raw[8] = {0};
    if (in->len < bytes) {
        *bad = true;
        return 0;
    }
    memcpy(raw, in->ptr, bytes);
    *in = slice_skip(*in, bytes);
    return get_u64(raw);
}

static slice take_string(slice *in, bool *bad)
{
    uint64_t len = take_number(in, 4, bad);
    if (len > in->len) {
        *bad = true;
        return SLICE_NONE;
    }
    slice s = slice_sub(*in, 0, len);
    *in = slice_skip(*in, len);
    return s;
}

/* The frame's length goes in when the rest is known. */
static size_t frame_begin(buf *b)
{
    size_t at = b->len;
    put_number(b, 0, 4);
    return at;
}

static void frame_end(buf *b, size_t at)
{
    if (buf_ok(b))
        put_u32(b->ptr + at, (uint32_t)(b->len - at - 4));
}

static enum err frame_open(slice *in, size_t *used_r)
{
    bool bad = false;
    slice whole = *in;
    uint64_t len = take_number(in, 4, &bad);
    if (bad)
        return ERR_AGAIN;
    if (len > ITEM_FRAME_MAX)
        return ERR_SYNTAX;
    if (whole.len - 4 < len)
        return ERR_AGAIN;
    *in = slice_sub(*in, 0, len);
    *used_r = len + 4;
    return ERR_OK;
}

void item_encode(buf *b, const struct item *i)
{
    size_t at = frame_begin(b);
    put_number(b, i->number, 8);
    put_number(b, i->body_size, 8);
    put_number(b, i->kind, 1);
    const slice strings[] = {i->path, i->trace, i->sender, i->recipient, i->user, i->home, i->hostname};
    for (size_t k = 0; k < sizeof strings / sizeof *strings; k++)
        put_string(b, strings[k]);
    frame_end(b, at);
}

enum err item_decode(slice in, struct item *item_r, size_t *used_r)
{
    size_t used;
    enum err e = frame_open(&in, &used);
    if (e != ERR_OK)
        return e;
    bool bad = false;
    struct item i;
    i.number = take_number(&in, 8, &bad);
    i.body_size = take_number(&in, 8, &bad);
    i.kind = (uint8_t)take_number(&in, 1, &bad);
    slice *const strings[] = {&i.path, &i.trace, &i.sender, &i.recipient, &i.user, &i.home, &i.hostname};
    for (size_t k = 0; k < sizeof strings / sizeof *strings; k++)
        *strings[k] = take_string(&in, &bad);
    if (bad || in.len > 0 || i.kind < ITEM_MAILDIR || i.kind > ITEM_COMMAND)
        return ERR_SYNTAX;
    *item_r = i;
    *used_r = used;
    return ERR_OK;
}

void item_answer_encode(buf *b, const struct item_answer *a)
{
    size_t at = frame_begin(b);
    put_number(b, a->number, 8);
    put_number(b, a->verdict.code, 2);
    buf_append(b, slice_of(a->verdict.enhanced, sizeof a->verdict.enhanced));
    put_string(b, slice_sub(a->verdict.text, 0, 2048));
    frame_end(b, at);
}

enum err item_answer_decode(slice in, struct item_answer *answer_r, size_t *used_r)
{
    size_t used;
    enum err e = frame_open(&in, &used);
    if (e != ERR_OK)
        return e;
    bool bad = false;
    struct item_answer a;
    a.number = take_number(&in, 8, &bad);
    a.verdict.code = (uint16_t)take_number(&in, 2, &bad);
    for (size_t k = 0; k < sizeof a.verdict.enhanced; k++)
        a.verdict.enhanced[k] = (uint8_t)take_number(&in, 1, &bad);
    a.verdict.text = take_string(&in, &bad);
    if (bad || in.len > 0 || a.verdict.code < 200 || a.verdict.code > 599)
        return ERR_SYNTAX;
    *answer_r = a;
    *used_r = used;
    return ERR_OK;
}
