/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

enum { LINE_TEXT_MAX = 480, FRAME_MAX = 16 };

/* What each line begins with: "250 2.1.0 ". In all but the last a '-' takes the place of the first space. */
static slice print_frame(char memory[FRAME_MAX], const struct verdict *v, bool enhanced)
{
    const char code[] = {(char)('0' + v->code / 100 % 10), (char)('0' + v->code / 10 % 10), (char)('0' + v->code % 10),
                         ' '};
    bool given = v->enhanced[0] != 0;
    buf b;
    buf_init_fixed(&b, memory, FRAME_MAX);
    buf_append(&b, slice_of(code, sizeof(code)));
    if (!enhanced)
        return buf_slice(&b);
    buf_append_u64(&b, given ? v->enhanced[0] : v->code / 100);
    buf_append_char(&b, '.');
    buf_append_u64(&b, given ? v->enhanced[1] : 0);
    buf_append_char(&b, '.');
    buf_append_u64(&b, given ? v->enhanced[2] : 0);
    buf_append_char(&b, ' ');
    return buf_slice(&b);
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

static void append_lines(buf *out, slice text, slice frame, bool utf8)
{
    slice line;
    bool more;
    do {
        more = slice_cut(text, '\n', &line, &text);
        line = slice_sub(line, 0, LINE_TEXT_MAX);
        size_t len = frame.len + line.len + 2;
        char *to = buf_reserve(out, len);
        if (!to)
            return;
        memcpy(to, frame.ptr, frame.len);
        if (more)
            to[3] = '-';
        copy_text(to + frame.len, line, utf8);
        memcpy(to + frame.len + line.len, "\r\n", 2);
        buf_grown(out, len);
    } while (more);
}

void smtp_reply_write(buf *out, const struct verdict *v, unsigned how)
{
    char memory[FRAME_MAX];
    size_t before = out->len;
    bool enhanced = (how & SMTP_REPLY_ENHANCED) && v->code / 100 != 3;
    if (!buf_ok(out))
        return;
    append_lines(out, v->text, print_frame(memory, v, enhanced), how & SMTP_REPLY_UTF8);
    if (buf_ok(out))
        return;
    /* half a reply would be the end of the dialogue */
    struct verdict too_long = status_verdict_text(STATUS_LOCAL_ERROR, SLICE("Reply too long"));
    out->len = before;
    out->failed = false;
    append_lines(out, too_long.text, print_frame(memory, &too_long, how & SMTP_REPLY_ENHANCED), false);
}
