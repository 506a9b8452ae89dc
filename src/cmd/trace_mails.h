/* SPDX-License-Identifier: ISC */
/* Inside the room only: what the rings have of the mails that are asked for, gathered by mail. The newest mails, at most so many; of each at most TRACE_MAIL_EVENTS_MAX events, the first ones and the last. Events of sessions, which belong to no mail, are
 * kept as one group without an id. Owns copies of all. */
#ifndef CMD_TRACE_MAILS_H
#define CMD_TRACE_MAILS_H

#include "cmd/trace_query.h"

#define TRACE_MAIL_EVENTS_MAX 1000u

struct trace_kept {
    struct list link;
    struct trace_record record;
    int64_t next_s; /* of a deferral: when it is tried again, where that is known */
    bool hidden;    /* what it says another says, too */
    char memory[];
};

struct trace_mail {
    struct list link; /* oldest first */
    slice id;         /* empty: events without a mail */
    char id_memory[QUEUE_ID_TEXT_MAX];
    bool whole;         /* not only of the recipient that is asked for */
    struct list events; /* struct trace_kept */
    size_t count, left_out;
    const struct trace_record *accepted, *queued; /* NULL: not seen */
    bool has_begin;                               /* how it came, from a client or as a report */
};

struct trace_mails {
    struct list mails;
    size_t count, limit;
    bool left_out;    /* more than limit match */
    int64_t since_us; /* from when on all events are there; 0: there are none */
    bool older_gone;  /* there were some before that */
    buf flaw;         /* a file that could not be read, as trace_reader_flaw; empty: none */
    enum err flaw_why;
    char flaw_memory[64];
    struct trace_mail loose;
    struct table by_id;
};

/* Reads the folder twice. limit > 0. ERR_NOTFOUND, ERR_PERMISSION (trace_reader_open), ERR_NOMEM: then m is empty. */
must_check enum err trace_mails_open(struct trace_mails *m, const char *folder, const struct trace_query *q,
                                     size_t limit);
void trace_mails_close(struct trace_mails *m);
/* The oldest; m->count > 0. */
const struct trace_mail *trace_mails_first(const struct trace_mails *m);

#endif
