/* SPDX-License-Identifier: ISC */
/* The shape of a MIME message (RFC 2045, 2046): entities with their headers, the leaves' bodies, and what stands between them. A walk over content that is whole in memory;
 * nothing is copied or allocated. The pieces together are the content again, byte for byte, whatever it holds: a closing delimiter that is missing ends with the enclosing one, a
 * multipart without a boundary is a leaf, a line that is no field ends a header. Delimiters are matched exactly (RFC 2046 section 5.1.1), never by prefix. Internal to mail, but for the walk's struct. */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/base.h"

enum { MIME_DEPTH = 32 }; /* multiparts in multiparts */

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QUOTED, MIME_BASE64, MIME_ENCODING_UNKNOWN };

/* Of a leaf, what matters here; the composite kinds have their content in the pieces that follow. */
enum mime_kind {
    MIME_TEXT,
    MIME_OTHER,
    MIME_FRAGMENT /* message/partial, message/external-body */,
    MIME_MULTIPART,
    MIME_MESSAGE
};

struct mime_boundary {
    slice text;  /* as written */
    bool quoted; /* backslashes in it quote */
    bool digest; /* multipart/digest: parts are messages unless they say otherwise (RFC 2046 section 5.1.5) */
};

struct mime_walk {
    slice rest;
    struct mime_boundary stack[MIME_DEPTH];
    uint8_t depth;
    uint8_t state;
    bool message; /* the next entity is a message (RFC 5322), not only a part */
    bool too_deep;
};

/* An entity: header, gap (the empty line, or nothing) and a leaf's body. Or, when header, gap and body are empty, text that stands between entities:
 * a preamble, an epilogue, or one delimiter line. */
struct mime_piece {
    slice header, gap, body;
    slice between;
    bool entity;
    bool message;   /* top level, or in a message/rfc822 */
    bool delimiter; /* between is a delimiter line, with the CRLF before it */
    bool typed;     /* has a Content-Type */
    bool mime;      /* has a MIME-Version, or need not have one (a part) */
    bool is_signed; /* multipart/signed, application/pkcs7-mime */
    bool labelled;  /* has a Content-Transfer-Encoding */
    enum mime_kind kind;
    enum mime_encoding encoding;
};

void mime_walk_init(struct mime_walk *w, slice content);
/* False at the end. After it, w->too_deep says that a multipart was taken for a leaf because of MIME_DEPTH. */
bool mime_walk_next(struct mime_walk *w, struct mime_piece *piece_r);

/* A parameter's value in a Content-Type (RFC 2045 section 5.1), as written without its quotes; *quoted_r says that backslashes in it quote. */
bool mime_parameter(slice value, slice name, slice *parameter_r, bool *quoted_r);

#endif
