/* SPDX-License-Identifier: ISC */
#include "spool/field.h"

void field_put_u8(buf *b, uint8_t v)
{
    char *to = buf_reserve(b, 1);
    if (!to)
        return;
    *to = (char)v;
    buf_grown(b, 1);
}

void field_put_u16(buf *b, uint16_t v)
{
    char *to = buf_reserve(b, 2);
    if (!to)
        return;
    put_u16(to, v);
    buf_grown(b, 2);
}

void field_put_u32(buf *b, uint32_t v)
{
    char *to = buf_reserve(b, 4);
    if (!to)
        return;
    put_u32(to, v);
    buf_grown(b, 4);
}

void field_put_u64(buf *b, uint64_t v)
{
    char *to = buf_reserve(b, 8);
    if (!to)
        return;
    put_u64(to, v);
    buf_grown(b, 8);
}

void field_put_string(buf *b, slice s)
{
    if (s.len > UINT16_MAX) {
        b->failed = true;
        return;
    }
    field_put_u16(b, (uint16_t)s.len);
    buf_append(b, s);
}

slice field_bytes(struct field_reader *r, size_t len)
{
    if (r->failed || len > r->left.len) {
        r->failed = true;
        return SLICE_NONE;
    }
    slice s = slice_of(r->left.ptr, len);
    r->left = slice_skip(r->left, len);
    return s;
}

uint8_t field_u8(struct field_reader *r)
{
    slice s = field_bytes(r, 1);
    return s.len ? (uint8_t)s.ptr[0] : 0;
}

uint16_t field_u16(struct field_reader *r)
{
    slice s = field_bytes(r, 2);
    return s.len ? get_u16(s.ptr) : 0;
}

uint32_t field_u32(struct field_reader *r)
{
    slice s = field_bytes(r, 4);
    return s.len ? get_u32(s.ptr) : 0;
}

uint64_t field_u64(struct field_reader *r)
{
    slice s = field_bytes(r, 8);
    return s.len ? get_u64(s.ptr) : 0;
}

slice field_string(struct field_reader *r)
{
    return field_bytes(r, field_u16(r));
}
