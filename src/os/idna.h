/* SPDX-License-Identifier: ISC */
/* Domain names with other letters than ASCII's: A-labels ("xn--...") for the DNS, tables and hosts without SMTPUTF8, U-labels for people (RFC 5890, 5891; UTS 46 non-transitional
 * mapping, which takes capitals and wide forms as people type them). And Unicode's normal form C for local parts (RFC 6532 section 3.1). Built on libidn2 and libunistring;
 * ASCII alone never calls them. Never resolves anything; holds no state. */
#ifndef OS_IDNA_H
#define OS_IDNA_H

#include "base/base.h"

/* Appends domain with A-labels in lower case. An address literal ("[...]") and pure ASCII are appended as they are, their case too: not even checked. ERR_SYNTAX: not UTF-8, or a label that IDNA2008 does not allow;
 * ERR_LIMIT: longer than the DNS has room for (63 a label, 253 in all); ERR_NOMEM: out is full. out is unchanged when it fails. */
must_check enum err idna_to_ascii(slice domain, buf *out);
/* Appends domain with U-labels, for display. What is no proper A-label stays as it is: never fails but by out's maximum. */
void idna_to_unicode(slice domain, buf *out);
/* Appends text in normal form C. ERR_SYNTAX: not UTF-8. ERR_NOMEM. out is unchanged when it fails. */
must_check enum err idna_normalize(slice text, buf *out);
/* Whether domain has an A-label, or is not ASCII. */
bool idna_is_international(slice domain);

#endif
