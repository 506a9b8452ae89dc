/* SPDX-License-Identifier: ISC */
#include "mail/convert_part.h"

#include "mail/convert.h"

#define QUOTED_LINE_MAX 75u /* RFC 2045 section 6.7: 76 with the "=" of a soft break */
#define MENDED_LINE_MAX 990u
#define STEP 4096u /* bytes of the body at once: each becomes three at most, and a soft break comes after 25 */
#define BASE64_LINE 57u

struct convert_needs convert_body_needs(slice body)
{
    struct convert_needs n = {false, false, false, false};
    size_t start = 0;
    for (size_t i = 0; i < body.len; i++) {
        char c = body.ptr[i];
        n.high |= (c & 0x80) != 0;
        n.nul |= c == 0;
        if (c == '\r' && i + 1 < body.len && body.ptr[i + 1] == '\n') {
            n.long_line |= i - start > CONVERT_LINE_MAX;
            start = i + 2;
            i++;
        } else if (c == '\r' || c == '\n') {
            n.bare = true;
        }
    }
    n.long_line |= body.len - start > CONVERT_LINE_MAX;
    return n;
}

bool convert_is_utf8(slice s)
{
    while (s.len > 0) {
        size_t len = (s.ptr[0] & 0x80) == 0 ? 1 : slice_utf8_len(s);
        if (len == 0)
            return false;
        s = slice_skip(s, len);
    }
    return true;
}

static bool is_crlf(slice s, size_t at)
{
    return at + 1 < s.len && s.ptr[at] == '\r' && s.ptr[at + 1] == '\n';
}

static bool is_hex(char c)
{
    return ascii_is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static void append_quoted(buf *out, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char text[] = {'=', hex[(unsigned char)c >> 4], hex[c & 15]};
    buf_append(out, slice_of(text, sizeof text));
}

static void break_line(struct convert_line *line, slice with, buf *out)
{
    buf_append(out, with);
    line->column = 0;
    line->broken = true;
}

static void end_line(struct convert_line *line, buf *out)
{
    buf_append(out, SLICE("\r\n"));
    line->column = 0;
    line->broken = false;
}

static bool is_dashes(slice s, size_t at)
{
    return s.ptr[at] == '-' && at + 1 < s.len && s.ptr[at + 1] == '-';
}

static bool needs_quoting(slice s, size_t at, uint32_t column)
{
    char c = s.ptr[at];
    if (c == ' ' || c == '\t')
        return at + 1 == s.len || is_crlf(s, at + 1);
    return c == '=' || c <= ' ' || c > '~' || (column == 0 && is_dashes(s, at));
}

static size_t encode_quoted(slice s, struct convert_line *line, buf *out)
{
    size_t at = 0;
    while (at < s.len && at < STEP) {
        if (is_crlf(s, at)) {
            end_line(line, out);
            at += 2;
            continue;
        }
        if (line->column + (needs_quoting(s, at, line->column) ? 3 : 1) > QUOTED_LINE_MAX)
            break_line(line, SLICE("=\r\n"), out);
        if (needs_quoting(s, at, line->column)) {
            append_quoted(out, s.ptr[at]);
            line->column += 3;
        } else {
            buf_append_char(out, s.ptr[at]);
            line->column++;
        }
        at++;
    }
    return at;
}

/* Quoted-printable text stays as it is but for what has no place in it, and but for lines that are too long. */
static size_t mend_quoted(slice s, struct convert_line *line, buf *out)
{
    size_t at = 0;
    while (at < s.len && at < STEP) {
        char c = s.ptr[at];
        if (is_crlf(s, at)) {
            end_line(line, out);
            at += 2;
            continue;
        }
        if (line->column + 3 > MENDED_LINE_MAX)
            break_line(line, SLICE("=\r\n"), out);
        size_t len = c == '=' && at + 2 < s.len && is_hex(s.ptr[at + 1]) && is_hex(s.ptr[at + 2]) ? 3 : 1;
        if ((c & 0x80) || c == 0 || (line->broken && line->column == 0 && is_dashes(s, at))) {
            append_quoted(out, c);
            line->column += 3;
        } else {
            buf_append(out, slice_sub(s, at, at + len));
            line->column += (uint32_t)len;
        }
        at += len;
    }
    return at;
}

static size_t mend_base64(slice s, struct convert_line *line, buf *out)
{
    size_t at = 0;
    while (at < s.len && at < STEP) {
        char c = s.ptr[at];
        if (is_crlf(s, at)) {
            end_line(line, out);
            at += 2;
            continue;
        }
        if (line->column == MENDED_LINE_MAX)
            break_line(line, SLICE("\r\n"), out);
        bool odd = (c & 0x80) || c == 0 || (line->broken && line->column == 0 && c == '-');
        buf_append_char(out, odd ? '?' : c);
        line->column++;
        at++;
    }
    return at;
}

static size_t encode_base64(slice s, struct convert_line *line, buf *out)
{
    size_t at = 0;
    while (at < s.len && at < STEP) {
        if (line->column > 0)
            buf_append(out, SLICE("\r\n"));
        slice piece = slice_sub(s, at, at + BASE64_LINE);
        buf_append_base64(out, piece);
        line->column = 76;
        at += piece.len;
    }
    return at;
}

void convert_encode(enum convert_encoding encoding, slice *body, struct convert_line *line, buf *out)
{
    static size_t (*const by_encoding[])(slice, struct convert_line *, buf *) = {
        [ENCODE_QUOTED] = encode_quoted,
        [ENCODE_BASE64] = encode_base64,
        [MEND_QUOTED] = mend_quoted,
        [MEND_BASE64] = mend_base64,
    };
    *body = slice_skip(*body, by_encoding[encoding](*body, line, out));
}
