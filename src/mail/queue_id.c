/* SPDX-License-Identifier: ISC */
#include "mail/queue_id.h"

#define SHORT_DIGITS 8
#define SHORT_IDS (UINT64_C(1) << 40)
#define MASK (SHORT_IDS - 1)

/* Odd numbers, so multiplying modulo 2^40 can be undone with their inverses. The permutation never changes: ids stand in
 * logs and on disk of every version. */
#define FACTOR_1 UINT64_C(0xb97f4a7c15)
#define FACTOR_1_INVERSE UINT64_C(0xe19937733d)
#define FACTOR_2 UINT64_C(0xb86659fd93)
#define FACTOR_2_INVERSE UINT64_C(0x4d8b59a89b)
#define OFFSET UINT64_C(0x5bd1e995a7)

/* Half the width or more, so it is its own inverse. */
static uint64_t mix(uint64_t x)
{
    return x ^ x >> 20;
}

static uint64_t permute(uint64_t id)
{
    uint64_t x = mix(((id ^ OFFSET) * FACTOR_1) & MASK);
    return mix((x * FACTOR_2) & MASK);
}

static uint64_t unpermute(uint64_t sign)
{
    uint64_t x = mix((mix(sign) * FACTOR_2_INVERSE) & MASK);
    return ((x * FACTOR_1_INVERSE) & MASK) ^ OFFSET;
}

size_t queue_id_write(char out[QUEUE_ID_TEXT_MAX], uint64_t id)
{
    if (id < SHORT_IDS) {
        base32_write(out, SHORT_DIGITS, permute(id));
        return SHORT_DIGITS;
    }
    base32_write(out, QUEUE_ID_TEXT_MAX, id);
    return QUEUE_ID_TEXT_MAX;
}

void queue_id_print(buf *b, uint64_t id)
{
    char text[QUEUE_ID_TEXT_MAX];
    buf_append(b, slice_of(text, queue_id_write(text, id)));
}

enum err queue_id_read(slice text, uint64_t *id_r)
{
    uint64_t high, low;
    if (text.len == SHORT_DIGITS) {
        if (base32_read(text, &low) != ERR_OK)
            return ERR_SYNTAX;
        *id_r = unpermute(low);
        return ERR_OK;
    }
    if (text.len != QUEUE_ID_TEXT_MAX)
        return ERR_SYNTAX;
    if (base32_read(slice_sub(text, 0, 1), &high) != ERR_OK || base32_read(slice_skip(text, 1), &low) != ERR_OK)
        return ERR_SYNTAX;
    /* 64 bits of 65; and each id has one text only */
    if (high > 15 || (high << 60 | low) < SHORT_IDS)
        return ERR_SYNTAX;
    *id_r = high << 60 | low;
    return ERR_OK;
}
