/* SPDX-License-Identifier: ISC */
#include "base/base32.h"

#include "base/base.h"

#include <assert.h>

#define MOST_DIGITS_READ 12

static const char signs[32] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void base32_write(char *out, size_t digits, uint64_t value)
{
    assert(digits <= 13 && (digits == 13 || value >> (5 * digits) == 0));
    for (size_t i = digits; i > 0; i--) {
        out[i - 1] = signs[value & 31];
        value >>= 5;
    }
}

static char canonical_sign(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        return '0';
    return c == 'I' || c == 'L' ? '1' : c;
}

enum err base32_read(slice s, uint64_t *value_r)
{
    if (s.len == 0 || s.len > MOST_DIGITS_READ)
        return ERR_SYNTAX;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        ptrdiff_t digit = slice_find_char(slice_of(signs, sizeof(signs)), canonical_sign(s.ptr[i]));
        if (digit < 0)
            return ERR_SYNTAX;
        value = value << 5 | (uint64_t)digit;
    }
    *value_r = value;
    return ERR_OK;
}
