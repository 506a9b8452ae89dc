/* SPDX-License-Identifier: ISC */
/* Inside the room only: the fields that heads, outcomes and checkpoints are made of, little-endian integers and strings with their length before
 * them. A field_reader takes them off a slice that may hold anything: past its end every read gives zero or nothing and the
 * error sticks, so it is checked once at the end. */
#ifndef SPOOL_FIELD_H
#define SPOOL_FIELD_H

#include "base/base.h"

struct field_reader {
    slice left;
    bool failed;
};

static inline void field_put_u8(buf *b, uint8_t v)
{
    buf_append_char(b, (char)v);
}

static inline void field_put_u16(buf *b, uint16_t v)
{
    char bytes[2];
    put_u16(bytes, v);
    buf_append(b, slice_of(bytes, sizeof(bytes)));
}

static inline void field_put_u32(buf *b, uint32_t v)
{
    char bytes[4];
    put_u32(bytes, v);
    buf_append(b, slice_of(bytes, sizeof(bytes)));
}

static inline void field_put_u64(buf *b, uint64_t v)
{
    char bytes[8];
    put_u64(bytes, v);
    buf_append(b, slice_of(bytes, sizeof(bytes)));
}

/* With a length of 16 bits before it; a longer string makes the buffer fail. */
static inline void field_put_string(buf *b, slice s)
{
    if (s.len > UINT16_MAX) {
        b->failed = true;
        return;
    }
    field_put_u16(b, (uint16_t)s.len);
    buf_append(b, s);
}

/* The next len bytes. */
static inline slice field_bytes(struct field_reader *r, size_t len)
{
    if (r->failed || len > r->left.len) {
        r->failed = true;
        return SLICE_NONE;
    }
    slice s = slice_of(r->left.ptr, len);
    r->left = slice_skip(r->left, len);
    return s;
}

static inline uint8_t field_u8(struct field_reader *r)
{
    slice s = field_bytes(r, 1);
    return s.len ? (uint8_t)s.ptr[0] : 0;
}

static inline uint16_t field_u16(struct field_reader *r)
{
    slice s = field_bytes(r, 2);
    return s.len ? get_u16(s.ptr) : 0;
}

static inline uint32_t field_u32(struct field_reader *r)
{
    slice s = field_bytes(r, 4);
    return s.len ? get_u32(s.ptr) : 0;
}

static inline uint64_t field_u64(struct field_reader *r)
{
    slice s = field_bytes(r, 8);
    return s.len ? get_u64(s.ptr) : 0;
}

static inline slice field_string(struct field_reader *r)
{
    return field_bytes(r, field_u16(r));
}

#endif
