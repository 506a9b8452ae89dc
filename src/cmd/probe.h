/* SPDX-License-Identifier: ISC */
/* Inside the room only: what `thurn probe` was asked to do. The options as they were given and the target as it was read; nothing here talks to anybody. Strings are argv's
 * and live as long as the program; the secret is in the caller's buffer, which wipes it. A probe says what it is told to say, whether the host offers it or not: that is
 * what it is for. So it has a dialogue of its own (probe_link.h, probe_session.h) and not the sender's engine, which never says what was not offered. */
#ifndef CMD_PROBE_H
#define CMD_PROBE_H

#include "cmd/command.h"
#include "os/os.h"
#include "smtp/smtp.h"

#define PROBE_RECIPIENTS_MAX 100u
#define PROBE_WORDS_MAX 50u /* header fields, attachments, raw commands: of each */
#define PROBE_TIMEOUT_S 30
#define PROBE_TIMEOUT_MAX_S 3600

enum probe_tls { PROBE_TLS_MAY, PROBE_TLS_NONE, PROBE_TLS_REQUIRE, PROBE_TLS_VERIFY, PROBE_TLS_SMTPS };
enum probe_quit {
    PROBE_QUIT_NEVER,
    PROBE_QUIT_CONNECT,
    PROBE_QUIT_HELO,
    PROBE_QUIT_STARTTLS,
    PROBE_QUIT_AUTH,
    PROBE_QUIT_MAIL,
    PROBE_QUIT_RCPT,
    PROBE_QUIT_DATA
};
enum probe_family { PROBE_ANY_FAMILY, PROBE_IPV4, PROBE_IPV6 };

enum probe_target_kind {
    PROBE_TARGET_DOMAIN, /* a name without a port: its MX hosts, or itself */
    PROBE_TARGET_HOST,   /* a name with a port: its addresses */
    PROBE_TARGET_ADDRESS,
    PROBE_TARGET_UNIX
};

struct probe_target {
    enum probe_target_kind kind;
    slice host; /* the name, the address without brackets, or the path */
    uint16_t port;
    bool port_given, smtps, lmtp;
    struct socket_address address; /* of an address or a path */
};

struct probe_words {
    slice of[PROBE_WORDS_MAX];
    size_t count;
};

struct probe_options {
    struct command command;
    struct probe_target target;
    bool json, audit, yes, verbose;
    slice helo, from, relay_to;
    bool from_given;
    slice to[PROBE_RECIPIENTS_MAX];
    size_t to_count;
    const char *data; /* a path, "-", or NULL */
    slice subject;
    struct probe_words headers, attachments, commands;
    enum probe_tls tls;
    enum probe_quit quit_after;
    slice mechanism, user, password_file, token_file, cert, key, ca;
    bool insecure_login;
    bool pipelining, bdat, smtputf8, eight_bit, binary, requiretls, size;
    uint64_t bdat_size; /* 0: all in one chunk */
    slice notify, ret, envid, orcpt, xclient, xforward;
    bool proxy;
    unsigned proxy_version;
    struct socket_address proxy_source;
    enum probe_family family;
    bool has_source;
    struct socket_address source;
    int64_t timeout_ms;
};

/* Reads HOST, HOST:PORT, [ADDRESS]:PORT, ADDRESS, unix:/path, smtp://..., smtps://..., lmtp:... into *target_r, whose slices look into text. Without a port it is 25, with smtps 465, with lmtp 24. ERR_SYNTAX. */
must_check enum err probe_target_read(slice text, struct probe_target *target_r);
/* It is LMTP, or TLS from the start, after all: the port changes with it where none was given. */
void probe_target_lmtp(struct probe_target *t);
void probe_target_smtps(struct probe_target *t);
/* Of this machine: a socket of files too. */
bool probe_is_loopback(const struct socket_address *a);
/* The whole command line. False: exit with *status_r, what there was to say is said. */
bool probe_options_read(struct probe_options *o, int argc, char **argv, int *status_r);

#endif
