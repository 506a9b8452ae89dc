/* SPDX-License-Identifier: ISC */
/* The parts of a delivery report (mail/dsn.h). Internal to mail. */
#ifndef MAIL_DSN_PART_H
#define MAIL_DSN_PART_H

#include "mail/dsn.h"

/* The text for people: CRLF lines, UTF-8 where the recipients' names or servers' words have it. */
void dsn_print_text(buf *b, const struct dsn_report *r);
/* The content of message/delivery-status (RFC 3464 section 2), ASCII only, or of message/global-delivery-status (RFC 6533 section 4). */
void dsn_print_status(buf *b, const struct dsn_report *r);
/* Continues a line at this column (from 0) with the words of text, breaking it with CRLF and indent before it passes 76 columns. A word
 * of more than 900 bytes is broken inside. Writes no CRLF at the end. */
void dsn_print_wrapped(buf *b, size_t column, slice indent, slice text);

#endif
