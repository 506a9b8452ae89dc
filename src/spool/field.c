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
