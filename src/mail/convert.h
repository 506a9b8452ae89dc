/* SPDX-License-Identifier: ISC */
/* Content for a next hop that cannot take it as it is (RFC 6152 section 3, RFC 3030 section 3): each part that needs it becomes quoted-printable or base64
 * (RFC 2045 section 6) under a changed Content-Transfer-Encoding; multiparts and message/rfc822 keep their shape. Decoding gives the old bytes back.
 *
 *     facts = convert_measure(...); declare facts.size; convert_init; while (convert_next(...)) send what is in out
 *
 * Text of one line each is quoted-printable; a part with NUL, a bare CR or LF, or one that is not text and is labelled binary or has lines over 998 bytes,
 * is base64. A message without MIME-Version gets MIME fields, its charset is UTF-8 where all of it is, else unknown-8bit (RFC 1428).
 * Bytes above 0x7f in header fields: display text (Subject, Comments, Content-Description, names before addresses) becomes RFC 2047's encoded words, a parameter of
 * Content-Type or Content-Disposition RFC 2231's; elsewhere they stay, and facts.eight_bit says so after it.
 * The content is whole and in the caller's memory; nothing is allocated here. */
#ifndef MAIL_CONVERT_H
#define MAIL_CONVERT_H

#include "mail/body.h"
#include "mail/mime.h"

enum convert_target {
    CONVERT_TO_7BIT, /* the next hop has no 8BITMIME */
    CONVERT_TO_8BIT, /* it has, but no BINARYMIME */
};

/* The least room that out must have (its maximum less its length) for a step. */
#define CONVERT_ROOM 16384u

/* One conversion under way; the caller's, without anything to free. */
struct convert {
    struct mime_walk walk;
    enum convert_target target;
    slice copy; /* goes out as it is before anything else */
    slice header, gap, body;
    uint32_t column; /* bytes of the line that is being written */
    uint8_t state;   /* the rest is private to convert.c */
    uint8_t encoding;
    uint8_t label;
    bool labelled;
    bool top;
};

/* content: CRLF line ends (but for binary parts), dots undone; it must live until the end. */
void convert_init(struct convert *c, slice content, enum convert_target target);
/* Appends the next piece, at most CONVERT_ROOM bytes, to out, which must have that much room. False when all has been given. Only after convert_measure has said ERR_OK. */
bool convert_next(struct convert *c, buf *out);
/* Facts of what will come out: nul is false; longest_line is at most 998 but for header fields that were longer; eight_bit is false for CONVERT_TO_7BIT unless a header field keeps such
 * bytes. ERR_UNSUPPORTED: it cannot be converted (multiparts nested deeper than MIME_DEPTH, message/partial or message/external-body that needs it): 5.6.3. Costs as much as the conversion. */
must_check enum err convert_measure(slice content, enum convert_target target, struct body_facts *facts_r);
/* Conversion would break a signature: a DKIM-Signature or ARC-Seal field, a multipart/signed anywhere, application/pkcs7-mime, or an inline PGP signature (RFC 4880 section 7). */
bool convert_is_signed(slice content);

#endif
