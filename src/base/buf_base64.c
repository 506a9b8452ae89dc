/* SPDX-License-Identifier: ISC */
#include "base/base.h"

static const char signs[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_append_base64(buf *b, slice s)
{
    if (s.len > (SIZE_MAX - 4) / 4 * 3) {
        b->failed = true;
        return;
    }
    size_t total = (s.len + 2) / 3 * 4;
    char *to = total == 0 ? NULL : buf_reserve(b, total);
    if (!to)
        return;
    const unsigned char *from = (const unsigned char *)s.ptr;
    size_t left = s.len;
    for (; left >= 3; left -= 3, from += 3, to += 4) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        to[0] = signs[bits >> 18];
        to[1] = signs[bits >> 12 & 63];
        to[2] = signs[bits >> 6 & 63];
        to[3] = signs[bits & 63];
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)from[0] << 16 | (left == 2 ? (uint32_t)from[1] << 8 : 0);
        to[0] = signs[bits >> 18];
        to[1] = signs[bits >> 12 & 63];
        to[2] = left == 2 ? signs[bits >> 6 & 63] : '=';
        to[3] = '=';
    }
    buf_grown(b, total);
}

/* 0 to 63, or 64 for a byte that is no sign. */
static unsigned sign_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (ascii_is_digit(c))
        return (unsigned)(c - '0') + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : 64;
}

/* Reads four signs of which the last padding ones are "="; false when they are none or have bits left over. */
static bool decode_group(const char *from, size_t padding, char *to)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = i < 4 - padding ? sign_value(from[i]) : 0;
        if (value > 63)
            return false;
        bits = bits << 6 | value;
    }
    for (size_t i = 0; i < 3 - padding; i++)
        to[i] = (char)(bits >> (16 - 8 * i));
    uint32_t rest_mask = padding == 0 ? 0 : padding == 1 ? 0xff : 0xffff;
    return (bits & rest_mask) == 0;
}

enum err buf_append_base64_decoded(buf *b, slice s)
{
    if (s.len == 0)
        return ERR_OK;
    if (s.len % 4 != 0)
        return ERR_SYNTAX;
    size_t padding = 0;
    if (s.ptr[s.len - 1] == '=')
        padding = s.ptr[s.len - 2] == '=' ? 2 : 1;
    size_t total = s.len / 4 * 3 - padding;
    for (size_t at = 0; at < s.len - 4; at += 4) {
        char unused[3];
        if (!decode_group(s.ptr + at, 0, unused))
            return ERR_SYNTAX;
    }
    char last[3];
    if (!decode_group(s.ptr + s.len - 4, padding, last))
        return ERR_SYNTAX;
    char *to = buf_reserve(b, total);
    if (!to)
        return ERR_LIMIT;
    for (size_t at = 0; at < s.len - 4; at += 4, to += 3)
        decode_group(s.ptr + at, 0, to);
    memcpy(to, last, 3 - padding);
    buf_grown(b, total);
    return ERR_OK;
}
