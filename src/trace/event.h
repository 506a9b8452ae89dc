/* SPDX-License-Identifier: ISC */
/* What happens to mails, sessions and hosts is told once, here. Part of the face trace/trace.h. An event is a kind, the fields that are known of it, and the words for people. trace_emit gives
 * it to the log (os/log: text in Postfix's vocabulary, JSON, or the journal with its fields), counts it, and puts it into this process's ring file, from which `thurn trace` and `thurn top` read.
 * Peers' bytes are escaped where they leave: at the log's sink, at the terminal. Secrets never come here. A process without a ring (commands, tests, a full disk at start) still logs and counts nothing.
 * Names of kinds and keys are a contract (log filters, --json, journal fields): they are only ever added to. */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include "base/base.h"
#include "os/os.h"

/* TRACE_X: enum word, name in JSON, journal and --json, what its counter counts. */
#define TRACE_KINDS(X)                                                                                                 \
    X(NOTE, "note", "other lines")                                                                                     \
    X(CONNECT, "connect", "sessions begun by clients")                                                                 \
    X(DISCONNECT, "disconnect", "sessions ended")                                                                      \
    X(REJECT, "reject", "commands refused")                                                                            \
    X(LOGIN, "login", "logins")                                                                                        \
    X(LOGIN_FAILED, "login-failed", "failed logins")                                                                   \
    X(ACCEPTED, "accepted", "mails taken: on disk, and acknowledged")                                                  \
    X(QUEUED, "queued", "mails that the queue has begun with")                                                         \
    X(CONNECTED, "connected", "sessions begun with hosts")                                                             \
    X(HOST_FAILED, "host-failed", "hosts that could not be used")                                                      \
    X(SENT, "sent", "recipients delivered")                                                                            \
    X(DEFERRED, "deferred", "recipients deferred")                                                                     \
    X(BOUNCED, "bounced", "recipients refused for good")                                                               \
    X(REPORT, "report", "bounces and reports sent")                                                                    \
    X(HELD, "held", "mails held")                                                                                      \
    X(RELEASED, "released", "mails released")                                                                          \
    X(REMOVED, "removed", "mails that left the queue")                                                                 \
    X(WAITING, "waiting", "times that a mail was put back for a later try")

/* Enum word, name; journal fields are THURN_ and the name in capitals, with _ for -. */
#define TRACE_KEYS(X)                                                                                                  \
    X(ID, "id")                 /* queue id, as printed */                                                             \
    X(MESSAGE_ID, "message-id") /* with its brackets */                                                                \
    X(CLIENT, "client")         /* address alone, no brackets, no port */                                              \
    X(CLIENT_NAME, "client-name")                                                                                      \
    X(HELO, "helo")                                                                                                    \
    X(LISTENER, "listener") /* "mx", "submission", "lmtp", "local" */                                                  \
    X(LOGIN, "login")                                                                                                  \
    X(MECHANISM, "mechanism")                                                                                          \
    X(TLS, "tls") /* "TLSv1.3 with cipher ..." */                                                                      \
    X(COMMAND, "command")                                                                                              \
    X(FROM, "from") /* address without brackets; empty: <> */                                                          \
    X(TO, "to")                                                                                                        \
    X(ORIGINAL_TO, "orig-to")                                                                                          \
    X(RELAY, "relay")                                                                                                  \
    X(DESTINATION, "destination")                                                                                      \
    X(STATUS, "status") /* "sent", "deferred", "bounced" */                                                            \
    X(CODE, "code")     /* number */                                                                                   \
    X(DSN, "dsn")                                                                                                      \
    X(REASON, "reason")                                                                                                \
    X(SIZE, "size")                     /* number, bytes */                                                            \
    X(RECIPIENTS, "recipients")         /* number */                                                                   \
    X(DELAY_MS, "delay-ms")             /* number, since arrival */                                                    \
    X(SYNC_MS, "sync-ms")               /* number */                                                                   \
    X(DNS_MS, "dns-ms")                 /* number */                                                                   \
    X(CONNECT_MS, "connect-ms")         /* number */                                                                   \
    X(TLS_MS, "tls-ms")                 /* number */                                                                   \
    X(NEXT, "next")                     /* number, seconds since 1970 of the next try */                               \
    X(LINES_LEFT_OUT, "lines-left-out") /* number: like it, not logged, since the last one */                          \
    X(PORT, "port")                     /* number: the listener's */                                                   \
    X(VERIFIED, "verified")             /* the host's certificate and name: "yes", "no" */                             \
    X(REPORT, "report")                 /* queue id of the bounce or report that was made */

#define TRACE_ENUM_KIND(word, name, counts) TRACE_##word,
#define TRACE_ENUM_KEY(word, name) TRACE_KEY_##word,
enum trace_kind { TRACE_KINDS(TRACE_ENUM_KIND) TRACE_KIND_COUNT };
enum trace_key { TRACE_KEYS(TRACE_ENUM_KEY) TRACE_KEY_COUNT };

#define TRACE_FIELDS_MAX 16u

struct trace_event {
    enum trace_kind kind;
    enum log_level level;
    size_t count;
    struct log_field fields[TRACE_FIELDS_MAX]; /* key: enum trace_key; texts must live until trace_emit */
};

slice trace_kind_name(enum trace_kind kind);
slice trace_key_name(enum trace_key key);

void trace_event_init(struct trace_event *e, enum trace_kind kind, enum log_level level);
/* An empty text is left out, except FROM's. More than TRACE_FIELDS_MAX: an assertion. */
void trace_add(struct trace_event *e, enum trace_key key, slice text);
void trace_add_number(struct trace_event *e, enum trace_key key, int64_t value);
/* What was added under the key; empty, or fallback, when nothing was. */
slice trace_text(const struct trace_event *e, enum trace_key key);
int64_t trace_number(const struct trace_event *e, enum trace_key key, int64_t fallback);
/* message: the line for people, without time and process ("7K3QX2M9: from=<a@b>, size=..."). Any thread. Costs no system call: log and ring are written by log_flush and the kernel. */
void trace_emit(const struct trace_event *e, slice message);
/* The same for who has looked at the clock; microseconds since 1970. */
void trace_emit_at(const struct trace_event *e, slice message, int64_t now_us);

#endif
