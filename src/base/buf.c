/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include "base/base.h"

#include <assert.h>

#define FIRST_CAPACITY 64
#define DIGITS_MAX 20 /* of 64 bits */

void buf_init(buf *b, size_t max)
{
    assert(max > 0);
    *b = (buf){.max = max};
}

void buf_deinit(buf *b)
{
    if (!b->fixed)
        free(b->ptr);
    *b = (buf){0};
}

void buf_clear(buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_release(buf *b)
{
    buf_clear(b);
    if (b->fixed)
        return;
    free(b->ptr);
    b->ptr = NULL;
    b->cap = 0;
}

static bool grow(buf *b, size_t need)
{
    size_t cap = b->cap < FIRST_CAPACITY ? FIRST_CAPACITY : b->cap;
    while (cap < need && cap <= b->max / 2)
        cap *= 2;
    if (cap < need || cap > b->max)
        cap = b->max;
    char *ptr = realloc(b->ptr, cap);
    if (!ptr)
        return false;
    b->ptr = ptr;
    b->cap = cap;
    return true;
}

char *buf_reserve_more(buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->fixed || !grow(b, b->len + n)) {
        b->failed = true;
        return NULL;
    }
    return b->ptr + b->len;
}

void buf_consume(buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->ptr, b->ptr + n, b->len);
}

void buf_append_u64(buf *b, uint64_t value)
{
    if (value < 10) {
        buf_append_char(b, (char)('0' + value));
        return;
    }
    size_t len = 1;
    for (uint64_t above = 10; len < DIGITS_MAX && value >= above; above *= 10)
        len++;
    char *to = buf_reserve(b, len);
    if (!to)
        return;
    for (size_t at = len; at > 0; value /= 10)
        to[--at] = (char)('0' + value % 10);
    b->len += len;
}

void buf_printf(buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

/* vsnprintf wants a byte for its NUL, which a text that fills the buffer to its last byte has not */
static void print_to_the_brim(buf *b, size_t len, const char *format, va_list args)
{
    char *text = malloc(len + 1);
    if (!text || vsnprintf(text, len + 1, format, args) < 0)
        b->failed = true;
    else
        buf_append(b, slice_of(text, len));
    free(text);
}

void buf_vprintf(buf *b, const char *format, va_list args)
{
    if (b->failed)
        return;
    va_list again;
    va_copy(again, args);
    size_t room = b->cap - b->len;
    int len = vsnprintf(room ? b->ptr + b->len : NULL, room, format, args);
    if (len < 0) {
        b->failed = true;
    } else if ((size_t)len < room) {
        b->len += (size_t)len;
    } else if ((size_t)len >= b->max - b->len) {
        print_to_the_brim(b, (size_t)len, format, again);
    } else {
        char *to = buf_reserve(b, (size_t)len + 1);
        if (to)
            b->len += (size_t)vsnprintf(to, (size_t)len + 1, format, again);
    }
    va_end(again);
}
