/* SPDX-License-Identifier: ISC */
/* Content for a next hop that cannot take it as it is (RFC 6152 section 3, RFC 3030 section 3; lines over 998 bytes: RFC 5321 section 4.5.3.1.6): each part that needs it becomes
 * quoted-printable or base64 (RFC 2045 section 6) under a changed Content-Transfer-Encoding; multiparts and message/rfc822 keep their shape.
 * Decoding gives the old bytes back.
 *
 *     convert_measure(...); declare facts.size; convert_init(...); while (convert_next(...)) send what is in out
 *
 * Lines of text become quoted-printable; a part with NUL or a bare CR or LF, and one that is no text and has lines over 998 bytes or is labelled
 * binary, base64. A message without MIME fields gets them, with charset UTF-8 where all of it is, else unknown-8bit (RFC 1428). Bytes above 0x7f in
 * header fields (not allowed without SMTPUTF8, but seen): Subject, Comments, Content-Description and the names before addresses become encoded words
 * (RFC 2047), the names of files RFC 2231's parameters; elsewhere they stay, and the facts say so. A preamble or epilogue is encoded like a part. Header fields with lines over 998 bytes are folded.
 * The content is whole and in the caller's memory; nothing is allocated here. */
#ifndef MAIL_CONVERT_H
#define MAIL_CONVERT_H

#include "mail/body.h"
#include "mail/mime.h"

enum convert_target {
    CONVERT_TO_7BIT, /* the next hop has no 8BITMIME */
    CONVERT_TO_8BIT, /* it has, but no BINARYMIME */
};

/* The room that out must have for a step: its maximum less its length. */
#define CONVERT_ROOM 16384u

/* One conversion under way; the caller's, private to convert.c, without anything to free. */
struct convert {
    struct mime_walk walk;
    enum convert_target target;
    slice copy;    /* goes out as it is, before anything else */
    slice folding; /* a header field with lines that are too long */
    slice header, gap, body;
    uint32_t column;
    uint8_t state, encoding, label;
    bool composite, relabel, unlabelled, untyped, unversioned, broken, failed, indented;
};

/* content: CRLF line ends (but for binary parts), dots undone; it must live until the end. */
void convert_init(struct convert *c, slice content, enum convert_target target);
/* Appends the next piece, at most CONVERT_ROOM bytes, to out. False when all has been given, or when out has failed. Only for what convert_measure has found good. */
bool convert_next(struct convert *c, buf *out);
/* Facts of what will come out, which costs as much as the conversion itself. After it nul is false, and lines are at most 998 bytes; for CONVERT_TO_7BIT eight_bit is false unless header fields keep such bytes. ERR_UNSUPPORTED (5.6.3): something needs it that may not be encoded: a
 * message/partial or message/external-body, or multiparts deeper than MIME_DEPTH, or what is behind MIME_ENTITIES parts; or a line is too long that cannot be folded: of a
 * Content-Type without white space, or a delimiter. */
must_check enum err convert_measure(slice content, enum convert_target target, struct body_facts *facts_r);
/* The same in steps, for content that would keep others waiting: init, next until it is false, end. What is in it is private to convert.c; nothing to free. */
struct convert_gauge {
    struct convert convert;
    struct body_scan scan;
};
void convert_gauge_init(struct convert_gauge *g, slice content, enum convert_target target);
/* About max bytes of what will come out, and what of the content must be looked at for them: a body that is one leaf is looked at whole before its first byte. False at the end. */
bool convert_gauge_next(struct convert_gauge *g, size_t max);
must_check enum err convert_gauge_end(struct convert_gauge *g, struct body_facts *facts_r);
/* Whether conversion could break a signature: there is a DKIM-Signature or ARC-Seal field, a multipart/signed or application/pkcs7-mime at any
 * depth, or a text signed inline by PGP (RFC 4880 section 7). */
bool convert_is_signed(slice content);

#endif
