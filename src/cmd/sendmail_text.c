/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_text.h"

enum { LINE_START, TEXT, TEXT_CR, START_DOT, START_DOT_CR };

void sendmail_text_init(struct sendmail_text *t, bool dots_are_text)
{
    *t = (struct sendmail_text){.state = LINE_START, .dots_are_text = dots_are_text};
}

static size_t run_len(slice in)
{
    ptrdiff_t lf = slice_find_char(in, '\n');
    size_t line = lf < 0 ? in.len : (size_t)lf;
    ptrdiff_t cr = slice_find_char(slice_sub(in, 0, line), '\r');
    return cr < 0 ? line : (size_t)cr;
}

/* The line goes on to its end, or the input to its. */
static void take_run(struct sendmail_text *t, slice *in, buf *out)
{
    size_t n = run_len(*in);
    buf_append(out, slice_sub(*in, 0, n));
    t->state = TEXT;
    if (n < in->len) {
        bool lf = in->ptr[n] == '\n';
        if (lf)
            buf_append(out, SLICE("\r\n"));
        t->state = lf ? LINE_START : TEXT_CR;
        n++;
    }
    *in = slice_skip(*in, n);
}

/* What a CR or a dot at a line's start is depends on the byte behind it, which only an LF is taken with. */
static void decide(struct sendmail_text *t, slice *in, buf *out)
{
    bool lf = in->ptr[0] == '\n';
    if (t->state == TEXT_CR)
        buf_append(out, lf ? SLICE("\r\n") : SLICE(" "));
    else if (lf)
        t->ended = true;
    else
        buf_append(out, t->state == START_DOT_CR ? SLICE(". ") : SLICE("."));
    t->state = lf ? LINE_START : TEXT;
    if (lf)
        *in = slice_skip(*in, 1);
}

void sendmail_text_feed(struct sendmail_text *t, slice in, buf *out)
{
    while (in.len > 0 && !t->ended) {
        char c = in.ptr[0];
        if (t->state == LINE_START && c == '.' && !t->dots_are_text) {
            t->state = START_DOT;
            in = slice_skip(in, 1);
        } else if (t->state == START_DOT && c == '\r') {
            t->state = START_DOT_CR;
            in = slice_skip(in, 1);
        } else if (t->state == LINE_START || t->state == TEXT) {
            take_run(t, &in, out);
        } else {
            decide(t, &in, out);
        }
    }
}

void sendmail_text_end(struct sendmail_text *t, buf *out)
{
    if (t->state == TEXT || t->state == TEXT_CR)
        buf_append(out, SLICE("\r\n"));
    t->ended = true;
}
