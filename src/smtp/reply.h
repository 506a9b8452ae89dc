/* SPDX-License-Identifier: ISC */
/* Writing replies (RFC 5321 section 4.2): code, enhanced code (RFC 2034), text of one or several lines. What a text holds is never
 * trusted: control and 8-bit bytes become '?', a line is cut at 480 bytes, so that no text can make a reply of its own. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "mail/mail.h"

/* v's text: lines joined by LF. With enhanced, a 2xx, 4xx or 5xx without an enhanced code gets its class's x.0.0; a 3xx never has
 * one. A text that does not fit into what out may still hold becomes a short 451. */
void smtp_reply_write(buf *out, const struct verdict *v, bool enhanced);

#endif
