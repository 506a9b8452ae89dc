/* SPDX-License-Identifier: ISC */
#include "mail/clean.h"

#include "mail/char_set.h"

#define LONGEST_WORD 255

#define CONTROLS UINT64_C(0xffffffff)
#define DELETE CHAR_BIT_OF(0x7f)

static const struct char_set not_in_text = {CONTROLS, DELETE};
static const struct char_set not_in_comment = {CONTROLS | CHAR_BIT_OF('(') | CHAR_BIT_OF(')'),
                                               DELETE | CHAR_BIT_OF('\\')};
static const struct char_set not_in_word = {CONTROLS | CHAR_BIT_OF(' ') | CHAR_BIT_OF('(') | CHAR_BIT_OF(')') |
                                                CHAR_BIT_OF('<') | CHAR_BIT_OF('>') | CHAR_BIT_OF('"') |
                                                CHAR_BIT_OF(',') | CHAR_BIT_OF(';'),
                                            DELETE | CHAR_BIT_OF('\\')};

/* Length of the character at s[at] when it may stay; 0 for one byte to be replaced. */
static inline size_t clean_len(slice s, size_t at, struct char_set refused)
{
    unsigned char c = (unsigned char)s.ptr[at];
    if (c < 0x80)
        return !char_set_has(refused, (char)c);
    size_t len = slice_utf8_len(slice_skip(s, at));
    bool is_c1 = len == 2 && c == 0xc2 && (unsigned char)s.ptr[at + 1] < 0xa0;
    return is_c1 ? 0 : len;
}

static void append_clean(buf *b, slice s, struct char_set refused)
{
    bool space_allowed = !char_set_has(refused, ' ');
    size_t clean = 0;
    size_t at = 0;
    while (at < s.len) {
        size_t len = clean_len(s, at, refused);
        if (len > 0) {
            at += len;
            continue;
        }
        buf_append(b, slice_sub(s, clean, at));
        bool blank = s.ptr[at] == '\t' || s.ptr[at] == '\n';
        buf_append_char(b, blank && space_allowed ? ' ' : '?');
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
    append_clean(b, s, not_in_text);
}

void clean_append_word(buf *b, slice s)
{
    append_clean(b, clean_shorten(s), not_in_word);
}

void clean_append_comment(buf *b, slice s)
{
    append_clean(b, clean_shorten(s), not_in_comment);
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
