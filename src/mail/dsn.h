/* SPDX-License-Identifier: ISC */
/* Delivery reports (RFC 3464 inside RFC 6522 multipart/report; RFC 6533 for international mail), written for people first: what happened, what to do, what the other server
 * said. Makes the content only; envelope (null reverse-path) and queueing are the caller's. Never made for a null reverse-path: the caller checks. */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "mail/envelope.h"
#include "mail/status.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    const struct recipient *recipient;
    enum dsn_action action;
    struct verdict verdict; /* the last one */
    slice remote_host;      /* "mx.example.com[192.0.2.26]" when a peer said it, or empty (our own verdict) */
    int64_t last_attempt_s; /* unix time */
    int64_t retry_until_s;  /* DSN_DELAYED only */
};

struct dsn_report {
    slice hostname;   /* Reporting-MTA */
    slice postmaster; /* named in the text as whom to ask */
    slice to;         /* the original reverse-path */
    slice envid;
    uint64_t id;        /* queue id of the original message */
    uint64_t report_id; /* queue id of the report: Message-ID, boundary */
    int64_t arrival_s, now_s;
    int64_t deliver_by_s; /* the time that was asked for (RFC 2852), 0 none */
    int64_t release_s;    /* not to be sent before (RFC 4865), 0 none */
    size_t count;
    const struct dsn_recipient *recipients;
    slice original;     /* header, or header and body: what is to be given back */
    bool original_full; /* message/rfc822 instead of text/rfc822-headers */
    bool original_8bit;
    bool international; /* the global types of RFC 6533: addresses as UTF-8; the report then needs SMTPUTF8 */
};

/* The whole content with header, CRLF. b's maximum bounds it; check buf_ok. */
void dsn_print(buf *b, const struct dsn_report *r);

#endif
