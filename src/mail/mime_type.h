/* SPDX-License-Identifier: ISC */
/* The values of MIME's own header fields (RFC 2045 sections 5.1 and 6.1): tokens, quoted strings and comments, read from hostile bytes.
 * Slices look into the input. Internal to mail. */
#ifndef MAIL_MIME_TYPE_H
#define MAIL_MIME_TYPE_H

#include "mail/mime.h"

struct mime_type {
    slice type, subtype; /* both empty where the value is none: then it is text/plain (RFC 2045 section 5.2) */
    slice parameters;    /* what follows */
};

struct mime_type mime_type_parse(slice value);
/* One parameter of type or disposition, from *rest, which moves on. value_r is what stands between the quotes when *quoted_r, and there backslashes quote.
 * False at the end, or where no parameter can be read. */
bool mime_parameter_next(slice *rest, slice *name_r, slice *value_r, bool *quoted_r);
enum mime_encoding mime_encoding_parse(slice value);

#endif
