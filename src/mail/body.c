/* SPDX-License-Identifier: ISC */
#include "mail/body.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Only CRLF ends a line; a CR may be the last byte of a piece. */
enum { AFTER_CR = 1 };

/* In body_scan.match: this line is none of "Received:", or has been counted already. */
#define MATCH_OVER 0xff

void body_scan_init(struct body_scan *s)
{
    *s = (struct body_scan){.in_header = true};
}

/* Whether any byte has its top bit set, and whether any is NUL. */
struct odd_bytes {
    bool high, nul;
};

static struct odd_bytes find_odd_bytes_slowly(const char *p, size_t len)
{
    struct odd_bytes odd = {false, false};
    for (size_t i = 0; i < len; i++) {
        odd.high |= (p[i] & 0x80) != 0;
        odd.nul |= p[i] == 0;
    }
    return odd;
}

#if defined(__SSE2__)
static struct odd_bytes find_odd_bytes(const char *p, size_t len)
{
    __m128i any = _mm_setzero_si128();
    __m128i least = _mm_set1_epi8(1);
    if (len < 32)
        return find_odd_bytes_slowly(p, len);
    for (size_t at = 0; at < len; at += 32) {
        at = at < len - 32 ? at : len - 32; /* the last ones together with some before them */
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + at + 16));
        any = _mm_or_si128(any, _mm_or_si128(a, b));
        least = _mm_min_epu8(least, _mm_min_epu8(a, b));
    }
    return (struct odd_bytes){.high = _mm_movemask_epi8(any) != 0,
                              .nul = _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) != 0};
}
#else
static struct odd_bytes find_odd_bytes(const char *p, size_t len)
{
    uint64_t any = 0;
    uint64_t zero = 0;
    size_t at = 0;
    for (; len - at >= 8; at += 8) {
        uint64_t word = get_u64(p + at);
        any |= word;
        zero |= (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
    }
    struct odd_bytes odd = find_odd_bytes_slowly(p + at, len - at);
    odd.high |= (any & EACH_BYTE(0x80)) != 0;
    odd.nul |= zero != 0;
    return odd;
}
#endif

static void note_odd_bytes(struct body_scan *s, slice piece, bool in_header)
{
    if (s->facts.nul && s->facts.eight_bit && !in_header)
        return;
    struct odd_bytes odd = find_odd_bytes(piece.ptr, piece.len);
    s->facts.nul |= odd.nul;
    s->facts.eight_bit |= odd.high;
    s->facts.eight_bit_header |= odd.high && in_header;
}

static uint32_t add_capped(uint32_t a, size_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

/* Steps on in "received:", over white space before the colon as RFC 5322 section 4.5 has it. */
static void match_received(struct body_scan *s, slice piece)
{
    static const char name[] = "received:";
    for (size_t i = 0; i < piece.len && s->match != MATCH_OVER; i++) {
        char c = ascii_lower(piece.ptr[i]);
        if (s->match == sizeof(name) - 2 && (c == ' ' || c == '\t'))
            continue;
        if (c != name[s->match]) {
            s->match = MATCH_OVER;
        } else if (++s->match == sizeof(name) - 1) {
            s->facts.received++;
            s->match = MATCH_OVER;
        }
    }
}

static void note_length(struct body_scan *s, uint32_t line_len)
{
    if (line_len > s->facts.longest_line)
        s->facts.longest_line = line_len;
}

/* A piece of one line, which may begin or end inside it; the LF, if it has one, is its last byte. */
static void feed_line(struct body_scan *s, slice piece)
{
    if (s->line_len == 0 && piece.ptr[0] == '.')
        s->facts.leading_dots = add_capped(s->facts.leading_dots, 1);
    if (s->in_header && s->match != MATCH_OVER)
        match_received(s, piece);
    char last = piece.ptr[piece.len - 1];
    bool after_cr = piece.len > 1 ? piece.ptr[piece.len - 2] == '\r' : s->state == AFTER_CR;
    s->line_len = add_capped(s->line_len, piece.len);
    s->state = last == '\r' ? AFTER_CR : 0;
    if (last != '\n' || !after_cr)
        return;
    note_length(s, s->line_len - 2);
    if (s->line_len == 2)
        s->in_header = false;
    s->line_len = 0;
    s->match = 0;
}

/* Length of the first of whole lines. */
static size_t first_line_len(slice lines)
{
    const char *lf = memchr(lines.ptr, '\n', lines.len);
    return (size_t)(lf - lines.ptr) + 1;
}

/* Whole lines of the header, up to the empty one: what is asked beyond their length. Where it stopped. */
static size_t pass_header(struct body_scan *s, slice lines, size_t at)
{
    while (s->in_header && at < lines.len) {
        slice rest = slice_of(lines.ptr + at, lines.len - at);
        if (ascii_lower(rest.ptr[0]) == 'r')
            match_received(s, rest);
        s->match = 0;
        s->in_header = rest.ptr[0] != '\r';
        at += first_line_len(rest);
    }
    return at;
}

static size_t feed_whole_lines(struct body_scan *s, const struct text_run *run)
{
    slice lines = slice_sub(run->text, 0, run->lines_len);
    size_t at = 0;
    if (s->line_len > 0) {
        at = first_line_len(lines);
        feed_line(s, slice_sub(lines, 0, at));
    } else if (lines.ptr[0] == '.') { /* no other line of a run begins with one */
        s->facts.leading_dots = add_capped(s->facts.leading_dots, 1);
    }
    note_length(s, add_capped(0, run->longest_line - 2));
    return pass_header(s, lines, at);
}

void body_scan_feed_run(struct body_scan *s, const struct text_run *run)
{
    slice text = run->text;
    size_t header_len = 0;
    bool was_in_header = s->in_header;
    s->facts.size += text.len;
    if (run->lines_len > 0)
        header_len = feed_whole_lines(s, run);
    if (run->lines_len < text.len)
        feed_line(s, slice_skip(text, run->lines_len));
    if (!was_in_header)
        header_len = 0;
    else if (s->in_header)
        header_len = text.len;
    s->facts.header_len = add_capped(s->facts.header_len, header_len);
    if (run->odd) {
        note_odd_bytes(s, slice_sub(text, 0, header_len), true);
        note_odd_bytes(s, slice_skip(text, header_len), false);
    }
}

/* What no run has: a CR or LF of its own, or one whose other half is in another piece. */
static void feed_byte(struct body_scan *s, slice byte)
{
    s->facts.size++;
    s->facts.header_len = add_capped(s->facts.header_len, s->in_header);
    feed_line(s, byte);
}

void body_scan_feed(struct body_scan *s, slice content)
{
    while (content.len > 0) {
        struct text_run run = text_run_find(content);
        body_scan_feed_run(s, &run);
        content = slice_skip(content, run.text.len);
        if (run.text.len == 0) {
            feed_byte(s, slice_sub(content, 0, 1));
            content = slice_skip(content, 1);
        }
    }
}

struct body_facts body_scan_end(struct body_scan *s)
{
    s->facts.ends_in_crlf = s->facts.size > 0 && s->line_len == 0;
    note_length(s, s->line_len);
    s->line_len = 0;
    return s->facts;
}
