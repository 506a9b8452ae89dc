/* SPDX-License-Identifier: ISC */
/* The header that all mail of our own begins with, reports and alarms: From, To, Subject, Date, Message-ID, Auto-Submitted, MIME-Version. What kind of content follows, and the empty
 * line, are the caller's. Whatever peers and users gave is made harmless. Internal to mail.
 * Does not know who gets the mail: that is the envelope's. */
#ifndef MAIL_NOTICE_H
#define MAIL_NOTICE_H

#include "base/base.h"

struct notice {
    slice hostname, to;
    slice subject;   /* clean: whole, without line ends */
    slice automatic; /* RFC 3834 section 5: "auto-replied", "auto-generated" */
    int64_t now_s;   /* unix time */
    uint64_t id;     /* queue id: Message-ID */
    bool ascii;      /* of other characters in to, codes are printed */
};

void notice_print(buf *b, const struct notice *n);

#endif
