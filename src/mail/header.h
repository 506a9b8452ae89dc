/* SPDX-License-Identifier: ISC */
/* Header fields of a message (RFC 5322 section 2.2), read from content as stored (CRLF). Never copies; never fails on garbage: a line that is no
 * field ends the header like an empty line does. */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/base.h"

struct header_field {
    slice name;  /* without the colon */
    slice value; /* raw, with folding, without the last CRLF */
    slice whole; /* name to CRLF: what one would cut out */
};

/* The next field at the start of *header, which moves behind it; false at the end of the header. */
bool header_next(slice *header, struct header_field *field_r);
/* The first field with this name (no case), or false. */
bool header_find(slice header, slice name, struct header_field *field_r);
/* The value on one line: folding undone, runs of white space to one space, trimmed; what b's maximum has no room for is cut off (no failure). */
void header_unfold(buf *b, slice value);
/* Number of Delivered-To fields with exactly this address (loop detection). */
unsigned header_count_delivered_to(slice header, slice address);

#endif
