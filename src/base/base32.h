/* SPDX-License-Identifier: ISC */
/* Base32 with 0-9 and A-Z without I, L, O, U: 32 signs that are not mistaken for each other, for names that people read
 * aloud and type (queue ids). Reading accepts lower case, and O as 0, I and L as 1. */
#ifndef BASE_BASE32_H
#define BASE_BASE32_H

#include "base/slice.h"

/* Writes exactly digits signs, most significant first, no NUL; value < 32^digits (digits <= 13). */
void base32_write(char *out, size_t digits, uint64_t value);
/* 1 to 12 signs; ERR_SYNTAX. */
must_check enum err base32_read(slice s, uint64_t *value_r);

#endif
