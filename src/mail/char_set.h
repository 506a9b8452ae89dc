/* SPDX-License-Identifier: ISC */
/* Sets of ASCII characters as two words of bits: what a grammar allows is asked for every byte of every envelope. Internal to mail. */
#ifndef MAIL_CHAR_SET_H
#define MAIL_CHAR_SET_H

#include "base/base.h"

struct char_set {
    uint64_t low, high; /* 0 to 63, 64 to 127 */
};

/* To be or-ed into the word that the character belongs to. */
#define CHAR_BIT_OF(c) (UINT64_C(1) << ((c)&63))
#define CHAR_SET_DIGITS UINT64_C(0x03ff000000000000)
#define CHAR_SET_LETTERS UINT64_C(0x07fffffe07fffffe)

/* False for anything above 0x7f. */
static inline bool char_set_has(struct char_set set, char c)
{
    unsigned char u = (unsigned char)c;
    return u < 128 && ((u < 64 ? set.low : set.high) >> (u & 63) & 1) != 0;
}

#endif
