/* SPDX-License-Identifier: ISC */
#include "mail/notice.h"

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/queue_id.h"

void notice_print(buf *b, const struct notice *n)
{
    buf_append(b, SLICE("From: Mail Delivery System <MAILER-DAEMON@"));
    clean_append_word(b, n->hostname);
    buf_append(b, SLICE(">\r\nTo: <"));
    if (n->ascii)
        clean_append_ascii(b, clean_shorten(n->to));
    else
        clean_append_text(b, clean_shorten(n->to));
    buf_append(b, SLICE(">\r\nSubject: "));
    buf_append(b, n->subject);
    buf_append(b, SLICE("\r\nDate: "));
    date_print_rfc5322(b, n->now_s, 0);
    buf_append(b, SLICE("\r\nMessage-ID: <"));
    queue_id_print(b, n->id);
    buf_append_char(b, '@');
    clean_append_word(b, n->hostname);
    buf_append(b, SLICE(">\r\nAuto-Submitted: "));
    buf_append(b, n->automatic);
    buf_append(b, SLICE("\r\nMIME-Version: 1.0\r\n"));
}
