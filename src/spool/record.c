/* SPDX-License-Identifier: ISC */
#include "spool/record.h"

#include <assert.h>

enum frame_offset {
    AT_MARK = 0,
    AT_LENGTH = 8,
    AT_KIND = 12,
    AT_FLAGS = 13,
    AT_COPY = 14,
    AT_ID = 16,
    AT_EPOCH = 24,
    AT_BATCH = 28,
    AT_HEAD_LEN = 32,
    AT_BODY_LEN = 36,
    AT_BODY_CRC = 40,
    AT_HEAD_CRC = 44,
};

uint32_t spool_record_length(size_t head_len, size_t body_len)
{
    if (head_len > SPOOL_RECORD_MAX || body_len > SPOOL_RECORD_MAX)
        return 0;
    size_t length = (SPOOL_FRAME_SIZE + head_len + body_len + 7) / 8 * 8;
    return length > SPOOL_RECORD_MAX ? 0 : (uint32_t)length;
}

void spool_record_frame(char *frame, const struct spool_record *r)
{
    uint32_t length = spool_record_length(r->head.len, r->body.len);
    assert(length > 0);
    memset(frame, 0, SPOOL_FRAME_SIZE);
    put_u32(frame + AT_LENGTH, length);
    frame[AT_KIND] = (char)r->kind;
    frame[AT_FLAGS] = (char)r->flags;
    put_u16(frame + AT_COPY, r->copy);
    put_u64(frame + AT_ID, r->id);
    put_u32(frame + AT_HEAD_LEN, (uint32_t)r->head.len);
    put_u32(frame + AT_BODY_LEN, (uint32_t)r->body.len);
    put_u32(frame + AT_BODY_CRC, r->body_crc);
}

static uint32_t head_crc(const char *frame, size_t head_len)
{
    uint32_t crc = hash_crc32c(0, slice_of(frame, AT_HEAD_CRC));
    return hash_crc32c(crc, slice_of(frame + SPOOL_FRAME_SIZE, head_len));
}

void spool_record_seal(char *frame, const struct spool_seal *seal)
{
    put_u64(frame + AT_MARK, seal->mark);
    put_u32(frame + AT_EPOCH, seal->epoch);
    put_u32(frame + AT_BATCH, seal->batch);
    put_u32(frame + AT_HEAD_CRC, head_crc(frame, get_u32(frame + AT_HEAD_LEN)));
}

void spool_record_seal_group(char *frame, const struct spool_seal *seal)
{
    char *body = frame + SPOOL_FRAME_SIZE;
    uint32_t len = get_u32(frame + AT_BODY_LEN);
    for (uint32_t at = 0; at < len; at += get_u32(body + at + AT_LENGTH))
        spool_record_seal(body + at, seal);
    put_u32(frame + AT_BODY_CRC, hash_crc32c(0, slice_of(body, len)));
    spool_record_seal(frame, seal);
}

enum err spool_record_peek(slice bytes, struct spool_record *record_r)
{
    if (bytes.len < SPOOL_FRAME_SIZE)
        return ERR_CORRUPT;
    const char *p = bytes.ptr;
    struct spool_record r = {
        .seal = {.mark = get_u64(p + AT_MARK), .epoch = get_u32(p + AT_EPOCH), .batch = get_u32(p + AT_BATCH)},
        .id = get_u64(p + AT_ID),
        .length = get_u32(p + AT_LENGTH),
        .head_crc = get_u32(p + AT_HEAD_CRC),
        .body_crc = get_u32(p + AT_BODY_CRC),
        .copy = get_u16(p + AT_COPY),
        .kind = (uint8_t)p[AT_KIND],
        .flags = (uint8_t)p[AT_FLAGS],
        .head = {NULL, get_u32(p + AT_HEAD_LEN)},
        .body = {NULL, get_u32(p + AT_BODY_LEN)},
    };
    if (r.length == 0 || r.length != spool_record_length(r.head.len, r.body.len))
        return ERR_CORRUPT;
    *record_r = r;
    bool known = r.kind >= SPOOL_RECORD_MESSAGE && r.kind <= SPOOL_RECORD_GROUP && (r.flags & ~SPOOL_RECORD_INNER) == 0;
    return known ? ERR_OK : ERR_UNSUPPORTED;
}

enum err spool_record_read_head(slice bytes, struct spool_record *record_r)
{
    struct spool_record r;
    enum err known = spool_record_peek(bytes, &r);
    if (known == ERR_CORRUPT || r.head.len > bytes.len - SPOOL_FRAME_SIZE)
        return ERR_CORRUPT;
    if (r.head_crc != head_crc(bytes.ptr, r.head.len))
        return ERR_CORRUPT;
    r.head.ptr = bytes.ptr + SPOOL_FRAME_SIZE;
    *record_r = r;
    return known;
}

enum err spool_record_read(slice bytes, struct spool_record *record_r)
{
    struct spool_record r;
    enum err known = spool_record_read_head(bytes, &r);
    if (known == ERR_CORRUPT || r.length > bytes.len)
        return ERR_CORRUPT;
    size_t body_at = SPOOL_FRAME_SIZE + r.head.len;
    r.body.ptr = bytes.ptr + body_at;
    if (r.body_crc != hash_crc32c(0, r.body))
        return ERR_CORRUPT;
    for (size_t at = body_at + r.body.len; at < r.length; at++) {
        if (bytes.ptr[at] != 0)
            return ERR_CORRUPT;
    }
    *record_r = r;
    return known;
}
