/* SPDX-License-Identifier: ISC */
/* The outcome of anything that happens to a mail: one table from our own status to reply code (RFC 5321 section 4.2), enhanced code (RFC 3463)
 * and text. Every reply of the server and every reason in queue, log and bounce is a struct verdict made here or read from a peer.
 * Whatever is unknown is temporary. */
#ifndef MAIL_STATUS_H
#define MAIL_STATUS_H

#include "base/base.h"

enum verdict_class { VERDICT_OK = 2, VERDICT_MORE = 3, VERDICT_TEMPORARY = 4, VERDICT_PERMANENT = 5 };

struct verdict {
    uint16_t code;       /* 250 */
    uint8_t enhanced[3]; /* {2,1,5}; all 0: none (RFC 2034 lets some replies have none) */
    slice
        text; /* one line without codes, or several joined by LF for a multi-line reply; lives as long as its maker says */
};

static inline enum verdict_class verdict_class(const struct verdict *v)
{
    return (enum verdict_class)(v->code / 100);
}
static inline bool verdict_ok(const struct verdict *v)
{
    return v->code / 100 == 2;
}

/* One row each in mail/tables/status_table.h: STATUS(NAME, code, a, b, c, "text"). The helper that owns mail extends it freely; rows that exist never change code. */
enum status {
#define STATUS(name, code, a, b, c, text) STATUS_##name,
#include "mail/tables/status_table.h"
#undef STATUS
    STATUS_COUNT
};

/* The row's verdict with its static text. */
struct verdict status_verdict(enum status s);
/* The same codes with another text (kept as the slice it is). */
struct verdict status_verdict_text(enum status s, slice text);
/* From a peer's reply: code as it came (a code outside 200..599 becomes 451), enhanced code read from the start of text when it is one and fits the class, text sanitised by whoever read it. */
struct verdict status_verdict_of_reply(uint16_t code, slice text);
/* "550 5.1.1 text" on one line (LF becomes a space): for logs, queue list and reports. */
void status_print(buf *b, const struct verdict *v);
/* "5.1.1", or "5.0.0" of the class when there is none: RFC 3464 Status. */
void status_print_enhanced(buf *b, const struct verdict *v);

#endif
