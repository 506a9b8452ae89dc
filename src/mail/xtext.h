/* SPDX-License-Identifier: ISC */
/* xtext (RFC 3461 section 4): how a parameter of MAIL and RCPT carries any text as printable ASCII without "+", "=" and spaces, each other octet
 * as "+" and two upper-case hexadecimal digits; and the two forms in which ORCPT carries an international address (RFC 6533 section 3). What is decoded comes
 * from a peer and goes into queue, log, header and report: nothing that decodes to a control character (CR, LF and NUL above all) or to
 * bytes that are not UTF-8 is taken, however it is spelled. */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/base.h"

/* Appends text as xtext. Anything can be encoded. */
void xtext_encode(buf *b, slice text);
/* Appends what text stands for. ERR_SYNTAX: not xtext, or what must not be in a line; ERR_LIMIT: does not fit. b is as it was then. */
must_check enum err xtext_decode(buf *b, slice text);

/* An original recipient "type;address". With utf8 (SMTPUTF8 was offered to or used by the peer) the type utf-8 is written and may be read as
 * utf-8-addr-unitext, without it as utf-8-addr-xtext, "\x{..}" for each character beyond ASCII; every other type is xtext. */
void xtext_encode_orcpt(buf *b, slice orcpt, bool utf8);
/* Appends "type;address", decoded; the type as written. ERR_SYNTAX: no type, no address, a type that is no atom; else as xtext_decode. */
must_check enum err xtext_decode_orcpt(buf *b, slice value, bool utf8);
/* The address part alone, in ASCII, as utf-8-addr-xtext: for a report's field where the whole is ASCII (RFC 6533 section 3). */
void xtext_encode_utf8_address(buf *b, slice address);

#endif
