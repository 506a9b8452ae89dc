/* SPDX-License-Identifier: ISC */
/* The log: one line an event, in Postfix's vocabulary, to standard error (or a file descriptor set at start). Lines gather in memory and go out
 * once a loop turn, without blocking; when the reader is too slow whole lines are dropped and counted, and the count is logged. The whole
 * line is escaped at this sink: control bytes, broken UTF-8 and line breaks of peers' values become \xNN. Secrets are never passed here. */
#ifndef OS_LOG_H
#define OS_LOG_H

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* component: "smtpd", "qmgr", "smtp", "local", "master"...: the line begins "2026-11-21T19:08:35.123Z thurn/smtpd[123]: ". */
void log_open(slice component, int fd, enum log_level least);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A fact of an event, by its stable name ("client"); text as the peer sent it: each sink escapes in its own way. */
struct log_field {
    slice name;
    bool number;
    int64_t value; /* of a number */
    slice text;
};
/* event: its stable name ("reject"); message: the line for people, without time and process; both and all texts must live until the call returns. Any thread. log_line is the event "note" without fields. */
void log_record(enum log_level level, slice event, const struct log_field *fields, size_t count, slice message);
/* Writes what has gathered; called once a loop turn and before exit. */
void log_flush(void);
/* At exit: tries for at most 200 ms. */
void log_close(void);

#endif
