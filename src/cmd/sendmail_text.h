/* SPDX-License-Identifier: ISC */
/* Inside the room only: a message as programs write it to sendmail's input, made into content: lines of LF or CRLF end in CRLF, a CR elsewhere becomes a space, and a line with a dot alone
 * ends the message unless dots are text. Everything else, NUL, 8-bit and lines of any length, stays. Pure, and the same content comes out however the input is cut. */
#ifndef CMD_SENDMAIL_TEXT_H
#define CMD_SENDMAIL_TEXT_H

#include "base/base.h"

struct sendmail_text {
    uint8_t state;
    bool dots_are_text;
    bool ended; /* by a dot: what follows is not read */
};

void sendmail_text_init(struct sendmail_text *t, bool dots_are_text);
/* Appends to out, which grows by at most twice the input and two bytes. */
void sendmail_text_feed(struct sendmail_text *t, slice in, buf *out);
/* The input has ended: its last line ends, too. */
void sendmail_text_end(struct sendmail_text *t, buf *out);

#endif
