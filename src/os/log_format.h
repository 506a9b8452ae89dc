/* SPDX-License-Identifier: ISC */
/* Inside the room only: how one record is written. Nothing here knows where it goes, and nothing is kept but the time stamp of the second. Called under the log's lock. */
#ifndef OS_LOG_FORMAT_H
#define OS_LOG_FORMAT_H

#include "os/log.h"

#define LOG_LINE_MAX 4096u      /* PIPE_BUF: lines of several processes on one pipe do not mix */
#define LOG_DATAGRAM_MAX 24576u /* the journal's: holds 16 fields and the message at their longest */

/* Who speaks. */
struct log_origin {
    char name[32];
    size_t name_len;
    int64_t pid;
    int64_t second;   /* that what follows was made in; -1: it is to be made anew */
    char stamp[24];   /* 2026-11-21T19:08:35 */
    char local[20];   /* Nov 21 19:08:35, in local time: RFC 3164 section 4.1.2 */
    char process[72]; /* thurn/smtpd[123]: */
    char head[128];   /* 2026-11-21T19:08:35.000Z thurn/smtpd[123]: */
    size_t stamp_len, local_len, process_len, head_len;
};

struct log_style {
    enum log_to to;
    enum log_format format;
    bool of_journal; /* standard error is a stream of the journal */
};

/* Appends the record, cut where it must be; a line with its LF, a datagram as it is sent. False: b has no room for the shortest form, and is as it was. */
must_check bool log_format(buf *b, struct log_origin *o, const struct log_style *style, const struct log_said *said);

#endif
