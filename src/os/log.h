/* SPDX-License-Identifier: ISC */
/* The log: one record an event, in Postfix's vocabulary for people and with its facts as fields for programs: as a line of text or JSON on standard error (or a descriptor set at start), as a datagram to the
 * journal or to syslog. Records gather in memory and go out once a loop turn, without blocking; when the reader is too slow whole records are dropped and counted, and the count is logged.
 * All that peers have a hand in is escaped at this sink: control bytes, broken UTF-8 and line breaks become \xNN in what people read, what JSON asks for in JSON. Secrets are never passed here.
 * A client that gives cause for many lines gets few: those that have its address ("client") and belong to no mail (no "id") are counted instead, a bucket for each address and kind of event.
 * The socket to journal or syslog is the master's, made before its children are forked and shared with them: they may not connect, but when the daemon was started again the master connects it anew for all. */
#ifndef OS_LOG_H
#define OS_LOG_H

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_to { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNAL };
enum log_format { LOG_TEXT, LOG_JSON /* not of the journal, which has fields of its own */ };

struct log_settings {
    enum log_to to;
    enum log_format format;
    enum log_level least;
    uint32_t client_lines; /* of one kind about one client at once; then one a second. 0: no limit */
    slice socket;          /* path of the daemon's socket; empty: where the system has it */
};

/* component: "smtpd", "qmgr", "smtp", "local", "master"...: a line begins "2026-11-21T19:08:35.123Z thurn/smtpd[123]: ". Text to fd, without a limit for clients. When fd is a stream of the journal (JOURNAL_STREAM) lines begin with
 * <PRIORITY> instead of the time, which it notes itself. A file is written at its end from now on, by all who share it. */
void log_open(slice component, int fd, enum log_level least);
/* From now on so, under the name that log_open gave; standard error is 2. An error is the socket's: what is logged then waits in memory for log_reconnect, and what does not fit is counted. */
must_check enum err log_use(const struct log_settings *settings);
/* In a child of whoever called these: the same, under a name of its own. */
void log_begin(slice component);
/* The socket that a child has to keep; -1: none. */
int log_socket(void);
/* Master only, now and then: connects the socket to the daemon that is there now. ERR_OK also when there is none to connect. */
must_check enum err log_reconnect(void);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A fact of an event, by its stable name ("client"); text as the peer sent it: each sink escapes in its own way. */
struct log_field {
    slice name;
    uint8_t key; /* the caller's own number for it */
    bool number;
    int64_t value; /* of a number */
    slice text;
};
/* An event: its stable name ("reject"), and the line for people, without time and process. All texts must live until the call returns. */
struct log_said {
    enum log_level level;
    int64_t now_us; /* since 1970 */
    slice event;
    const struct log_field *fields;
    size_t count;
    slice client; /* who gives cause for it: an address as text, or empty */
    bool of_mail; /* such lines are always written */
    slice message;
};
/* Any thread. log_line is the event "note" without fields. */
void log_say(const struct log_said *said);
/* Whether a record of this level would be written: what costs something to say may be left unsaid. */
bool log_wants(enum log_level level);

/* Writes what has gathered; called once a loop turn and before exit. Milliseconds until the next one is due though nothing new was logged, since something waits; -1: never. */
int64_t log_flush(void);
/* At exit: tries for at most 200 ms. */
void log_close(void);

#endif
