/* SPDX-License-Identifier: ISC */
#include "base/base.h"

static const char hex[16] = "0123456789abcdef";

/* U+0080 to U+009F, which terminals obey as they do ESC sequences. */
static bool is_c1(slice s, size_t at)
{
    return (unsigned char)s.ptr[at] == 0xc2 && slice_utf8_len(slice_skip(s, at)) == 2 &&
           (unsigned char)s.ptr[at + 1] < 0xa0;
}

/* Length of the character at s[at], or 0 when a terminal or log must not see it as it is. */
static size_t harmless_len(slice s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f && c != '\\';
    return is_c1(s, at) ? 0 : slice_utf8_len(slice_skip(s, at));
}

void buf_append_escaped(buf *b, slice s)
{
    size_t clean = 0;
    size_t at = 0;
    while (at < s.len) {
        slice plain = slice_sub(s, at, at + slice_printable_len(slice_skip(s, at)));
        const char *special = plain.len > 0 ? memchr(plain.ptr, '\\', plain.len) : NULL;
        at += special ? (size_t)(special - plain.ptr) : plain.len;
        if (at == s.len)
            break;
        size_t len = harmless_len(s, at);
        if (len > 0) {
            at += len;
            continue;
        }
        buf_append(b, slice_sub(s, clean, at));
        unsigned char c = (unsigned char)s.ptr[at];
        if (c == '\\')
            buf_append(b, SLICE("\\\\"));
        else
            buf_append(b, slice_of((char[4]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4));
        clean = ++at;
    }
    buf_append(b, slice_sub(s, clean, s.len));
}

static void append_json_number(buf *b, unsigned char c)
{
    buf_append(b, slice_of((char[6]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
}

static void append_json_special(buf *b, unsigned char c)
{
    static const char shorts[][2] = {{'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};
    for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++) {
        if ((unsigned char)shorts[i][0] == c) {
            buf_append(b, slice_of((char[2]){'\\', shorts[i][1]}, 2));
            return;
        }
    }
    if (c < 0x20 || c == 0x7f)
        append_json_number(b, c);
    else
        buf_append(b, SLICE("\xef\xbf\xbd"));
}

void buf_append_json(buf *b, slice s)
{
    size_t clean = 0;
    size_t at = 0;
    buf_append_char(b, '"');
    while (at < s.len) {
        size_t len = s.ptr[at] == '"' ? 0 : harmless_len(s, at);
        if (len > 0) {
            at += len;
            continue;
        }
        buf_append(b, slice_sub(s, clean, at));
        if (is_c1(s, at))
            append_json_number(b, (unsigned char)s.ptr[++at]);
        else
            append_json_special(b, (unsigned char)s.ptr[at]);
        clean = ++at;
    }
    buf_append(b, slice_sub(s, clean, s.len));
    buf_append_char(b, '"');
}
