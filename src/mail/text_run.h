/* SPDX-License-Identifier: ISC */
/* Content is nearly all lines in which nothing has to be decided: each CR has its LF behind it and each LF its CR before it. A text run is
 * as much of that as content begins with, found in one pass with the widest vectors that the processor has, together with what is
 * asked about its lines; so neither the reader of dots nor the scan of facts looks at a byte of it again. It owns nothing and is a view
 * of the content. It does not know what came before: whoever begins in the middle of a line, or behind a CR, adds that. */
#ifndef MAIL_TEXT_RUN_H
#define MAIL_TEXT_RUN_H

#include "base/base.h"

struct text_run {
    slice text;
    size_t lines_len;    /* bytes up to and with its last CRLF: behind them is the beginning of one line, or nothing */
    size_t longest_line; /* of what is in it of lines that end in it, in bytes with CRLF; 0: none does */
    bool odd;            /* there may be a NUL or a byte above 0x7f; false: there is none */
};

/* The run that content begins with, empty or not. It ends before the first CR without LF (a CR that is content's last byte is one), before
 * the first LF without CR, or before a dot that follows a CRLF of the run (a dot that is content's first byte ends nothing). */
struct text_run text_run_find(slice content);

#endif
