/* SPDX-License-Identifier: ISC */
/* Inside the room only: the header of a message that a program gave to sendmail: where it ends, whom it is for, what is taken out of it and what it lacks. Content has CRLF line ends
 * (sendmail_text.h); lines "From ..." of a mailbox file may stand before it. Pure: names, dates and ids are passed in. */
#ifndef CMD_SENDMAIL_HEADER_H
#define CMD_SENDMAIL_HEADER_H

#include "mail/mail.h"

#define SENDMAIL_RECIPIENTS_MAX 10000u

/* content without the separator lines in front. */
slice sendmail_skip_from_lines(slice content);
/* False: it may go on behind content (which it never does once all has come, `whole`). Else *len_r bytes are header: with the empty line that ends it, or up to the first line that is no
 * field. */
bool sendmail_header_find(slice content, bool whole, size_t *len_r);

struct sendmail_recipients {
    struct arena *arena;
    slice origin; /* completes bare names */
    slice *list;  /* printed form, each once */
    size_t count, room;
    bool utf8; /* one is not ASCII */
    slice bad; /* what could not be read */
};

/* The addresses of a comma-separated list, as of a header or of the command line. ERR_SYNTAX with `bad`, ERR_LIMIT (SENDMAIL_RECIPIENTS_MAX), ERR_NOMEM. */
must_check enum err sendmail_recipients_add(struct sendmail_recipients *r, slice text);
/* Those of To, Cc and Bcc; of Resent-To, Resent-Cc and Resent-Bcc when there is one of these (RFC 5322 section 3.6.6). Errors as above. */
must_check enum err sendmail_recipients_add_header(struct sendmail_recipients *r, slice header);
/* One address, or "<>" or nothing: the null reverse-path. */
must_check enum err sendmail_sender_read(struct arena *arena, slice text, slice origin, slice *sender_r);

/* What is added where it is missing. */
struct sendmail_header_add {
    slice name, address; /* of From; the name may be empty */
    slice message_id;    /* without angle brackets */
    int64_t now_s;
    int offset_min;
};

/* The header again, with the empty line at its end: without Bcc and Resent-Bcc, with From, Date and Message-ID. */
void sendmail_header_mend(buf *out, slice header, const struct sendmail_header_add *add);
/* A user's full name from what the system has of him: up to the first comma, "&" is his name (passwd(5)). */
void sendmail_full_name(buf *out, slice gecos, slice login);

#endif
