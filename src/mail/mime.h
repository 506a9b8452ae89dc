/* SPDX-License-Identifier: ISC */
/* The shape of a MIME message (RFC 2045, 2046): entities with their headers, the leaves' bodies, and what stands between them. A walk over
 * content that is whole in memory; nothing is copied or allocated. The pieces together are the content again, byte for byte, whatever it
 * holds: a closing delimiter that is missing ends with the enclosing one, a multipart without a boundary is a leaf, a line that is no field
 * ends a header. Delimiters are matched whole (RFC 2046 section 5.1.1), never by prefix. Internal to mail, but for the walk's struct. */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/base.h"

enum {
    MIME_DEPTH = 32,       /* multiparts in multiparts */
    MIME_ENTITIES = 100000 /* in all; what is behind them is one piece */
};

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QUOTED, MIME_BASE64, MIME_ENCODING_UNKNOWN };

enum mime_kind {
    MIME_TEXT,      /* a leaf of lines: text/..., and what has no type or a broken one */
    MIME_OTHER,     /* another leaf */
    MIME_FRAGMENT,  /* message/partial, message/external-body: leaves that may not be encoded */
    MIME_MULTIPART, /* its content is in the pieces that follow */
    MIME_MESSAGE,   /* message/rfc822: the same */
};

struct mime_boundary {
    slice text;  /* as written */
    bool quoted; /* backslashes in it quote */
    bool digest; /* of a multipart/digest: its parts are messages unless they say otherwise (RFC 2046 section 5.1.5) */
};

struct mime_walk {
    slice rest;
    struct mime_boundary stack[MIME_DEPTH];
    uint8_t depth;
    uint8_t state; /* private to mime.c */
    bool message;  /* the next entity is a message (RFC 5322), not only a part */
    bool
        too_deep; /* a multipart was taken for a leaf because of MIME_DEPTH, or parts for text because of MIME_ENTITIES */
    uint32_t entities;
};

/* An entity: header, gap (the empty line, or nothing) and a leaf's body. Or what stands between entities: a preamble, an epilogue, or one
 * delimiter line with the CRLF before it. */
struct mime_piece {
    slice header, gap, body;
    slice between;
    bool entity;
    bool delimiter; /* between is a delimiter */
    bool message;   /* the entity is the whole message, or the content of a message/rfc822 */
    bool version;   /* has a MIME-Version */
    bool typed;     /* has a Content-Type */
    bool labelled;  /* has a Content-Transfer-Encoding */
    bool is_signed; /* multipart/signed, application/pkcs7-mime */
    enum mime_kind kind;
    enum mime_encoding encoding; /* as labelled; MIME_7BIT without a label (RFC 2045 section 6.1) */
};

void mime_walk_init(struct mime_walk *w, slice content);
/* False at the end. */
bool mime_walk_next(struct mime_walk *w, struct mime_piece *piece_r);

#endif
