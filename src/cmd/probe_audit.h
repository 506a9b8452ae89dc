/* SPDX-License-Identifier: ISC */
/* Inside the room only: `thurn probe --audit`: tries on one's own server what attackers try on it, and says of each whether it is well. Harmless by design: strangers' addresses are
 * asked for with RCPT and never get a message; DATA goes only to the address of one's own that --to names; no password is guessed; connections are one at a time, and
 * their number and the time of all together are bounded. A check is a function of its own with connections of its own; a host that does not answer as expected is a warning. */
#ifndef CMD_PROBE_AUDIT_H
#define CMD_PROBE_AUDIT_H

#include "cmd/probe_find.h"
#include "cmd/probe_session.h"

#define PROBE_AUDIT_MS (5 * 60 * 1000)
#define PROBE_AUDIT_CONNECTIONS_MAX 60u

struct probe_audit {
    struct probe_session *p;
    const struct probe_show *show; /* for findings: never quiet */
    struct probe_place place;
    const struct tls_client *tls;
    slice greeting;                  /* its text */
    slice own;                       /* a domain of the server's */
    slice stranger, stranger_domain; /* local part and domain of whoever is none of the server's */
    bool has_starttls;
    unsigned connections;
    unsigned found[3]; /* by enum probe_finding_kind */
};

/* Of a finding; the remedy is told unless it is well. */
struct probe_audit_about {
    const char *check; /* a stable name */
    enum probe_finding_kind kind;
    const char *remedy;
};

/* What would be done, on standard output, and that it needs --yes. The exit status. */
int probe_audit_plan(const struct probe_options *o);
/* The exit status: 0 nothing bad, 65 something bad, else why there was no audit. */
int probe_audit(struct probe_session *p, const struct probe_places *places, const struct tls_client *t);

void probe_audit_find(struct probe_audit *a, const struct probe_audit_about *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A new connection, in place of the one before: greeted only; or with TLS, where there is any, and EHLO said. */
bool probe_audit_connect(struct probe_audit *a);
bool probe_audit_plain(struct probe_audit *a);
bool probe_audit_begin(struct probe_audit *a);
/* Replies until one has this code, or the connection ends: how many others came before it, at most max. *first_r: the first one's code, or 0. */
size_t probe_audit_replies(struct probe_audit *a, uint16_t until, size_t max, uint16_t *first_r);

/* probe_audit_relay.c */
void probe_audit_relay(struct probe_audit *a);
void probe_audit_verify(struct probe_audit *a);
/* {u}@{d}: a stranger; {h}: the server's domain; {i}: its address. Pure. */
void probe_audit_form(buf *out, const char *pattern, const slice values[4]);
/* probe_audit_tls.c */
void probe_audit_starttls(struct probe_audit *a);
void probe_audit_certificate(struct probe_audit *a);
void probe_audit_versions(struct probe_audit *a);
void probe_audit_auth(struct probe_audit *a);
/* probe_audit_lines.c */
void probe_audit_greeting(struct probe_audit *a);
void probe_audit_pregreet(struct probe_audit *a);
void probe_audit_size(struct probe_audit *a);
void probe_audit_long_line(struct probe_audit *a);
void probe_audit_smuggling(struct probe_audit *a);
/* Does a greeting tell the version of the software? Pure. */
bool probe_audit_tells_version(slice greeting);

#endif
