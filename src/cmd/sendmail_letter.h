/* SPDX-License-Identifier: ISC */
/* Inside the room only: a message read from standard input to its end before anybody is asked to take it, so that a program which writes slowly keeps no session open, and one that
 * is killed sends nothing of it. The header and the first of the body are in memory, the rest in a file without a name: a message of any size needs 4 MiB. */
#ifndef CMD_SENDMAIL_LETTER_H
#define CMD_SENDMAIL_LETTER_H

#include <stdio.h>

#include "base/base.h"

struct sendmail_letter {
    buf head; /* content up to where the file begins */
    size_t header_len;
    FILE *file; /* or NULL */
};

/* To be closed whatever comes of it. ERR_LIMIT: the header is larger than 1 MiB; ERR_IO: the input cannot be read; ERR_NOSPACE: the rest cannot be kept. */
must_check enum err sendmail_letter_read(struct sendmail_letter *l, FILE *from, bool dots_are_text);
void sendmail_letter_close(struct sendmail_letter *l);
slice sendmail_letter_header(const struct sendmail_letter *l);
slice sendmail_letter_body(const struct sendmail_letter *l); /* what is in memory */

#endif
