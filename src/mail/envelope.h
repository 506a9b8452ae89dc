/* SPDX-License-Identifier: ISC */
/* The envelope: who sent it, and the final recipients to whom it goes, after aliases and lists were expanded. Plain values; the slices belong
 * to whatever arena they were made in. One message may have several envelopes (a list has its owner as reverse-path). The spool
 * stores envelopes (spool/), SMTP carries them (smtp/), the queue schedules them. */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/base.h"

/* How a final recipient is reached. Command lines and uids are never stored: a pipe or a file from an alias table is named by its
 * place there and looked up again at delivery. */
enum recipient_kind {
    RECIPIENT_ADDRESS = 0,  /* by its domain: mailbox or next hop */
    RECIPIENT_ALIAS_TARGET, /* entry `key` of alias table `table`, target number `index`: a pipe or a file */
    RECIPIENT_NOTICE, /* nobody: the queue only answers NOTIFY=SUCCESS for an address that became others; `index` is the enum dsn_action to report */
};

/* RFC 3461 section 4.1; 0 means that NOTIFY was not given. */
enum notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

struct recipient {
    slice address;  /* local@domain, printed form; for an alias target the address that led there */
    slice original; /* as given at RCPT when that differs from address, else empty (Delivered-To, ORCPT, reports) */
    slice orcpt; /* ORCPT as given by the client, decoded (no xtext; utf-8 type as UTF-8), "type;address", or empty */
    slice table; /* RECIPIENT_ALIAS_TARGET: name of the alias table (a path) */
    slice key;
    uint32_t index;
    uint8_t kind;   /* enum recipient_kind */
    uint8_t notify; /* enum notify, or-ed */
};

enum envelope_flags {
    ENVELOPE_TRUSTED = 1,   /* came from a trusted session: may get delay warnings */
    ENVELOPE_BODY_8BIT = 2, /* BODY=8BITMIME declared */
    ENVELOPE_SMTPUTF8 = 4,
    ENVELOPE_BOUNCE = 8, /* made by us: bounce, delay warning */
    ENVELOPE_RET_FULL = 16,
    ENVELOPE_RET_HDRS = 32,
    ENVELOPE_HELD = 64,         /* comes to rest in hold */
    ENVELOPE_BODY_BINARY = 128, /* BODY=BINARYMIME declared (RFC 3030) */
    ENVELOPE_REQUIRETLS =
        256, /* RFC 8689: never over a connection that is not verified TLS, never to a host without REQUIRETLS */
    ENVELOPE_BY_NOTIFY = 512,  /* RFC 2852: deliver_by_s has mode N: report a delay, go on */
    ENVELOPE_BY_RETURN = 1024, /* mode R: give up */
    ENVELOPE_BY_TRACE = 2048,  /* a "relayed" report is wanted from each host without DELIVERBY */
};

enum { PRIORITY_MIN = -9, PRIORITY_MAX = 9 }; /* RFC 6710; 0 is normal */

struct envelope {
    slice reverse_path; /* printed form; empty is the null reverse-path */
    slice envid;        /* decoded, or empty */
    slice
        tag; /* of whoever handed it in over the local socket (thurn batch: JOB/NUMBER), or empty; found again by QUEUE_FILTER_TAG */
    int64_t release_s;    /* FUTURERELEASE (RFC 4865): not tried before, unix time; 0 none */
    int64_t deliver_by_s; /* DELIVERBY (RFC 2852): unix time; 0 none; a mode is in flags */
    uint32_t flags;       /* enum envelope_flags */
    int8_t priority;      /* MT-PRIORITY (RFC 6710) */
    uint32_t recipient_count;
    struct recipient *recipients;
};

/* What is known of a message beside its envelopes: for logs, trace and Received. */
struct message_origin {
    slice client_name; /* reverse name or "unknown" */
    slice client_ip;   /* text, or "local" */
    slice helo;
    slice protocol; /* "ESMTPSA" and so on, RFC 3848; "local" for our own */
    slice login;    /* or empty */
};

#endif
