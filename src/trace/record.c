/* SPDX-License-Identifier: ISC */
#include "trace/layout.h"

/* Its length; 0: it has no room. */
static size_t put_field(unsigned char *to, size_t room, const struct log_field *f)
{
    slice text = slice_sub(f->text, 0, RECORD_TEXT_MAX);
    size_t length = f->number ? 10 : 4 + text.len;
    if (length > room)
        return 0;
    to[0] = f->key;
    to[1] = f->number;
    if (f->number) {
        put_u64(to + 2, (uint64_t)f->value);
        return length;
    }
    put_u16(to + 2, (uint16_t)text.len);
    if (text.len > 0)
        memcpy(to + 4, text.ptr, text.len);
    return length;
}

static uint32_t record_crc(uint64_t sequence, const unsigned char *record, size_t length)
{
    char number[8];
    put_u64(number, sequence);
    return hash_crc32c(hash_crc32c(0, slice_of(number, sizeof number)), slice_of(record + 8, length - 8));
}

size_t record_encode(unsigned char out[RECORD_MAX], uint64_t sequence, const struct record_made *r)
{
    size_t length = RECORD_HEAD;
    unsigned char count = 0;
    const struct log_field *fields = r->event->fields, *end = fields + r->event->count;
    for (const struct log_field *f = fields; f < end; f++) {
        size_t added = put_field(out + length, RECORD_MAX - length, f);
        length += added;
        count = (unsigned char)(count + (added > 0));
    }
    slice message = slice_sub(r->message, 0, RECORD_TEXT_MAX);
    message = slice_sub(message, 0, RECORD_MAX - length);
    if (message.len > 0)
        memcpy(out + length, message.ptr, message.len);
    length += message.len;
    size_t padding = -length % 8;
    memset(out + length, 0, padding);
    length += padding;
    put_u32(out, (uint32_t)length);
    put_u64(out + 8, (uint64_t)r->time_us);
    put_u32(out + 16, r->pid);
    out[20] = (unsigned char)r->event->kind;
    out[21] = (unsigned char)r->event->level;
    out[22] = count;
    out[23] = 0;
    put_u16(out + 24, (uint16_t)message.len);
    put_u32(out + 4, record_crc(sequence, out, length));
    return length;
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
