/* SPDX-License-Identifier: ISC */
/* local_lines_write against a plain reading, in two pieces cut anywhere, in memory that ends where it may. For the unit test and the fuzz driver. */
#ifndef MAIL_LOCAL_LINES_CHECK_TEST_H
#define MAIL_LOCAL_LINES_CHECK_TEST_H

#include "mail/local_lines.h"

#include <stdlib.h>

static inline size_t write_plainly(char *out, slice content)
{
    size_t n = 0;
    for (size_t i = 0; i < content.len; i++) {
        if (content.ptr[i] != '\r' || i + 1 == content.len || content.ptr[i + 1] != '\n')
            out[n++] = content.ptr[i];
    }
    return n;
}

static inline size_t write_piece(char *out, slice piece, bool *cr)
{
    char *from = malloc(piece.len + 1), *to = malloc(piece.len + LOCAL_LINES_MORE);
    if (!from || !to)
        abort();
    if (piece.len > 0)
        memcpy(from, piece.ptr, piece.len);
    size_t n = local_lines_write(to, slice_of(from, piece.len), cr);
    if (n > piece.len + 1)
        abort();
    memcpy(out, to, n);
    free(from);
    free(to);
    return n;
}

static inline void check_local_lines(slice content, size_t cut)
{
    char *plain = malloc(content.len + 1), *out = malloc(content.len + 2);
    bool cr = false;
    if (!plain || !out)
        abort();
    size_t wanted = write_plainly(plain, content);
    size_t n = write_piece(out, slice_sub(content, 0, cut), &cr);
    n += write_piece(out + n, slice_skip(content, cut), &cr);
    if (cr)
        out[n++] = '\r';
    if (n != wanted || memcmp(out, plain, n) != 0)
        abort();
    free(plain);
    free(out);
}

#endif
