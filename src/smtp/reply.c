/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

enum { LINE_TEXT_MAX = 480, LINE_FRAME_MAX = 20 };

static void append_code(buf *out, uint16_t code)
{
    const char digits[] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10), (char)('0' + code % 10)};
    buf_append(out, slice_of(digits, sizeof(digits)));
}

static void append_enhanced(buf *out, const struct verdict *v)
{
    bool given = v->enhanced[0] != 0;
    buf_append_u64(out, given ? v->enhanced[0] : v->code / 100);
    buf_append_char(out, '.');
    buf_append_u64(out, given ? v->enhanced[1] : 0);
    buf_append_char(out, '.');
    buf_append_u64(out, given ? v->enhanced[2] : 0);
    buf_append_char(out, ' ');
}

/* Length of a character beyond ASCII that may stand in a reply, or 0. C1 controls are controls. */
static size_t wide_char_len(slice text, bool utf8)
{
    size_t len = utf8 && (unsigned char)text.ptr[0] >= 0x80 ? slice_utf8_len(text) : 0;
    return len == 2 && (unsigned char)text.ptr[0] == 0xc2 && (unsigned char)text.ptr[1] < 0xa0 ? 0 : len;
}

static void append_text(buf *out, slice line, bool utf8)
{
    line = slice_sub(line, 0, LINE_TEXT_MAX);
    char *room = line.len > 0 ? buf_reserve(out, line.len) : NULL;
    if (!room)
        return;
    for (size_t i = 0; i < line.len;) {
        size_t len = slice_printable_len(slice_skip(line, i));
        if (len == 0)
            len = wide_char_len(slice_skip(line, i), utf8);
        if (len > 0)
            memcpy(room + i, line.ptr + i, len);
        else
            room[i] = '?';
        i += len > 0 ? len : 1;
    }
    buf_grown(out, line.len);
}

static bool fits(const buf *out, slice text)
{
    size_t lines = 1, room = out->max - out->len;
    slice line, rest = text;
    while (slice_cut(rest, '\n', &line, &rest))
        lines++;
    return text.len < room && lines < (room - text.len) / LINE_FRAME_MAX;
}

void smtp_reply_write(buf *out, const struct verdict *v, unsigned how)
{
    struct verdict too_long = status_verdict_text(STATUS_LOCAL_ERROR, SLICE("Reply too long"));
    if (!fits(out, v->text))
        v = &too_long;
    slice rest = v->text, line;
    bool more;
    do {
        more = slice_cut(rest, '\n', &line, &rest);
        append_code(out, v->code);
        buf_append_char(out, more ? '-' : ' ');
        if ((how & SMTP_REPLY_ENHANCED) && v->code / 100 != 3)
            append_enhanced(out, v);
        append_text(out, line, how & SMTP_REPLY_UTF8);
        buf_append(out, SLICE("\r\n"));
    } while (more);
}
