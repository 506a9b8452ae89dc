/* SPDX-License-Identifier: ISC */
/* Dates as mail writes them (RFC 5322 section 3.3) and as logs and JSON do (RFC 3339), from seconds since 1970 passed in. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/base.h"

/* "Sat, 21 Nov 2026 19:08:35 +0000", offset in minutes east of UTC. Any int64 that falls in the years 0 to 9999, else clamped. */
void date_print_rfc5322(buf *b, int64_t unix_s, int offset_min);
/* "2026-11-21T19:08:35Z". */
void date_print_rfc3339(buf *b, int64_t unix_s);
/* "Sat Nov 21 19:08:35 2026", the day in two places: as mailq has it. Offset and limits as above. */
void date_print_mailq(buf *b, int64_t unix_s, int offset_min);
/* "2026-11-21T19:08:35Z" or with an offset, "+01:00"; a fraction is read and dropped, a leap second taken. ERR_SYNTAX. */
must_check enum err date_parse_rfc3339(slice text, int64_t *unix_s_r);
/* Whether a Date field's value is one (RFC 5322 section 3.3, and 4.3 but for white space inside the time): comments and folding are understood. */
bool date_rfc5322_valid(slice value);

#endif
