/* SPDX-License-Identifier: ISC */
/* Inside the room only: hands one message to a running server over a connected socket, as an SMTP client that waits. The dialogue can be shown on
 * standard error as it goes. The socket stays the caller's. */
#ifndef CMD_SUBMIT_H
#define CMD_SUBMIT_H

#include <stdio.h>

#include "os/os.h"
#include "smtp/smtp.h"

struct submit {
    int fd;
    slice helo;
    const struct envelope *envelope;
    slice content; /* CRLF line ends */
    FILE *more;    /* NULL, or a file with what follows content, from its beginning */
    bool verbose;
    /* What came of it. */
    bool accepted;   /* for one recipient at least */
    char reply[512]; /* the words that accepted it */
    size_t reply_len;
    int status; /* of the first refusal or failure, for exit(3); 0: none */
};

/* Refusals are told on standard error. */
void submit_run(struct submit *s);
/* sysexits.h: temporary 75, unknown recipient 67, not permitted 77, the rest 69. */
int submit_exit_status(const struct verdict *v);

#endif
