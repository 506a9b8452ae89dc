/* SPDX-License-Identifier: ISC */
#include "trace/layout.h"

/* In memory of RECORD_MAX bytes. */
struct writing {
    unsigned char *out;
    size_t len;
};

static bool has_room(const struct writing *w, size_t n)
{
    return n <= RECORD_MAX - w->len;
}

static void put_text(struct writing *w, slice text)
{
    put_u16(w->out + w->len, (uint16_t)text.len);
    w->len += 2;
    if (text.len > 0)
        memcpy(w->out + w->len, text.ptr, text.len);
    w->len += text.len;
}

static bool put_field(struct writing *w, const struct log_field *f)
{
    slice text = slice_sub(f->text, 0, RECORD_TEXT_MAX);
    if (!has_room(w, 2 + (f->number ? 8 : 2 + text.len)))
        return false;
    w->out[w->len++] = f->key;
    w->out[w->len++] = f->number;
    if (f->number) {
        put_u64(w->out + w->len, (uint64_t)f->value);
        w->len += 8;
    } else {
        put_text(w, text);
    }
    return true;
}

static uint32_t record_crc(uint64_t sequence, const unsigned char *record, size_t length)
{
    char number[8];
    put_u64(number, sequence);
    return hash_crc32c(hash_crc32c(0, slice_of(number, sizeof number)), slice_of(record + 8, length - 8));
}

size_t record_encode(unsigned char out[RECORD_MAX], uint64_t sequence, const struct record_made *r)
{
    struct writing w = {.out = out, .len = RECORD_HEAD};
    unsigned char count = 0;
    for (size_t i = 0; i < r->event->count; i++)
        count += put_field(&w, &r->event->fields[i]);
    slice message = slice_sub(r->message, 0, RECORD_TEXT_MAX);
    message = slice_sub(message, 0, RECORD_MAX - w.len);
    if (message.len > 0)
        memcpy(out + w.len, message.ptr, message.len);
    w.len += message.len;
    while (w.len % 8 != 0)
        out[w.len++] = 0;
    put_u32(out, (uint32_t)w.len);
    put_u64(out + 8, (uint64_t)r->time_us);
    put_u32(out + 16, r->pid);
    out[20] = (unsigned char)r->event->kind;
    out[21] = (unsigned char)r->event->level;
    out[22] = count;
    out[23] = 0;
    put_u16(out + 24, (uint16_t)message.len);
    put_u32(out + 4, record_crc(sequence, out, w.len));
    return w.len;
}

/* False when the bytes end before it does. */
static bool take_field(slice *rest, struct log_field *f)
{
    if (rest->len < 4)
        return false;
    f->key = (unsigned char)rest->ptr[0];
    f->number = rest->ptr[1] != 0;
    size_t len = f->number ? 8 : (size_t)2 + get_u16(rest->ptr + 2);
    if (rest->len - 2 < len)
        return false;
    if (f->number)
        f->value = (int64_t)get_u64(rest->ptr + 2);
    else
        f->text = slice_of(rest->ptr + 4, len - 2);
    *rest = slice_skip(*rest, 2 + len);
    return true;
}

/* False: not made by us, or by a later version of us. */
static bool decode(slice record, struct trace_record *r)
{
    const unsigned char *p = (const unsigned char *)record.ptr;
    size_t message_len = get_u16(p + 24);
    *r = (struct trace_record){.time_us = (int64_t)get_u64(p + 8), .pid = get_u32(p + 16)};
    if (r->time_us < 0 || r->time_us > RING_TIME_MAX_US)
        return false;
    if (p[20] >= TRACE_KIND_COUNT || p[21] > LOG_ERROR || p[22] > TRACE_FIELDS_MAX)
        return false;
    r->event.kind = (enum trace_kind)p[20];
    r->event.level = (enum log_level)p[21];
    slice rest = slice_skip(record, RECORD_HEAD);
    for (unsigned i = 0; i < p[22]; i++) {
        struct log_field f = {.key = TRACE_KEY_COUNT};
        if (!take_field(&rest, &f))
            return false;
        if (f.key >= TRACE_KEY_COUNT)
            continue;
        f.name = trace_key_name((enum trace_key)f.key);
        r->event.fields[r->event.count++] = f;
    }
    r->message = slice_sub(rest, 0, message_len);
    return message_len <= rest.len;
}

bool record_next(slice block, uint64_t sequence, size_t *at_r, struct trace_record *r)
{
    for (size_t at = *at_r; at + RECORD_HEAD <= block.len; at += 8) {
        const unsigned char *p = (const unsigned char *)block.ptr + at;
        size_t length = get_u32(p);
        if (length < RECORD_HEAD || length > RECORD_MAX || length % 8 != 0 || length > block.len - at)
            continue;
        if (get_u32(p + 4) != record_crc(sequence, p, length))
            continue;
        if (decode(slice_of(p, length), r)) {
            *at_r = at + length;
            return true;
        }
        at += length - 8;
    }
    return false;
}
