/* SPDX-License-Identifier: ISC */
/* The face of the room conf: a TOML file in, one immutable value out. One option table (conf/tables/) gives every key's name, type, bounds, default and one-line
 * doc; the parser, `thurn config --defaults` and the man page come from it. All errors of a file are gathered in one run, each with file:line:column, the
 * line, a caret and, where it helps, "did you mean". A key whose feature is not built yet is an error that says so. The value lives in its own
 * arena and is never changed; a reload makes a new one. Reads files (aliases, members) but opens no mailbox, socket or key. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "os/os.h"
#include "route/route.h"

enum conf_listen_role { CONF_LISTEN_MX, CONF_LISTEN_SUBMISSION, CONF_LISTEN_LMTP };
enum conf_listen_tls { CONF_TLS_NONE, CONF_TLS_STARTTLS, CONF_TLS_IMPLICIT };

struct conf_listener {
    enum conf_listen_role role;
    slice text; /* as written */
    slice host; /* "*" is every IPv4 and IPv6 address; an address otherwise */
    uint16_t port;
    slice unix_path; /* instead of host and port */
    enum conf_listen_tls tls;
    bool proxy; /* a PROXY header comes first, from conf.trust.proxy only */
    uint32_t line;
};

struct conf_tls {
    slice name; /* SNI name; empty for [tls] itself */
    slice cert, key;
};

enum conf_auth_via { CONF_AUTH_STORE, CONF_AUTH_FILE, CONF_AUTH_DOVECOT };

struct conf_auth {
    enum conf_auth_via via;
    slice path; /* of the file, or of Dovecot's socket */
    bool argon2id;
    bool plaintext_on_loopback;
    slice client_ca; /* empty: no certificate is asked for */
    slice introspection, introspection_id, introspection_secret_file, introspection_ca; /* URL empty: there is none */
    slice jwt_key, jwt_issuer, jwt_audience;
    slice claim;
};

struct conf_queue {
    slice dir;
    const int64_t *retry_s; /* ascending use; the last repeats */
    size_t retry_count;
    int64_t give_up_s;        /* 5 d */
    int64_t bounce_give_up_s; /* 1 d, or give_up when that is less */
    int64_t warn_after_s;     /* 4 h; 0 never */
    uint64_t min_free;        /* bytes */
    uint32_t connections_per_destination;
    bool signed_8bit_bounce; /* signed mail that the host could have only converted: bounced, not sent as it is */
};

enum conf_query { CONF_QUERY_NONE, CONF_QUERY_AUTHENTICATED, CONF_QUERY_ANY };

struct conf_limits {
    uint64_t max_size;
    uint32_t sessions, sessions_per_address, connections_per_minute, messages_per_session, recipients, errors,
        auth_failures, hops;
    uint32_t user_messages_per_hour, user_recipients_per_hour; /* of a login; 0 none */
    uint32_t min_rate;                                         /* bytes a second */
    int64_t pregreet_ms, tarpit_ms, command_timeout_ms, data_timeout_ms, future_release_s;
    enum conf_query vrfy, expn, etrn;
    bool user_alarm;
    bool refuse_null_mx;
    bool bare_newline_reject, strict_paths;
};

/* Peers that are believed by their address; senders of the networks are not used. */
struct conf_peers {
    const struct route_network *networks;
    size_t count;
};

/* [trust] */
struct conf_trust {
    struct conf_peers proxy, xclient, xforward;
};

enum conf_bad_job { CONF_BAD_JOB_HOLD, CONF_BAD_JOB_DELETE, CONF_BAD_JOB_DEAD_LETTER };

#define CONF_BATCH_ADMINISTRATORS_MAX 4

/* [batch]: thurn batch. */
struct conf_batch {
    slice folder;       /* watched, and drop box of users; empty: none */
    const slice *allow; /* users, and "@group" */
    size_t allow_count;
    const slice *administrators;
    size_t administrator_count;
    uint32_t error_limit; /* 0: none */
    enum conf_bad_job bad_job;
    slice dead_letter; /* folder */
};

/* [log] */
struct conf_log {
    struct log_settings lines;
    uint64_t trace; /* bytes of all ring files together; 0: none */
};

/* A file that the configuration was made from, to see when it changes. */
struct conf_source {
    slice path;
    struct os_file_stamp stamp;
};

struct conf {
    struct arena arena;
    slice path;
    slice state_dir, user;
    struct conf_queue queue;
    struct conf_auth auth;
    struct conf_limits limits;
    struct conf_batch batch;
    struct conf_log log;
    struct conf_trust trust;
    struct conf_listener *listeners;
    size_t listener_count;
    struct conf_tls *tls;
    size_t tls_count;
    struct route_tables route;
    struct alias_table **alias_tables; /* each file once; route.domains point to them */
    size_t alias_table_count;
    struct conf_source *sources;
    size_t source_count;
    bool development; /* made by thurn dev: any recipient, nothing leaves */
};

/* One thing that is wrong, doubtful or worth knowing; what all checks of a configuration come to. Slices live for the call. */
enum conf_severity { CONF_ERROR, CONF_WARNING, CONF_NOTE };
struct conf_finding {
    enum conf_severity severity;
    slice file;            /* which it is in: the configuration's, or one that this one names */
    uint32_t line, column; /* 0: the file as a whole */
    slice key;             /* tls.key, domain."example.org".aliases; empty: no key's */
    slice text;
};
struct conf_sink {
    void (*take)(void *ctx, const struct conf_finding *f);
    void *ctx;
};
/* One line, "FILE:LINE:COLUMN: warning: TEXT". */
void conf_finding_print(const struct conf_finding *f, buf *out);

/* Reads and checks path. On any error: ERR_SYNTAX (or what kept the file from being read) and `messages` has all errors and warnings as text for people, ending in
 * LF each; on ERR_OK `messages` has the warnings. color: ANSI colours in messages. */
must_check enum err conf_load(const char *path, bool color, buf *messages, struct conf **conf_r);
/* The same, told one by one. */
must_check enum err conf_load_told(const char *path, const struct conf_sink *sink, struct conf **conf_r);
/* The same for a program that only asks the server: files that the configuration names (certificates, keys, passwords, aliases, members) are neither
 * read nor looked for, because the caller may not be allowed to. Tables that come from them are empty. */
must_check enum err conf_load_alone(const char *path, bool color, buf *messages, struct conf **conf_r);
/* The same from bytes (tests, fuzzing, thurn dev); path is for messages. */
must_check enum err conf_parse(slice path, slice content, bool color, buf *messages, struct conf **conf_r);
void conf_close(struct conf **conf);
/* What differs for people between two generations, one statement a line ("NEW: 10.1.2.0/24 may relay"); empty when nothing does. */
void conf_describe_changes(const struct conf *old, const struct conf *new_conf, buf *out);
/* Every key with its default and doc, as TOML comments and lines. */
void conf_print_defaults(buf *out);
/* The option table as mdoc list items for thurn.toml(5). */
void conf_print_mdoc(buf *out);

#endif
