/* SPDX-License-Identifier: ISC */
/* A buffer that grows by itself up to a maximum that it is born with. Overflow (or want of memory) is a sticky error: further
 * appends do nothing, and whoever reads the content checks buf_ok once. The caller owns the struct (_init/_deinit); the bytes
 * belong to the buffer and move when it grows. A buffer over fixed memory never grows and frees nothing. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/slice.h"

typedef struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;  /* never longer than this, in bytes */
    bool failed; /* sticky: an append did not fit */
    bool fixed;  /* ptr is the caller's memory */
} buf;

/* No allocation yet. max > 0. */
void buf_init(buf *b, size_t max);
/* Over the caller's memory; cap and max are size. */
static inline void buf_init_fixed(buf *b, void *memory, size_t size)
{
    *b = (buf){.ptr = (char *)memory, .cap = size, .max = size, .fixed = true};
}
/* Frees the bytes; the struct may be initialised again. Harmless on a zeroed struct. */
void buf_deinit(buf *b);
/* Empty and without error, memory kept. */
void buf_clear(buf *b);
/* Empty, memory given back. */
void buf_release(buf *b);

static inline bool buf_ok(const buf *b)
{
    return !b->failed;
}
static inline slice buf_slice(const buf *b)
{
    return (slice){b->ptr, b->len};
}

/* Only for buf_reserve, where what it has is not enough. */
char *buf_reserve_more(buf *b, size_t n);
/* Room for n more bytes, to write into directly; NULL (and failed) when that is above max. buf_grown says how many came. */
static inline char *buf_reserve(buf *b, size_t n)
{
    return b->ptr && !b->failed && n <= b->cap - b->len ? b->ptr + b->len : buf_reserve_more(b, n);
}
static inline void buf_grown(buf *b, size_t n)
{
    assert(n <= b->cap - b->len);
    b->len += n;
}

/* s must not look into b. */
static inline void buf_append(buf *b, slice s)
{
    if (s.len == 0)
        return;
    char *to = buf_reserve(b, s.len);
    if (!to)
        return;
    memcpy(to, s.ptr, s.len);
    b->len += s.len;
}
static inline void buf_append_char(buf *b, char c)
{
    char *to = buf_reserve(b, 1);
    if (!to)
        return;
    *to = c;
    b->len++;
}
void buf_append_u64(buf *b, uint64_t value);
/* printf's formats; use "%.*s" with SLICE_ARG. */
void buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Forgets the first n bytes (n <= len), moving the rest down. */
void buf_consume(buf *b, size_t n);
/* Escapes for a log or terminal: bytes below 0x20, 0x7f and everything that is not well-formed UTF-8 become \xNN, a backslash \\. C1 controls, U+2028, U+2029 and the controls of writing direction are escaped, too. */
void buf_append_escaped(buf *b, slice s);
/* A JSON string with its quotes; bytes that are not well-formed UTF-8 become U+FFFD, U+2028 and its like (see above) \u2028. */
void buf_append_json(buf *b, slice s);
/* Base64 (RFC 4648 section 4) with padding, no line breaks. */
void buf_append_base64(buf *b, slice s);
/* Decodes base64 strictly (alphabet, padding, no trailing bits, no spaces); ERR_SYNTAX, ERR_LIMIT when it does not fit. */
must_check enum err buf_append_base64_decoded(buf *b, slice s);

#endif
