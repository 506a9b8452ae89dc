/* SPDX-License-Identifier: ISC */
#include "spool/checkpoint_read.h"

#include "spool/field.h"
#include "spool/segment.h"

struct reading {
    int fd;
    uint64_t at;
    uint32_t block;
    char *bytes;
    size_t cap;
    uint64_t messages;
    bool ended;
    const struct spool_checkpoint_ops *ops;
    void *ctx;
};

uint32_t spool_checkpoint_block_crc(const char *head, slice payload)
{
    uint32_t crc = hash_crc32c(0, slice_of(head, SPOOL_CHECKPOINT_BLOCK_HEAD - 4));
    return hash_crc32c(crc, payload);
}

static enum err read_segment(struct reading *r, struct field_reader *f)
{
    struct spool_known c = {.segment = field_u64(f)};
    c.epoch = field_u32(f);
    c.offset = field_u32(f);
    if (f->failed)
        return ERR_CORRUPT;
    return r->ops ? r->ops->segment(r->ctx, &c) : ERR_OK;
}

static enum err read_message(struct reading *r, struct field_reader *f)
{
    struct spool_place place = {.segment = field_u64(f)};
    place.id = field_u64(f);
    place.offset = field_u32(f);
    place.length = field_u32(f);
    place.epoch = field_u32(f);
    place.copy = field_u16(f);
    slice state = field_bytes(f, field_u32(f));
    if (f->failed)
        return ERR_CORRUPT;
    r->messages++;
    return r->ops ? r->ops->message(r->ctx, &place, state) : ERR_OK;
}

static enum err read_end(struct reading *r, struct field_reader *f)
{
    uint64_t messages = field_u64(f);
    if (f->failed || messages != r->messages || f->left.len > 0)
        return ERR_CORRUPT;
    r->ended = true;
    return ERR_OK;
}

static enum err read_entries(struct reading *r, slice payload)
{
    struct field_reader f = {.left = payload};
    enum err e = ERR_OK;
    while (e == ERR_OK && f.left.len > 0) {
        switch (field_u8(&f)) {
        case SPOOL_CHECKPOINT_SEGMENT:
            e = read_segment(r, &f);
            break;
        case SPOOL_CHECKPOINT_MESSAGE:
            e = read_message(r, &f);
            break;
        case SPOOL_CHECKPOINT_END:
            e = read_end(r, &f);
            break;
        default:
            e = ERR_UNSUPPORTED;
        }
    }
    return e;
}

static enum err read_payload(struct reading *r, uint32_t len, slice *payload_r)
{
    if (r->cap < len) {
        char *bytes = realloc(r->bytes, len);
        if (!bytes)
            return ERR_NOMEM;
        r->bytes = bytes;
        r->cap = len;
    }
    size_t got;
    enum err e = os_pread(r->fd, r->bytes, len, r->at + SPOOL_CHECKPOINT_BLOCK_HEAD, &got);
    if (e != ERR_OK)
        return e;
    *payload_r = slice_of(r->bytes, got);
    return got == len ? ERR_OK : ERR_CORRUPT;
}

static enum err read_block(struct reading *r)
{
    char head[SPOOL_CHECKPOINT_BLOCK_HEAD];
    size_t got;
    enum err e = os_pread(r->fd, head, sizeof(head), r->at, &got);
    if (e != ERR_OK)
        return e;
    if (got < sizeof(head) || memcmp(head, SPOOL_CHECKPOINT_MAGIC, 8) != 0)
        return ERR_CORRUPT;
    if (get_u32(head + 8) != SPOOL_FORMAT)
        return ERR_UNSUPPORTED;
    uint32_t len = get_u32(head + 16);
    if (get_u32(head + 12) != r->block || len == 0 || len > SPOOL_CHECKPOINT_BLOCK_MAX)
        return ERR_CORRUPT;
    slice payload = SLICE_NONE;
    e = read_payload(r, len, &payload);
    if (e == ERR_OK && get_u32(head + 20) != spool_checkpoint_block_crc(head, payload))
        e = ERR_CORRUPT;
    if (e == ERR_OK)
        e = read_entries(r, payload);
    r->at += SPOOL_CHECKPOINT_BLOCK_HEAD + len;
    r->block++;
    return e;
}

enum err spool_checkpoint_read(int fd, const struct spool_checkpoint_ops *ops, void *ctx)
{
    struct reading r = {.fd = fd, .ops = ops, .ctx = ctx};
    enum err e = ERR_OK;
    while (e == ERR_OK && !r.ended)
        e = read_block(&r);
    free(r.bytes);
    return e;
}
