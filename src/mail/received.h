/* SPDX-License-Identifier: ISC */
/* Trace fields that we add (RFC 5321 section 4.4, RFC 3848): Received at acceptance; Return-Path and Delivered-To at delivery. */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "mail/envelope.h"

struct received_facts {
    struct message_origin origin;
    slice hostname; /* by */
    slice tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384" or empty: a comment */
    slice rcpt;     /* for <..>, only when there is exactly one recipient; else empty */
    uint64_t id;
    int64_t unix_s;
    int priority; /* MT-PRIORITY (RFC 6710), 0 says nothing */
};

/* One folded field with CRLF: Received: from HELO (rdns [ip]) / by HOST (Thurn) with PROTOCOL id ID / for <rcpt> PRIORITY n; date. What came from the peer is
 * reduced to printable ASCII (UTF-8 kept) without parentheses that would break out of a comment. */
void received_print(buf *b, const struct received_facts *f);
void received_print_return_path(buf *b, slice reverse_path);
void received_print_delivered_to(buf *b, slice address);

#endif
