/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

enum { LINE_TEXT_MAX = 480, LINE_FRAME_MAX = 20 };

static void append_code(buf *out, uint16_t code)
{
    buf_append_char(out, (char)('0' + code / 100 % 10));
    buf_append_char(out, (char)('0' + code / 10 % 10));
    buf_append_char(out, (char)('0' + code % 10));
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

static void append_text(buf *out, slice line)
{
    line = slice_sub(line, 0, LINE_TEXT_MAX);
    char *room = line.len > 0 ? buf_reserve(out, line.len) : NULL;
    if (!room)
        return;
    for (size_t i = 0; i < line.len; i++)
        room[i] = line.ptr[i] >= 0x20 && line.ptr[i] < 0x7f ? line.ptr[i] : '?';
    buf_grown(out, line.len);
}

static bool fits(const buf *out, slice text)
{
    size_t lines = 1, room = out->max - out->len;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return text.len < room && lines < (room - text.len) / LINE_FRAME_MAX;
}

void smtp_reply_write(buf *out, const struct verdict *v, bool enhanced)
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
        if (enhanced && v->code / 100 != 3)
            append_enhanced(out, v);
        append_text(out, line);
        buf_append(out, SLICE("\r\n"));
    } while (more);
}
