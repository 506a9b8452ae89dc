/* SPDX-License-Identifier: ISC */
/* Inside the room only: what `thurn send` makes of the text it is given: a message with CRLF line ends and the header fields that were missing. Pure:
 * date and Message-ID are passed in. */
#ifndef CMD_COMPOSE_H
#define CMD_COMPOSE_H

#include "mail/mail.h"

struct compose {
    slice from;
    const slice *to;
    size_t to_count;
    slice subject;    /* empty: none */
    slice message_id; /* without angle brackets */
    int64_t now_s;
    int offset_min;
};

/* text begins with a header when its lines up to the first empty one (or its end) are all header fields; else it is a body. Fields that are there stay. */
void compose_message(buf *out, const struct compose *c, slice text);
/* Words of a field in UTF-8 as encoded-words (RFC 2047). */
void compose_append_encoded(buf *out, slice text);

#endif
