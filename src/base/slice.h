/* SPDX-License-Identifier: ISC */
/* A slice is a view of bytes: pointer and length, passed by value, never owning. The bytes need not end in NUL and may
 * contain NUL. An empty slice may have a NULL pointer; functions here accept that. A slice lives as long as what it
 * looks into (an arena, a buffer, a read of this loop turn): whoever keeps it longer copies it. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

typedef struct slice {
    const char *ptr;
    size_t len;
} slice;

#define SLICE(literal) ((slice){"" literal "", sizeof(literal) - 1})
#define SLICE_NONE ((slice){NULL, 0})
/* For printf-like functions: "%.*s", SLICE_ARG(s). Cuts at INT_MAX. */
#define SLICE_ARG(s) (int)((s).len > 0x7fffffff ? 0x7fffffff : (s).len), ((s).ptr ? (s).ptr : "")

static inline slice slice_of(const void *ptr, size_t len)
{
    return (slice){(const char *)ptr, len};
}

/* A view of a NUL-terminated string; NULL gives the empty slice. */
slice slice_str(const char *s);

static inline bool slice_equal(slice a, slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* Only for slice_equal_nocase: of len bytes each. */
bool slice_same_nocase(const char *a, const char *b, size_t len);
/* Compares without regard to the case of A-Z only (never a locale's letters). */
static inline bool slice_equal_nocase(slice a, slice b)
{
    if (a.len != b.len || a.len == 0)
        return a.len == b.len;
    /* most words of a list differ in their first letter */
    return ((a.ptr[0] ^ b.ptr[0]) & ~0x20) == 0 && slice_same_nocase(a.ptr, b.ptr, a.len);
}
/* Compares in time that depends on the lengths only, for secrets. */
bool slice_equal_secret(slice a, slice b);
bool slice_starts(slice s, slice prefix);
bool slice_starts_nocase(slice s, slice prefix);
bool slice_ends_nocase(slice s, slice suffix);
/* Order of bytes, shorter first when one is a prefix: below 0, 0, above 0. */
int slice_compare(slice a, slice b);

/* Index of the first c, or -1. */
static inline ptrdiff_t slice_find_char(slice s, char c)
{
    const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return at ? at - s.ptr : -1;
}
ptrdiff_t slice_rfind_char(slice s, char c);
/* Index of the first occurrence of needle, or -1; an empty needle is found at 0. */
ptrdiff_t slice_find(slice s, slice needle);

/* Bytes from..to (exclusive), cut to what s has. */
static inline slice slice_sub(slice s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from >= to)
        return (slice){from <= s.len && s.ptr ? s.ptr + from : s.ptr, 0};
    return (slice){s.ptr + from, to - from};
}
/* Without the first n bytes (all gone when n >= len). */
static inline slice slice_skip(slice s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return (slice){n ? s.ptr + n : s.ptr, s.len - n};
}
/* Without SP, HT, CR and LF at both ends. */
slice slice_trim(slice s);
/* Splits at the first c: *head_r before it, *tail_r after it. False when there is no c: then *head_r is all of s and *tail_r empty. */
static inline bool slice_cut(slice s, char c, slice *head_r, slice *tail_r)
{
    ptrdiff_t at = slice_find_char(s, c);
    size_t len = at < 0 ? s.len : (size_t)at;
    *head_r = slice_sub(s, 0, len);
    *tail_r = slice_skip(s, len + (at >= 0));
    return at >= 0;
}

/* Decimal digits only, no sign, no space; ERR_SYNTAX when empty or with another byte, ERR_LIMIT when above max. */
must_check enum err slice_to_u64(slice s, uint64_t max, uint64_t *value_r);
/* How many bytes at its beginning are printable ASCII, the space included. */
size_t slice_printable_len(slice s);
/* No byte of it has the eighth bit. */
bool slice_is_ascii(slice s);
/* Length of the well-formed UTF-8 character (RFC 3629) that s begins with: 1 to 4, or 0 when it begins with none. */
size_t slice_utf8_len(slice s);

/* ASCII only; every other byte unchanged. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
