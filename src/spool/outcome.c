/* SPDX-License-Identifier: ISC */
#include "spool/outcome.h"

#include "spool/field.h"

#define OUTCOME_VERSION 1

void spool_outcome_encode(buf *b, const struct spool_outcome *o)
{
    field_put_u8(b, OUTCOME_VERSION);
    field_put_u8(b, o->kind);
    field_put_u64(b, o->id);
    field_put_u32(b, o->recipient);
    field_put_u16(b, o->tries);
    field_put_u16(b, o->code);
    field_put_u8(b, o->enhanced[0]);
    field_put_u8(b, o->enhanced[1]);
    field_put_u8(b, o->enhanced[2]);
    field_put_u64(b, (uint64_t)o->when_s);
    field_put_u64(b, (uint64_t)o->next_s);
    field_put_string(b, slice_sub(o->text, 0, SPOOL_OUTCOME_TEXT_MAX));
    field_put_string(b, slice_sub(o->remote, 0, SPOOL_OUTCOME_TEXT_MAX));
}

enum err spool_outcome_decode(slice bytes, struct spool_outcome *outcome_r)
{
    struct field_reader r = {.left = bytes};
    if (field_u8(&r) != OUTCOME_VERSION)
        return bytes.len > 0 ? ERR_UNSUPPORTED : ERR_CORRUPT;
    struct spool_outcome o = {.kind = field_u8(&r)};
    if (!r.failed && (o.kind < SPOOL_DELIVERED || o.kind > SPOOL_BY_TOLD))
        return ERR_UNSUPPORTED;
    o.id = field_u64(&r);
    o.recipient = field_u32(&r);
    o.tries = field_u16(&r);
    o.code = field_u16(&r);
    for (size_t i = 0; i < sizeof(o.enhanced); i++)
        o.enhanced[i] = field_u8(&r);
    o.when_s = (int64_t)field_u64(&r);
    o.next_s = (int64_t)field_u64(&r);
    o.text = field_string(&r);
    o.remote = field_string(&r);
    if (r.failed || r.left.len > 0)
        return ERR_CORRUPT;
    *outcome_r = o;
    return ERR_OK;
}
