/* SPDX-License-Identifier: ISC */
#include "mail/clean.h"

#define LONGEST_WORD 255

/* Where a byte may not stay as it is; what is not ASCII has to be looked at everywhere. */
enum { TEXT = 1, COMMENT = 2, WORD = 4, ALL = TEXT | COMMENT | WORD };

static const uint8_t refused[256] = {
    [0 ... 0x1f] = ALL,
    [0x7f ... 0xff] = ALL,
    [' '] = WORD,
    ['('] = COMMENT | WORD,
    [')'] = COMMENT | WORD,
    ['<'] = WORD,
    ['>'] = WORD,
    ['"'] = WORD,
    [','] = WORD,
    [';'] = WORD,
    ['\\'] = COMMENT | WORD,
};

/* Length of the character at s[at] when it may stay; 0 for one byte to be replaced. */
static size_t clean_len(slice s, size_t at, uint8_t where)
{
    unsigned char c = (unsigned char)s.ptr[at];
    if (c < 0x80)
        return (refused[c] & where) == 0;
    size_t len = slice_utf8_len(slice_skip(s, at));
    bool is_c1 = len == 2 && c == 0xc2 && (unsigned char)s.ptr[at + 1] < 0xa0;
    return is_c1 ? 0 : len;
}

/* Nearly always all of it. */
static size_t plain_len(slice s, uint8_t where)
{
    size_t len = 0;
    while (len < s.len && (refused[(unsigned char)s.ptr[len]] & where) == 0)
        len++;
    return len;
}

static void append_clean(buf *b, slice s, uint8_t where)
{
    size_t clean = 0;
    size_t at = plain_len(s, where);
    while (at < s.len) {
        size_t len = clean_len(s, at, where);
        if (len > 0) {
            at += len;
            continue;
        }
        buf_append(b, slice_sub(s, clean, at));
        bool blank = s.ptr[at] == '\t' || s.ptr[at] == '\n';
        buf_append_char(b, blank && where != WORD ? ' ' : '?');
        clean = ++at;
    }
    buf_append(b, slice_sub(s, clean, s.len));
}

slice clean_shorten(slice s)
{
    size_t len = s.len < LONGEST_WORD ? s.len : LONGEST_WORD;
    while (len > 0 && len < s.len && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
        len--;
    return slice_sub(s, 0, len);
}

void clean_append_text(buf *b, slice s)
{
    append_clean(b, s, TEXT);
}

void clean_append_word(buf *b, slice s)
{
    append_clean(b, clean_shorten(s), WORD);
}

void clean_append_comment(buf *b, slice s)
{
    append_clean(b, clean_shorten(s), COMMENT);
}

static uint32_t code_point(slice s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    uint32_t value = len == 2 ? p[0] & 0x1fU : len == 3 ? p[0] & 0x0fU : p[0] & 0x07U;
    for (size_t i = 1; i < len; i++)
        value = value << 6 | (p[i] & 0x3fU);
    return value;
}

static void append_hex(buf *b, uint32_t value)
{
    static const char hex[] = "0123456789ABCDEF";
    buf_append(b, SLICE("\\x{"));
    int shift = 20;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        buf_append_char(b, hex[value >> shift & 15]);
    buf_append_char(b, '}');
}

void clean_append_ascii(buf *b, slice s)
{
    while (s.len > 0) {
        size_t ascii = 0;
        while (ascii < s.len && (unsigned char)s.ptr[ascii] < 0x80)
            ascii++;
        clean_append_text(b, slice_sub(s, 0, ascii));
        s = slice_skip(s, ascii);
        if (s.len == 0)
            return;
        size_t len = slice_utf8_len(s);
        if (len == 0)
            buf_append_char(b, '?');
        else
            append_hex(b, code_point(s, len));
        s = slice_skip(s, len == 0 ? 1 : len);
    }
}
