/* SPDX-License-Identifier: ISC */
#include "smtp/reply_reader.h"

enum { TEXT_MAX = 16 << 10, TEXT_KEPT = 256, LINES_MAX = 128, SWALLOW_MAX = 1 << 20 };

void smtp_reply_reader_init(struct smtp_reply_reader *r)
{
    *r = (struct smtp_reply_reader){0};
    buf_init(&r->text, TEXT_MAX);
}

void smtp_reply_reader_deinit(struct smtp_reply_reader *r)
{
    buf_deinit(&r->text);
}

static void line_begin(struct smtp_reply_reader *r)
{
    r->head_len = 0;
    r->after_cr = false;
}

static void reply_begin(struct smtp_reply_reader *r)
{
    buf_clear(&r->text);
    if (r->text.cap > TEXT_KEPT)
        buf_release(&r->text);
    line_begin(r);
    r->whole = false;
    r->code = 0;
    r->lines = 0;
    r->bytes = 0;
}

static bool is_kept(const struct smtp_reply_reader *r)
{
    return r->lines < LINES_MAX && r->text.len < TEXT_MAX;
}

static void keep_text(struct smtp_reply_reader *r, slice part)
{
    size_t room = TEXT_MAX - r->text.len;
    if (is_kept(r))
        buf_append(&r->text, slice_sub(part, 0, room));
}

/* A CR belongs to the text only when no LF follows it. */
static void take_text(struct smtp_reply_reader *r, slice part)
{
    if (part.len == 0)
        return;
    if (r->after_cr)
        keep_text(r, SLICE("\r"));
    r->after_cr = part.ptr[part.len - 1] == '\r';
    keep_text(r, slice_sub(part, 0, part.len - r->after_cr));
}

static slice take_head(struct smtp_reply_reader *r, slice part)
{
    while (part.len > 0 && r->head_len < 4) {
        r->head[r->head_len++] = part.ptr[0];
        part = slice_skip(part, 1);
    }
    return part;
}

/* True when the line has a code that fits: the first one of a reply, or the same again. */
static bool line_code(struct smtp_reply_reader *r, bool *last_r)
{
    const char *h = r->head;
    uint8_t len = r->head_len;
    if (len == 4 && h[3] == '\r')
        len = 3;
    if (len < 3 || h[0] < '2' || h[0] > '5' || !ascii_is_digit(h[1]) || !ascii_is_digit(h[2]))
        return false;
    if (len == 4 && h[3] != ' ' && h[3] != '-')
        return false;
    uint16_t code = (uint16_t)((h[0] - '0') * 100 + (h[1] - '0') * 10 + (h[2] - '0'));
    if (r->lines > 0 && code != r->code)
        return false;
    r->code = code;
    *last_r = len == 3 || h[3] == ' ';
    return true;
}

static void clean(buf *text)
{
    for (size_t i = slice_printable_len(buf_slice(text)); i < text->len;) {
        unsigned char c = (unsigned char)text->ptr[i];
        size_t len = c < 0x80 ? 1 : slice_utf8_len(slice_skip(buf_slice(text), i));
        bool control = (c < 0x20 && c != '\n') || c == 0x7f;
        bool c1 = len == 2 && c == 0xc2 && (unsigned char)text->ptr[i + 1] < 0xa0;
        if (control || len == 0 || c1)
            text->ptr[i] = '?';
        i += control || len == 0 || c1 ? 1 : len;
    }
}

enum smtp_reply_result smtp_reply_read(struct smtp_reply_reader *r, slice *in, struct smtp_reply *reply_r)
{
    if (r->whole)
        reply_begin(r);
    while (in->len > 0) {
        ptrdiff_t at = slice_find_char(*in, '\n');
        slice part = slice_sub(*in, 0, at < 0 ? in->len : (size_t)at);
        size_t taken = part.len + (at >= 0);
        if (taken > SWALLOW_MAX - r->bytes)
            return SMTP_REPLY_BAD;
        r->bytes += (uint32_t)taken;
        *in = slice_skip(*in, taken);
        take_text(r, take_head(r, part));
        if (at < 0)
            return buf_ok(&r->text) ? SMTP_REPLY_MORE : SMTP_REPLY_BAD;
        bool last;
        if (!line_code(r, &last) || !buf_ok(&r->text))
            return SMTP_REPLY_BAD;
        line_begin(r);
        if (last) {
            clean(&r->text);
            r->whole = true;
            *reply_r = (struct smtp_reply){r->code, buf_slice(&r->text)};
            return SMTP_REPLY_DONE;
        }
        keep_text(r, SLICE("\n"));
        r->lines++;
    }
    return SMTP_REPLY_MORE;
}
