/* SPDX-License-Identifier: ISC */
/* Content as local files and programs have it: CRLF becomes LF; a CR or LF alone stays as it is. Content may come in pieces, cut anywhere. */
#ifndef MAIL_LOCAL_LINES_H
#define MAIL_LOCAL_LINES_H

#include "base/base.h"

/* What may be written behind a piece's own length: the CR that was kept back, and what whole vectors leave behind the end. */
#define LOCAL_LINES_MORE 17u

/* Writes a piece to out and returns how many bytes it has there; out has room for piece.len + LOCAL_LINES_MORE and does not overlap the piece.
 * *cr: whether the piece before ended in a CR, which was kept back since its LF may follow; then whether this one did. At the content's end
 * the caller writes it. */
size_t local_lines_write(char *out, slice piece, bool *cr);

#endif
