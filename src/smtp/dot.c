/* SPDX-License-Identifier: ISC */
#include "smtp/dot.h"

enum { LINE_START, TEXT, TEXT_CR, START_DOT, START_DOT_CR };

/* What bare CRs and LFs are mended to, and a CRLF that came in two pieces. */
static const struct text_run line_end = {.text = {"\r\n", 2}, .lines_len = 2, .longest_line = 2};
static const struct text_run space = {.text = {" ", 1}};

void smtp_dot_init(struct smtp_dot *d)
{
    *d = (struct smtp_dot){.state = LINE_START};
}

void smtp_dot_init_chunks(struct smtp_dot *d)
{
    *d = (struct smtp_dot){.state = LINE_START, .dots = true};
}

slice smtp_dot_end_chunks(struct smtp_dot *d)
{
    uint8_t state = d->state;
    d->state = LINE_START;
    if (state == TEXT_CR)
        d->bare = true;
    return state == TEXT_CR ? SLICE(" \r\n") : state == TEXT ? SLICE("\r\n") : SLICE_NONE;
}

static bool read_text(struct smtp_dot *d, slice *in, struct text_run *run_r)
{
    struct text_run run = text_run_find(*in);
    size_t n = run.text.len;
    char stop = n < in->len ? in->ptr[n] : '\0';
    *in = slice_skip(*in, n);
    d->state = n > 0 && n == run.lines_len ? LINE_START : TEXT;
    if (stop == '\r') {
        *in = slice_skip(*in, 1);
        d->state = TEXT_CR;
    } else if (n == 0 && stop == '\n') {
        *in = slice_skip(*in, 1);
        d->bare = true;
        d->state = d->dots ? LINE_START : TEXT;
        run = line_end;
    }
    if (run.text.len == 0)
        return false;
    *run_r = run;
    return true;
}

static void read_after_cr(struct smtp_dot *d, slice *in, struct text_run *run_r)
{
    if (in->ptr[0] == '\n') {
        *in = slice_skip(*in, 1);
        d->state = LINE_START;
        *run_r = line_end;
    } else {
        d->bare = true;
        d->state = TEXT;
        *run_r = space;
    }
}

enum smtp_dot_result smtp_dot_read(struct smtp_dot *d, slice *in, struct text_run *run_r)
{
    while (in->len > 0) {
        char c = in->ptr[0];
        if (d->state == LINE_START && c == '.' && !d->dots) {
            d->state = START_DOT;
            *in = slice_skip(*in, 1);
        } else if (d->state == START_DOT && c == '\r') {
            d->state = START_DOT_CR;
            *in = slice_skip(*in, 1);
        } else if (d->state == START_DOT_CR && c == '\n') {
            *in = slice_skip(*in, 1);
            return SMTP_DOT_END;
        } else if (d->state == START_DOT_CR || d->state == TEXT_CR) {
            read_after_cr(d, in, run_r);
            return SMTP_DOT_RUN;
        } else if (read_text(d, in, run_r)) {
            return SMTP_DOT_RUN;
        }
    }
    return SMTP_DOT_MORE;
}

void smtp_stuffer_init(struct smtp_stuffer *s)
{
    s->state = LINE_START;
}

void smtp_stuffer_write(struct smtp_stuffer *s, slice content, buf *out)
{
    while (content.len > 0) {
        char c = content.ptr[0];
        if (s->state == TEXT_CR) {
            buf_append(out, c == '\n' ? SLICE("\r\n") : SLICE(" "));
            s->state = c == '\n' ? LINE_START : TEXT;
            content = slice_skip(content, c == '\n' ? 1 : 0);
            continue;
        }
        if (s->state == LINE_START && c == '.')
            buf_append_char(out, '.');
        struct text_run run = text_run_find(content);
        size_t n = run.text.len;
        buf_append(out, run.text);
        if (n > 0)
            s->state = n == run.lines_len ? LINE_START : TEXT;
        content = slice_skip(content, n);
        if (content.len > 0 && content.ptr[0] == '\r') {
            s->state = TEXT_CR;
            content = slice_skip(content, 1);
        } else if (content.len > 0 && content.ptr[0] == '\n') {
            /* a store that broke its promise: what we send still has strict line ends, and its next line is stuffed */
            buf_append(out, SLICE("\r\n"));
            s->state = LINE_START;
            content = slice_skip(content, 1);
        }
    }
}

void smtp_stuffer_end(struct smtp_stuffer *s, buf *out)
{
    if (s->state == TEXT_CR)
        buf_append_char(out, ' ');
    if (s->state != LINE_START)
        buf_append(out, SLICE("\r\n"));
    buf_append(out, SLICE(".\r\n"));
    s->state = LINE_START;
}
