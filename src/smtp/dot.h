/* SPDX-License-Identifier: ISC */
/* The content of DATA as it comes over the wire (RFC 5321 section 4.5.2): dot-stuffing undone, line ends made strict, the end found. The end is
 * CRLF . CRLF and nothing else; a line begins after CRLF only, so a dot after a bare LF or CR is neither undone nor an end. A bare LF becomes
 * CRLF and a bare CR a space, and `bare` tells that there was one, for those who refuse such a message. NUL and 8-bit bytes pass as
 * they are. Clean content is passed on as text runs in the input; nothing is copied, nothing is kept
 * but the state, and the same content comes out however the input is cut. The stuffer is the other direction. */
#ifndef SMTP_DOT_H
#define SMTP_DOT_H

#include "mail/mail.h"

enum smtp_dot_result {
    SMTP_DOT_MORE, /* the input is used up */
    SMTP_DOT_RUN,  /* *run_r is content; call again */
    SMTP_DOT_END,  /* CRLF . CRLF was consumed; what is left of the input is no content */
};

struct smtp_dot {
    uint8_t state;
    bool bare; /* a bare CR or LF was seen */
    bool dots; /* dots are content: a chunk of BDAT has no end but its size */
};

void smtp_dot_init(struct smtp_dot *d);
/* Content of BDAT that is lines (RFC 3030 without BINARYMIME): the same mending of line ends, nothing is stuffed, no end is looked for. */
void smtp_dot_init_chunks(struct smtp_dot *d);
/* After the last chunk: what is still to be appended, so that the content ends in CRLF as it does after DATA; may be empty, and may set `bare`. */
slice smtp_dot_end_chunks(struct smtp_dot *d);
/* Takes from *in and moves it on. *run_r, whose text is in the input or a constant, is set with SMTP_DOT_RUN only. */
enum smtp_dot_result smtp_dot_read(struct smtp_dot *d, slice *in, struct text_run *run_r);

/* Content on its way out. Whatever was stored, no bare CR or LF and no unstuffed dot is written. */
struct smtp_stuffer {
    uint8_t state;
};

void smtp_stuffer_init(struct smtp_stuffer *s);
/* Appends content, in pieces of any size. */
void smtp_stuffer_write(struct smtp_stuffer *s, slice content, buf *out);
/* Appends the end of data, and a CRLF before it when content did not end in one. */
void smtp_stuffer_end(struct smtp_stuffer *s, buf *out);

#endif
