/* SPDX-License-Identifier: ISC */
#include "mail/alarm.h"

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/queue_id.h"

static void print_header(buf *b, const struct alarm_facts *f)
{
    buf_append(b, SLICE("From: Mail Delivery System <MAILER-DAEMON@"));
    clean_append_word(b, f->hostname);
    buf_append(b, SLICE(">\r\nTo: <"));
    clean_append_ascii(b, clean_shorten(f->postmaster));
    buf_append(b, SLICE(">\r\nSubject: Mail of "));
    clean_append_ascii(b, clean_shorten(f->login));
    buf_append(b, SLICE(" is held: too much in one hour\r\nDate: "));
    date_print_rfc5322(b, f->now_s, 0);
    buf_append(b, SLICE("\r\nMessage-ID: <"));
    queue_id_print(b, f->id);
    buf_append_char(b, '@');
    clean_append_word(b, f->hostname);
    buf_append(b, SLICE(">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=us-ascii\r\n\r\n"));
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
