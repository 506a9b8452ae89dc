/* SPDX-License-Identifier: ISC */
#include "mail/alarm.h"

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/notice.h"

/* 255 bytes, each of which may become a code of ten signs. */
#define LOGIN_MAX 2550

static void print_header(buf *b, const struct alarm_facts *f)
{
    char memory[LOGIN_MAX + 64];
    buf subject;
    buf_init_fixed(&subject, memory, sizeof memory);
    buf_append(&subject, SLICE("Mail of "));
    clean_append_ascii(&subject, clean_shorten(f->login));
    buf_append(&subject, SLICE(" is held: too much in one hour"));
    notice_print(b, &(struct notice){.hostname = f->hostname,
                                     .to = f->postmaster,
                                     .subject = buf_slice(&subject),
                                     .automatic = SLICE("auto-generated"),
                                     .now_s = f->now_s,
                                     .id = f->id,
                                     .ascii = true});
    buf_append(b, SLICE("Content-Type: text/plain; charset=us-ascii\r\n\r\n"));
}

void alarm_print(buf *b, const struct alarm_facts *f)
{
    print_header(b, f);
    buf_append(b, SLICE("The user "));
    clean_append_ascii(b, clean_shorten(f->login));
    buf_printf(b, " has sent %u %s to %u %s since\r\n", f->messages, f->messages == 1 ? "message" : "messages",
               f->recipients, f->recipients == 1 ? "recipient" : "recipients");
    date_print_rfc5322(b, f->since_s, 0);
    buf_append(
        b, SLICE(", which is more than is allowed in one hour.\r\n\r\n"
                 "Perhaps the password is in other hands. What this user has in the queue is held, and so is\r\n"
                 "what comes now. Look at it, change the password if need be, and then let it go or remove it:\r\n\r\n"
                 "    thurn queue list\r\n"
                 "    thurn queue release --from ADDRESS\r\n"
                 "    thurn queue remove --from ADDRESS\r\n"));
}
