/* SPDX-License-Identifier: ISC */
#include "spool/head.h"

#include "spool/field.h"

#define HEAD_VERSION 2
#define HEAD_VERSION_FIRST 1 /* envelopes without schedule and tag; still read */
#define TAG_ENVELOPE 'E'
#define TAG_RECIPIENT 'R'
#define TAG_ALIAS_TARGET 'A'
#define TAG_NOTICE 'N'
#define TAG_END 'Z'
/* The shortest encodings: what bounds the counts that are believed. */
#define RECIPIENT_MIN 8
#define ENVELOPE_MIN 13

enum facts_flag { FACT_8BIT_HEADER = 1, FACT_8BIT = 2, FACT_NUL = 4, FACT_ENDS_IN_CRLF = 8, FACTS_KNOWN = 15 };

uint32_t spool_head_recipient_count(const struct spool_head *h)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < h->envelope_count; i++)
        count += h->envelopes[i].recipient_count;
    return count;
}

const struct recipient *spool_head_recipient(const struct spool_head *h, uint32_t i, const struct envelope **envelope_r)
{
    for (uint16_t e = 0; e < h->envelope_count; e++) {
        const struct envelope *envelope = &h->envelopes[e];
        if (i < envelope->recipient_count) {
            *envelope_r = envelope;
            return &envelope->recipients[i];
        }
        i -= envelope->recipient_count;
    }
    return NULL;
}

static void put_facts(buf *b, const struct body_facts *f)
{
    unsigned flags = (f->eight_bit_header ? FACT_8BIT_HEADER : 0u) | (f->eight_bit ? FACT_8BIT : 0u) |
                     (f->nul ? FACT_NUL : 0u) | (f->ends_in_crlf ? FACT_ENDS_IN_CRLF : 0u);
    field_put_u64(b, f->size);
    field_put_u32(b, f->header_len);
    field_put_u32(b, f->longest_line);
    field_put_u32(b, f->leading_dots);
    field_put_u32(b, f->received);
    field_put_u8(b, (uint8_t)flags);
}

static void put_recipient(buf *b, const struct recipient *r)
{
    static const uint8_t tags[] = {[RECIPIENT_ADDRESS] = TAG_RECIPIENT,
                                   [RECIPIENT_ALIAS_TARGET] = TAG_ALIAS_TARGET,
                                   [RECIPIENT_NOTICE] = TAG_NOTICE};
    field_put_u8(b, tags[r->kind]);
    field_put_u8(b, r->notify);
    field_put_string(b, r->address);
    field_put_string(b, r->original);
    field_put_string(b, r->orcpt);
    if (r->kind == RECIPIENT_NOTICE)
        field_put_u8(b, (uint8_t)r->index);
    if (r->kind != RECIPIENT_ALIAS_TARGET)
        return;
    field_put_string(b, r->table);
    field_put_string(b, r->key);
    field_put_u32(b, r->index);
}

void spool_head_encode(buf *b, const struct spool_head *h)
{
    field_put_u8(b, HEAD_VERSION);
    field_put_u64(b, h->id);
    field_put_u16(b, h->copy);
    field_put_u64(b, (uint64_t)h->arrival_s);
    field_put_u32(b, h->arrival_us);
    field_put_u64(b, h->large_file);
    put_facts(b, &h->facts);
    field_put_string(b, h->origin.client_name);
    field_put_string(b, h->origin.client_ip);
    field_put_string(b, h->origin.helo);
    field_put_string(b, h->origin.protocol);
    field_put_string(b, h->origin.login);
    field_put_u16(b, h->envelope_count);
    for (uint16_t i = 0; i < h->envelope_count; i++) {
        const struct envelope *e = &h->envelopes[i];
        field_put_u8(b, TAG_ENVELOPE);
        field_put_u32(b, e->flags);
        field_put_u32(b, e->recipient_count);
        field_put_string(b, e->reverse_path);
        field_put_string(b, e->envid);
        field_put_string(b, e->tag);
        field_put_u64(b, (uint64_t)e->release_s);
        field_put_u64(b, (uint64_t)e->deliver_by_s);
        field_put_u8(b, (uint8_t)e->priority);
        for (uint32_t n = 0; n < e->recipient_count; n++)
            put_recipient(b, &e->recipients[n]);
    }
    field_put_u8(b, TAG_END);
}

/* A tag that is not the one that belongs here comes from a newer version, unless the bytes are at their end. */
static enum err wrong_tag(const struct field_reader *r)
{
    return r->failed ? ERR_CORRUPT : ERR_UNSUPPORTED;
}

static enum err get_facts(struct field_reader *r, struct body_facts *f)
{
    f->size = field_u64(r);
    f->header_len = field_u32(r);
    f->longest_line = field_u32(r);
    f->leading_dots = field_u32(r);
    f->received = field_u32(r);
    uint8_t flags = field_u8(r);
    f->eight_bit_header = (flags & FACT_8BIT_HEADER) != 0;
    f->eight_bit = (flags & FACT_8BIT) != 0;
    f->nul = (flags & FACT_NUL) != 0;
    f->ends_in_crlf = (flags & FACT_ENDS_IN_CRLF) != 0;
    return (flags & ~FACTS_KNOWN) == 0 ? ERR_OK : ERR_UNSUPPORTED;
}

static enum err get_notice(struct field_reader *r, struct recipient *rcpt)
{
    rcpt->kind = RECIPIENT_NOTICE;
    rcpt->index = field_u8(r);
    return rcpt->index <= DSN_EXPANDED ? ERR_OK : ERR_UNSUPPORTED;
}

static enum err get_recipient(struct field_reader *r, struct recipient *rcpt)
{
    uint8_t tag = field_u8(r);
    if (tag != TAG_RECIPIENT && tag != TAG_ALIAS_TARGET && tag != TAG_NOTICE)
        return wrong_tag(r);
    rcpt->notify = field_u8(r);
    rcpt->address = field_string(r);
    rcpt->original = field_string(r);
    rcpt->orcpt = field_string(r);
    if (tag == TAG_RECIPIENT)
        return ERR_OK;
    if (tag == TAG_NOTICE)
        return get_notice(r, rcpt);
    rcpt->kind = RECIPIENT_ALIAS_TARGET;
    rcpt->table = field_string(r);
    rcpt->key = field_string(r);
    rcpt->index = field_u32(r);
    return ERR_OK;
}

static void get_schedule(struct field_reader *r, struct envelope *e)
{
    e->tag = field_string(r);
    e->release_s = (int64_t)field_u64(r);
    e->deliver_by_s = (int64_t)field_u64(r);
    e->priority = (int8_t)field_u8(r);
}

static enum err get_envelope(struct field_reader *r, uint8_t version, struct arena *arena, struct envelope *e)
{
    if (field_u8(r) != TAG_ENVELOPE)
        return wrong_tag(r);
    e->flags = field_u32(r);
    e->recipient_count = field_u32(r);
    e->reverse_path = field_string(r);
    e->envid = field_string(r);
    if (version > HEAD_VERSION_FIRST)
        get_schedule(r, e);
    if (r->failed || e->recipient_count > r->left.len / RECIPIENT_MIN)
        return ERR_CORRUPT;
    e->recipients = arena_array(arena, e->recipient_count, sizeof(*e->recipients));
    if (!e->recipients)
        return ERR_NOMEM;
    enum err err = ERR_OK;
    for (uint32_t i = 0; err == ERR_OK && i < e->recipient_count; i++)
        err = get_recipient(r, &e->recipients[i]);
    return err;
}

static enum err get_envelopes(struct field_reader *r, uint8_t version, struct arena *arena, struct spool_head *h)
{
    if (r->failed || h->envelope_count > r->left.len / ENVELOPE_MIN)
        return ERR_CORRUPT;
    struct envelope *envelopes = arena_array(arena, h->envelope_count, sizeof(*envelopes));
    if (!envelopes)
        return ERR_NOMEM;
    h->envelopes = envelopes;
    enum err err = ERR_OK;
    for (uint16_t i = 0; err == ERR_OK && i < h->envelope_count; i++)
        err = get_envelope(r, version, arena, &envelopes[i]);
    return err;
}

enum err spool_head_decode(slice bytes, struct arena *arena, struct spool_head *head_r)
{
    struct field_reader r = {.left = bytes};
    uint8_t version = field_u8(&r);
    if (version < HEAD_VERSION_FIRST || version > HEAD_VERSION)
        return wrong_tag(&r);
    struct spool_head h = {.id = field_u64(&r)};
    h.copy = field_u16(&r);
    h.arrival_s = (int64_t)field_u64(&r);
    h.arrival_us = field_u32(&r);
    h.large_file = field_u64(&r);
    enum err err = get_facts(&r, &h.facts);
    if (err != ERR_OK)
        return err;
    h.origin.client_name = field_string(&r);
    h.origin.client_ip = field_string(&r);
    h.origin.helo = field_string(&r);
    h.origin.protocol = field_string(&r);
    h.origin.login = field_string(&r);
    h.envelope_count = field_u16(&r);
    err = get_envelopes(&r, version, arena, &h);
    if (err != ERR_OK)
        return err;
    if (field_u8(&r) != TAG_END)
        return wrong_tag(&r);
    if (r.left.len > 0)
        return ERR_CORRUPT;
    *head_r = h;
    return ERR_OK;
}
