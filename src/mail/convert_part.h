/* SPDX-License-Identifier: ISC */
/* What conversion does to one body and to one header field. Internal to mail. */
#ifndef MAIL_CONVERT_PART_H
#define MAIL_CONVERT_PART_H

#include "mail/header.h"

enum convert_encoding {
    ENCODE_NOT,
    ENCODE_QUOTED,
    ENCODE_BASE64,
    MEND_QUOTED, /* labelled quoted-printable, but with bytes that have no place there */
    MEND_BASE64, /* the same: such bytes are none of base64's, and decoders pass over them (RFC 2045 section 6.8) */
};

/* What a body has that a target may not take. */
struct convert_needs {
    bool high, nul, bare /* CR or LF alone */, long_line /* over 998 bytes */;
};
struct convert_needs convert_body_needs(slice body);
/* RFC 5321 section 4.5.3.1.6, without CRLF. */
#define CONVERT_LINE_MAX 998u
bool convert_is_utf8(slice s);

struct convert_line {
    uint32_t column; /* bytes of the line that is being written */
    bool broken;     /* it was begun by us, in the midst of a line of the body */
};

/* Appends some of *body, which moves on, to out: at most CONVERT_ROOM bytes. No line that it makes looks like a multipart's delimiter. */
void convert_encode(enum convert_encoding encoding, slice *body, struct convert_line *line, buf *out);

/* Appends a field with its bytes above 0x7f encoded, at most CONVERT_ROOM bytes. False, with nothing appended, when it has none or must stay as it is. */
bool convert_field(const struct header_field *f, buf *out);

/* Appends the first line of *field, which moves on, or as much of it as a line can hold and a fold: at white space where there is some, else with a space that was not
 * there (as Postfix has it), never inside a character. *indented: the line begins with such a space; false at the beginning of a field. */
void convert_fold(slice *field, bool *indented, buf *out);
/* False when a fold could break what the field says about the message's shape, or its name. */
bool convert_can_fold(const struct header_field *f);

#endif
