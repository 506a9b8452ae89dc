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
/* Writes what has gathered; called once a loop turn and before exit. */
void log_flush(void);
/* At exit: tries for at most 200 ms. */
void log_close(void);

#endif
