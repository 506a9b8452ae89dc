/* SPDX-License-Identifier: ISC */
/* Puts the CRCs of hostile records right, so that drivers reach what lies behind them. */
#ifndef TESTS_FUZZ_SPOOL_REPAIR_H
#define TESTS_FUZZ_SPOOL_REPAIR_H

#include "spool/record.h"

/* From the start of bytes as far as lengths make sense; every record gets this seal. */
static inline void spool_repair(char *bytes, size_t len, const struct spool_seal *seal)
{
    for (size_t at = 0; len - at >= SPOOL_FRAME_SIZE;) {
        struct spool_record r;
        if (spool_record_peek(slice_of(bytes + at, len - at), &r) == ERR_CORRUPT || r.length > len - at)
            return;
        size_t body = at + SPOOL_FRAME_SIZE + r.head.len;
        put_u32(bytes + at + 40, hash_crc32c(0, slice_of(bytes + body, r.body.len)));
        memset(bytes + body + r.body.len, 0, at + r.length - body - r.body.len);
        spool_record_seal(bytes + at, seal);
        /* into a group, else past the record */
        at += r.kind == SPOOL_RECORD_GROUP ? SPOOL_FRAME_SIZE : r.length;
    }
}

#endif
