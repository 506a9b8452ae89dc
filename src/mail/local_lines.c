/* SPDX-License-Identifier: ISC */
#include "mail/local_lines.h"

/* Copies up to the next CR, or to the end; returns how much that is. */
#ifdef __SSE2__
#include <emmintrin.h>

#define STEP 16u

static inline size_t copy_to_cr(char *to, const char *from, const char *end)
{
    size_t n = 0;
    while ((size_t)(end - from) - n >= STEP) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(from + n));
        unsigned cr = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
        _mm_storeu_si128((__m128i *)(void *)(to + n), bytes);
        if (cr != 0)
            return n + (unsigned)__builtin_ctz(cr);
        n += STEP;
    }
    for (; from + n < end && from[n] != '\r'; n++)
        to[n] = from[n];
    return n;
}
#else
static inline size_t copy_to_cr(char *to, const char *from, const char *end)
{
    const char *cr = memchr(from, '\r', (size_t)(end - from));
    size_t n = (size_t)((cr ? cr : end) - from);
    memcpy(to, from, n);
    return n;
}
#endif

size_t local_lines_write(char *out, slice piece, bool *cr)
{
    if (piece.len == 0)
        return 0;
    char *to = out;
    const char *from = piece.ptr, *end = piece.ptr + piece.len;
    if (*cr && *from != '\n')
        *to++ = '\r';
    *cr = false;
    for (;;) {
        size_t n = copy_to_cr(to, from, end);
        to += n;
        from += n;
        if (from == end)
            break;
        if (++from == end) {
            *cr = true;
            break;
        }
        if (*from != '\n')
            *to++ = '\r';
    }
    return (size_t)(to - out);
}
