/* SPDX-License-Identifier: ISC */
#include "base/base.h"

static const char hex[16] = "0123456789abcdef";

/* U+0080 to U+009F, which terminals obey as they do ESC; U+2028, U+2029, and the controls of writing direction (U+202A to U+202E, U+2066 to U+2069): they would end a line for some readers, or show it in another order than it is. */
static bool is_unruly(slice s, size_t at, size_t len)
{
    if (len == 2)
        return s.ptr[at] == '\xc2' && (unsigned char)s.ptr[at + 1] < 0xa0;
    if (len != 3 || s.ptr[at] != '\xe2')
        return false;
    unsigned char middle = (unsigned char)s.ptr[at + 1], last = (unsigned char)s.ptr[at + 2];
    return (middle == 0x80 && last >= 0xa8 && last <= 0xae) || (middle == 0x81 && last >= 0xa6 && last <= 0xa9);
}

/* Length of the character at s[at], or 0 when a terminal or log must not see it as it is. */
static size_t harmless_len(slice s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f && c != '\\';
    size_t len = slice_utf8_len(slice_skip(s, at));
    return is_unruly(s, at, len) ? 0 : len;
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
        buf_append(b, slice_of((char[6]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
    else
        buf_append(b, SLICE("\xef\xbf\xbd"));
}

/* U+00xx has two bytes, U+20xx three. */
static void append_json_unruly(buf *b, const char *utf8, size_t len)
{
    unsigned low = (utf8[len - 2] & 3u) << 6 | (utf8[len - 1] & 63u);
    buf_append(b, slice_of((char[6]){'\\', 'u', len == 2 ? '0' : '2', '0', hex[low >> 4], hex[low & 15]}, 6));
}

void buf_append_json(buf *b, slice s)
{
    size_t clean = 0;
    size_t at = 0;
    buf_append_char(b, '"');
    while (at < s.len) {
        unsigned char c = (unsigned char)s.ptr[at];
        size_t len = c < 0x20 || c == 0x7f || c == '"' || c == '\\' ? 0 : slice_utf8_len(slice_skip(s, at));
        bool unruly = is_unruly(s, at, len);
        if (len > 0 && !unruly) {
            at += len;
            continue;
        }
        buf_append(b, slice_sub(s, clean, at));
        if (unruly)
            append_json_unruly(b, s.ptr + at, len);
        else
            append_json_special(b, c);
        at += len > 0 ? len : 1;
        clean = at;
    }
    buf_append(b, slice_sub(s, clean, s.len));
    buf_append_char(b, '"');
}
