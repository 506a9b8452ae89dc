/* SPDX-License-Identifier: ISC */
/* Facts about a message's content, gathered while it streams by, stored with it, and used on its way out: which
 * extension it needs, and whether dot-stuffing has anything to do. Content here is as stored: CRLF line ends, dots undone. */
#ifndef MAIL_BODY_H
#define MAIL_BODY_H

#include "mail/text_run.h"

struct body_facts {
    uint64_t size;         /* bytes of the whole content */
    uint32_t header_len;   /* bytes up to and with the empty line that ends the header; all, when there is none */
    uint32_t longest_line; /* bytes without CRLF */
    uint32_t leading_dots; /* lines that begin with a dot: 0 means that no byte has to be stuffed */
    uint32_t received;     /* Received fields in the header: hops so far */
    bool eight_bit_header; /* a byte above 0x7f in the header (needs SMTPUTF8) */
    bool eight_bit;        /* a byte above 0x7f anywhere (needs 8BITMIME) */
    bool nul;              /* a NUL anywhere (needs BINARYMIME) */
    bool ends_in_crlf;
};

/* Feed content in pieces of any size, in order; the state is the caller's. The same facts come out however it is cut. */
struct body_scan {
    struct body_facts facts;
    uint32_t line_len;
    uint8_t state; /* private to body.c */
    bool in_header;
    uint8_t match; /* bytes of "received:" seen at the line's start */
};

void body_scan_init(struct body_scan *s);
void body_scan_feed(struct body_scan *s, slice content);
/* The same of the run's text, of which most is known. */
void body_scan_feed_run(struct body_scan *s, const struct text_run *run);
/* No more content: closes the last line. */
struct body_facts body_scan_end(struct body_scan *s);

#endif
