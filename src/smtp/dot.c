/* SPDX-License-Identifier: ISC */
#include "smtp/dot.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LINE_START, TEXT, TEXT_CR, START_DOT, START_DOT_CR };

#ifdef __SSE2__
static __m128i equal(const char *p, char c)
{
    return _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8(c));
}

/* Not 0 where of the 16 bytes a CR is not followed by LF, or by LF and a dot, or where an LF follows something else. */
static __m128i decisions(const char *p)
{
    __m128i cr = equal(p, '\r');
    return _mm_or_si128(_mm_xor_si128(cr, equal(p + 1, '\n')), _mm_and_si128(cr, equal(p + 2, '.')));
}

/* Bytes in whole blocks of 64, and at the end of 16, in which each CR has its LF, each LF but one at the beginning its CR, and no dot follows these. */
static size_t clean_blocks(const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 66 <= n; i += 64) {
        __m128i first = _mm_or_si128(decisions(p + i), decisions(p + i + 16));
        __m128i second = _mm_or_si128(decisions(p + i + 32), decisions(p + i + 48));
        if (_mm_movemask_epi8(_mm_or_si128(first, second)) != 0)
            break;
    }
    while (i + 18 <= n && _mm_movemask_epi8(decisions(p + i)) == 0)
        i += 16;
    return i;
}
#else
static size_t clean_blocks(const char *p, size_t n)
{
    (void)p;
    (void)n;
    return 0;
}
#endif

/* Index of the first byte that needs a decision: a bare LF, a CR without its LF (or the last byte), a dot after LF. */
static size_t clean_run(const char *p, size_t n)
{
    if (n > 0 && p[0] == '\n')
        return 0;
    for (size_t i = clean_blocks(p, n); i < n; i++) {
        if (p[i] > '.')
            continue;
        if (p[i] == '\n' && p[i - 1] != '\r')
            return i;
        if (p[i] == '\r' && (i + 1 == n || p[i + 1] != '\n'))
            return i;
        if (p[i] == '.' && i > 0 && p[i - 1] == '\n')
            return i;
    }
    return n;
}

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

static bool read_text(struct smtp_dot *d, slice *in, slice *run_r)
{
    size_t n = clean_run(in->ptr, in->len);
    slice run = slice_sub(*in, 0, n);
    char stop = n < in->len ? in->ptr[n] : '\0';
    *in = slice_skip(*in, n);
    d->state = n > 0 && run.ptr[n - 1] == '\n' ? LINE_START : TEXT;
    if (stop == '\r' && in->len > 0) {
        *in = slice_skip(*in, 1);
        d->state = TEXT_CR;
    } else if (n == 0 && stop == '\n') {
        *in = slice_skip(*in, 1);
        d->bare = true;
        d->state = d->dots ? LINE_START : TEXT;
        run = SLICE("\r\n");
    }
    if (run.len == 0)
        return false;
    *run_r = run;
    return true;
}

static bool read_after_cr(struct smtp_dot *d, slice *in, slice *run_r)
{
    if (in->ptr[0] == '\n') {
        *in = slice_skip(*in, 1);
        d->state = LINE_START;
        *run_r = SLICE("\r\n");
    } else {
        d->bare = true;
        d->state = TEXT;
        *run_r = SLICE(" ");
    }
    return true;
}

enum smtp_dot_result smtp_dot_read(struct smtp_dot *d, slice *in, slice *run_r)
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
            if (read_after_cr(d, in, run_r))
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
        size_t n = clean_run(content.ptr, content.len);
        buf_append(out, slice_sub(content, 0, n));
        if (n > 0)
            s->state = content.ptr[n - 1] == '\n' ? LINE_START : TEXT;
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
