/* SPDX-License-Identifier: ISC */
#include "base/slice.h"

#include "base/base.h"

slice slice_str(const char *s)
{
    return s ? (slice){s, strlen(s)} : SLICE_NONE;
}

bool slice_same_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i]))
            return false;
    }
    return true;
}

bool slice_equal_secret(slice a, slice b)
{
    if (a.len != b.len)
        return false;
    /* volatile keeps the compiler from leaving the loop early */
    volatile unsigned char differ = 0;
    for (size_t i = 0; i < a.len; i++)
        differ = (unsigned char)(differ | (a.ptr[i] ^ b.ptr[i]));
    return differ == 0;
}

bool slice_starts(slice s, slice prefix)
{
    return s.len >= prefix.len && slice_equal(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_starts_nocase(slice s, slice prefix)
{
    return s.len >= prefix.len && slice_equal_nocase(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_ends_nocase(slice s, slice suffix)
{
    return s.len >= suffix.len && slice_equal_nocase(slice_skip(s, s.len - suffix.len), suffix);
}

int slice_compare(slice a, slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.ptr, b.ptr, shared);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t slice_rfind_char(slice s, char c)
{
    const char *at = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);
    return at ? at - s.ptr : -1;
}

ptrdiff_t slice_find(slice s, slice needle)
{
    if (needle.len == 0)
        return 0;
    if (needle.len > s.len)
        return -1;
    const char *at = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at ? at - s.ptr : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

slice slice_trim(slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = slice_skip(s, 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

enum err slice_to_u64(slice s, uint64_t max, uint64_t *value_r)
{
    if (s.len == 0)
        return ERR_SYNTAX;
    uint64_t value = 0;
    bool wrapped = false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i]))
            return ERR_SYNTAX;
        wrapped |= __builtin_mul_overflow(value, 10U, &value);
        wrapped |= __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value);
    }
    if (wrapped || value > max)
        return ERR_LIMIT;
    *value_r = value;
    return ERR_OK;
}

/* Over-long forms, surrogates and what lies above U+10FFFF show in the second byte. */
static bool is_second_byte(unsigned char first, unsigned char second)
{
    unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

size_t slice_utf8_len(slice s)
{
    if (s.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len > s.len || !is_second_byte(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

/* No byte of the eight is below 0x20 (its borrow would set a high bit), is 0x7f, or has its high bit set. */
static bool are_printable(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101;
    return ((bytes | (bytes - 0x20 * each) | (bytes + each)) & 0x80 * each) == 0;
}

bool slice_is_ascii(slice s)
{
    size_t at = 0;
    for (; s.len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        if (get_u64(s.ptr + at) & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; at < s.len; at++) {
        if ((unsigned char)s.ptr[at] >= 0x80)
            return false;
    }
    return true;
}

size_t slice_printable_len(slice s)
{
    size_t at = 0;
    while (s.len - at >= sizeof(uint64_t) && are_printable(get_u64(s.ptr + at)))
        at += sizeof(uint64_t);
    /* the last bytes together with some before them, which are */
    if (at > 0 && s.len - at < sizeof(uint64_t) && are_printable(get_u64(s.ptr + s.len - sizeof(uint64_t))))
        return s.len;
    while (at < s.len && s.ptr[at] >= 0x20 && s.ptr[at] < 0x7f)
        at++;
    return at;
}
