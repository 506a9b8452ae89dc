/* SPDX-License-Identifier: ISC */
/* Writing replies (RFC 5321 section 4.2): code, enhanced code (RFC 2034), text of one or several lines. What a text holds is never
 * trusted: control and 8-bit bytes become '?', a line is cut at 480 bytes, so that no text can make a reply of its own. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "mail/mail.h"

enum { SMTP_REPLY_ENHANCED = 1, SMTP_REPLY_UTF8 = 2 };

/* v's text: lines joined by LF. With SMTP_REPLY_ENHANCED, a 2xx, 4xx or 5xx without an enhanced code gets its class's x.0.0; a 3xx never has
 * one. With SMTP_REPLY_UTF8 (RFC 6531 section 3.5) well-formed UTF-8 stays. A text that does not fit into what out may still hold becomes a short 451. */
void smtp_reply_write(buf *out, const struct verdict *v, unsigned how);

#endif
