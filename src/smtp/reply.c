/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

enum { LINE_TEXT_MAX = 480, FRAME_MAX = 16 };

/* A part of an enhanced code, and what stands behind it. */
static char *put_part(char *to, unsigned part, char behind)
{
    if (part >= 100)
        *to++ = (char)('0' + part / 100);
    if (part >= 10)
        *to++ = (char)('0' + part / 10 % 10);
    *to++ = (char)('0' + part % 10);
    *to++ = behind;
    return to;
}

/* What each line begins with: "250 2.1.0 ". In all but the last a '-' takes the place of the first space. */
static slice print_frame(char memory[FRAME_MAX], const struct verdict *v, bool enhanced)
{
    char *to = memory;
    bool given = v->enhanced[0] != 0;
    *to++ = (char)('0' + v->code / 100 % 10);
    *to++ = (char)('0' + v->code / 10 % 10);
    *to++ = (char)('0' + v->code % 10);
    *to++ = ' ';
    if (enhanced) {
        to = put_part(to, given ? v->enhanced[0] : v->code / 100U, '.');
        to = put_part(to, given ? v->enhanced[1] : 0, '.');
        to = put_part(to, given ? v->enhanced[2] : 0, ' ');
    }
    return slice_of(memory, (size_t)(to - memory));
}

/* Length of a character beyond ASCII that may stand in a reply, or 0. C1 controls are controls. */
static size_t wide_char_len(slice text, bool utf8)
{
    size_t len = utf8 && (unsigned char)text.ptr[0] >= 0x80 ? slice_utf8_len(text) : 0;
    return len == 2 && (unsigned char)text.ptr[0] == 0xc2 && (unsigned char)text.ptr[1] < 0xa0 ? 0 : len;
}

static void copy_text(char *to, slice line, bool utf8)
{
    for (size_t i = 0; i < line.len;) {
        size_t len = slice_printable_len(slice_skip(line, i));
        if (len == 0)
            len = wide_char_len(slice_skip(line, i), utf8);
        if (len > 0)
            memcpy(to + i, line.ptr + i, len);
        else
            to[i] = '?';
        i += len > 0 ? len : 1;
    }
}

/* A line around a text of that length; where the text goes, or NULL. */
static char *add_line(buf *out, slice frame, size_t text_len)
{
    size_t len = frame.len + text_len + 2;
    char *to = buf_reserve(out, len);
    if (!to)
        return NULL;
    memcpy(to, frame.ptr, frame.len);
    memcpy(to + len - 2, "\r\n", 2);
    buf_grown(out, len);
    return to + frame.len;
}

static void append_lines(buf *out, slice text, slice frame, bool utf8)
{
    slice line;
    bool more;
    do {
        size_t begin = out->len;
        more = slice_cut(text, '\n', &line, &text);
        line = slice_sub(line, 0, LINE_TEXT_MAX);
        char *to = add_line(out, frame, line.len);
        if (!to)
            return;
        copy_text(to, line, utf8);
        if (more)
            out->ptr[begin + 3] = '-';
    } while (more);
}

/* Most texts are one line that may stay as it is: they are read once. */
static void append_text(buf *out, slice text, slice frame, bool utf8)
{
    if (text.len == 0 || text.len > LINE_TEXT_MAX || slice_printable_len(text) < text.len) {
        append_lines(out, text, frame, utf8);
        return;
    }
    char *to = add_line(out, frame, text.len);
    if (to)
        memcpy(to, text.ptr, text.len);
}

void smtp_reply_write(buf *out, const struct verdict *v, unsigned how)
{
    char memory[FRAME_MAX];
    size_t before = out->len;
    bool enhanced = (how & SMTP_REPLY_ENHANCED) && v->code / 100 != 3;
    if (!buf_ok(out))
        return;
    append_text(out, v->text, print_frame(memory, v, enhanced), how & SMTP_REPLY_UTF8);
    if (buf_ok(out))
        return;
    /* half a reply would be the end of the dialogue */
    struct verdict too_long = status_verdict_text(STATUS_LOCAL_ERROR, SLICE("Reply too long"));
    out->len = before;
    out->failed = false;
    append_text(out, too_long.text, print_frame(memory, &too_long, how & SMTP_REPLY_ENHANCED), false);
}
