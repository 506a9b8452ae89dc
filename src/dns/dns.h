/* SPDX-License-Identifier: ISC */
/* The face of the room dns: libunbound, which is seen in dns.c and nowhere else, on the event loop or, for command-line tools, with a bounded wait. Forwards to the name
 * servers of /etc/resolv.conf, knows /etc/hosts, keeps one cache a context. A context is made after fork, and anew, in the sandbox, for questions that come after /etc/resolv.conf has
 * changed: it takes no other servers once it was asked. Its thread starts with the first question, so privileges are given up before that. Answers are bytes of the network: whoever reads records checks them. Of mail it knows the shape of MX records (hosts.h)
 * and no more. */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "os/os.h"
#include "dns/dns_name.h"
#include "dns/hosts.h"

struct dns;

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };
enum dns_status { DNS_FOUND, DNS_NODATA, DNS_NXDOMAIN, DNS_TEMPORARY };

#define DNS_RECORDS_MAX 64u

struct dns_answer {
    enum dns_status status;
    const slice *records; /* the data of each, at most DNS_RECORDS_MAX; live for the call of done */
    size_t count;
};

/* The asker's memory, which must live until done was called: it is called once for each question that was taken. */
struct dns_question {
    void (*done)(void *ctx, const struct dns_answer *answer);
    void *ctx;
    struct dns_context *asked; /* dns's own */
};

must_check enum err dns_open(struct loop *loop, struct dns **dns_r);
/* Questions under way are dropped: their done is not called. */
void dns_close(struct dns **d);
/* done is called in a later turn, never before this returns. ERR_SYSTEM: not taken. */
must_check enum err dns_ask(struct dns *d, const struct dns_name *name, enum dns_type type, struct dns_question *q);

/* A question of a command-line tool, and what came: DNS_TEMPORARY when nothing did in time. */
struct dns_wanted {
    struct dns_name name;
    enum dns_type type;
    enum dns_status status;
    slice *records; /* in the arena given */
    size_t count;
};
/* Asks all of them at once, in a loop and a context of their own, and waits for at most so long. Errors are those of this machine (ERR_NOMEM, ERR_SYSTEM); what
 * the network says is in each wanted's status. */
must_check enum err dns_find(struct dns_wanted *wanted, size_t count, struct arena *arena, int64_t wait_ms);

#endif
