/* SPDX-License-Identifier: ISC */
/* Inside the room only: what `thurn probe` prints: a line a step for people, or an object a step as JSON (thurn-probe(1) has the names). All of it goes to standard
 * output at once, so that who waits sees where it stands. Peers' bytes are escaped here. What must stay secret never comes here: the caller says "(hidden)". */
#ifndef CMD_PROBE_SHOW_H
#define CMD_PROBE_SHOW_H

#include "os/os.h"
#include "smtp/smtp.h"

struct probe_show {
    bool json, color;
    bool quiet; /* steps are left out: an audit shows its findings */
    size_t width;
};

/* An answer of the DNS. host and addresses may be empty. */
struct probe_show_dns {
    const char *type; /* "MX", "A" */
    slice domain, host, addresses;
    unsigned preference;
    int64_t us;
};

enum probe_finding_kind { PROBE_OK, PROBE_WARNING, PROBE_BAD };
struct probe_finding {
    const char *check; /* a stable name */
    enum probe_finding_kind kind;
    slice text;
    slice remedy; /* what to do; may be empty */
};

/* How it ended. */
struct probe_result {
    slice text;
    int status;
    const char *tls; /* "none", "unverified", "verified" */
    bool reached;
};

/* Times in microseconds. */
void probe_show_dns(const struct probe_show *s, const struct probe_show_dns *d);
void probe_show_connect(const struct probe_show *s, slice address, enum err e, int64_t us);
void probe_show_sent(const struct probe_show *s, slice line);
/* to: the command that it answers. */
void probe_show_reply(const struct probe_show *s, slice to, const struct smtp_reply *r, int64_t us);
void probe_show_tls(const struct probe_show *s, const struct tls_facts *f, int64_t days_left, int64_t us);
void probe_show_note(const struct probe_show *s, slice text);
/* What went wrong that is no reply. */
void probe_show_fault(const struct probe_show *s, slice text, int64_t us);
void probe_show_finding(const struct probe_show *s, const struct probe_finding *f);
void probe_show_result(const struct probe_show *s, const struct probe_result *r);

#endif
