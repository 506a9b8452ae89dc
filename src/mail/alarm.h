/* SPDX-License-Identifier: ISC */
/* The mail that tells the postmaster of a login that has sent more than it may: perhaps its password is in other hands. Makes the content only; envelope (null reverse-path) and
 * queueing are the caller's. The login may be any text: what could end a line or upset a reader's terminal is replaced.
 * It does not say what the limits are: they are in the configuration.
 */
#ifndef MAIL_ALARM_H
#define MAIL_ALARM_H

#include "base/base.h"

struct alarm_facts {
    slice hostname, postmaster;
    slice login;
    uint32_t messages, recipients; /* since since_s */
    int64_t since_s, now_s;        /* unix time */
    uint64_t id;                   /* queue id of this mail: Message-ID */
};

/* The whole content with header, CRLF, ASCII only. b's maximum bounds it; check buf_ok. */
void alarm_print(buf *b, const struct alarm_facts *f);

#endif
