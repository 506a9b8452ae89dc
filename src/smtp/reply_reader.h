/* SPDX-License-Identifier: ISC */
/* Reads a host's replies (RFC 5321 section 4.2) from hostile bytes, cut anywhere. A reply keeps at most 128 lines and 16 KiB of text; what is more is
 * swallowed, up to 1 MiB, then the reply is no SMTP. Lines may end in a bare LF. A text leaves with its lines joined by LF and with nothing in it that could
 * harm a log, a header or a terminal: control characters and what is no UTF-8 are question marks. */
#ifndef SMTP_REPLY_READER_H
#define SMTP_REPLY_READER_H

#include "base/base.h"

struct smtp_reply {
    uint16_t code; /* 200 to 599 */
    slice text;    /* without codes; lives until the next read */
};

struct smtp_reply_reader {
    buf text;
    char head[4]; /* of the line in hand: code and what follows it */
    uint8_t head_len;
    bool after_cr;
    bool whole; /* the text is of a reply that was given out */
    uint16_t code;
    uint32_t lines, bytes;
};

enum smtp_reply_result { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD };

void smtp_reply_reader_init(struct smtp_reply_reader *r);
void smtp_reply_reader_deinit(struct smtp_reply_reader *r);
/* Takes from *in, at most one reply. SMTP_REPLY_BAD: no SMTP, too long, or no memory; the reader is of no use any more. */
enum smtp_reply_result smtp_reply_read(struct smtp_reply_reader *r, slice *in, struct smtp_reply *reply_r);

#endif
