/* SPDX-License-Identifier: ISC */
/* Inside the room only: the faults that a recipient of `thurn dev` asks for by its local part, so that programs can be tried against a server that refuses. Only in a
 * configuration with `development`. A fault happens at RCPT or, when its name ends in -data, instead of the answer to the content: a code (550, 421-data; 4xx and
 * 5xx stand for one of their kind), slow (answered late), drop (the connection ends without a word). 421 is followed by the end, as it says.
 * What happens at delivery (bounce, defer) is deliver's. No fault holds up another session. */
#ifndef PROC_RECEIVER_DEVELOPMENT_H
#define PROC_RECEIVER_DEVELOPMENT_H

#include "mail/mail.h"

#define DEVELOPMENT_SLOW_MS 5000

struct session;

enum development_kind { DEVELOPMENT_NONE, DEVELOPMENT_REFUSE, DEVELOPMENT_SLOW, DEVELOPMENT_DROP };

struct development_fault {
    enum development_kind kind;
    uint16_t code; /* of REFUSE */
    bool at_data;
};

struct development_fault development_fault(slice local);
/* What a refusal with this code says: an enhanced code that goes with it, and a text. */
struct verdict development_verdict(uint16_t code);
/* Refuses the recipient or drops the connection when the local part asks for that now: true, and nothing is left to do. *fault_r, where it is another fault than none: what is
 * still to come. */
bool development_rcpt(struct session *s, slice local, struct development_fault *fault_r);
/* The same when all content has come; slow waits, and store_message is called again. */
bool development_data(struct session *s, const struct body_facts *facts);
/* DEVELOPMENT_SLOW_MS are over. The caller resumes. */
void development_wait_over(struct session *s);

#endif
