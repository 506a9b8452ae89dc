/* SPDX-License-Identifier: ISC */
/* Inside the room only: what a job's checkpoint says, as text: one record a line, fields between single spaces, texts as "=" and xtext, so that no byte of a job can
 * end a line. Records come in groups; the line "commit CRC" ends a group, CRC32C of its bytes. A group counts whole or not at all: a torn one at the end is what a
 * stop left, anything else that cannot be read is damage. The first record of a file is the job. PURE in all but its room. */
#ifndef CMD_BATCH_RECORD_H
#define CMD_BATCH_RECORD_H

#include "base/base.h"

enum batch_record_kind {
    BATCH_RECORD_JOB, /* numbers: version, uid, unix time; texts: job, user, path, reply file */
    BATCH_RECORD_BEGIN, /* line, report: a mail is about to be handed over under the tag JOB/LINE (reports: JOB/0.REPORT, from 1) */
    BATCH_RECORD_MAIL, /* line, queue id's number, and where to go on: offset, crc, lines, length of the reply file, verbose; texts: HELO, sender */
    BATCH_RECORD_TO,   /* line; texts: recipient of the mail whose record follows */
    BATCH_RECORD_REFUSED,  /* line; texts: command, reply: a recipient or a mail that the server does not take */
    BATCH_RECORD_ERROR,    /* line; texts: command, reply: not understood */
    BATCH_RECORD_LOST,     /* line: a mail of the job that was handed to nobody */
    BATCH_RECORD_RELEASED, /* number of the queue id: let go */
    BATCH_RECORD_REPORT,   /* number of the queue id: the report is in the queue */
    BATCH_RECORD_RESUMED, /* unix time: what was told of lines behind the last mail is forgotten, they are read again */
    BATCH_RECORD_STATE,   /* unix time; texts: "done", "held", "deleted", "dead"; why */
    BATCH_RECORD_DOUBT, /* line, report, queue id's number or 0: what else has this tag is to be removed (batch_late.h) */
    BATCH_RECORD_UNSURE, /* line, report, queue id's number: it was to be let go, and the queue did not know it */
    BATCH_RECORD_SERVER, /* number of the server's run: what was in doubt before is known to the next one */
    BATCH_RECORD_KINDS
};

#define BATCH_RECORD_NUMBERS 7
#define BATCH_RECORD_TEXTS 4

struct batch_record {
    enum batch_record_kind kind;
    uint64_t number[BATCH_RECORD_NUMBERS]; /* as listed above */
    slice text[BATCH_RECORD_TEXTS];        /* plain to print; encoded when read: batch_record_text */
};

/* One record's line at the end of b. */
void batch_record_print(buf *b, const struct batch_record *r);
/* Ends the group that b holds: b is written in one piece. */
void batch_record_commit(buf *b);

struct batch_records {
    slice rest;
};
/* Ready to read what counts of content. *valid_r bytes of it do; what is behind was torn. ERR_CORRUPT: damaged. */
must_check enum err batch_records_init(struct batch_records *c, slice content, size_t *valid_r);
/* The next record; its texts look into the content. False at the end. */
bool batch_records_next(struct batch_records *c, struct batch_record *record_r);
/* A text as it was, appended to b. */
void batch_record_text(buf *b, slice encoded);

#endif
