/* SPDX-License-Identifier: ISC */
/* The line that an admin greps for when mail was tried, in Postfix's words; the same from sender and deliver. Part of child/child.h. */
#ifndef CHILD_DELIVERY_LOG_H
#define CHILD_DELIVERY_LOG_H

#include "mail/mail.h"

struct delivery_log {
    uint64_t id;
    slice to, original_to; /* original_to: empty when it is the same */
    slice relay;           /* "mx.example.com[192.0.2.26]:25", "local" */
    slice destination;     /* as the queue calls it, or empty */
    slice tls;             /* of the session, or empty */
    slice command;         /* that was refused, or empty */
    int64_t delay_us;      /* since arrival */
    int64_t parts_us[4];   /* before the queue gave it out, waiting here, connecting, sending */
    struct verdict verdict;
};

/* The event SENT, DEFERRED or BOUNCED. ID: to=<a@b>, relay=..., delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent|deferred|bounced (250 2.0.0 text) */
void delivery_log_line(const struct delivery_log *l);

#endif
