/* SPDX-License-Identifier: ISC */
/* Inside the room only: libunbound on the loop. It is seen in dns.c and nowhere else. Forwards to the name servers of /etc/resolv.conf, knows /etc/hosts, keeps the
 * one cache of the house. The context is made after fork; its thread starts with the first question. Answers are bytes of the network:
 * whoever reads records checks them. */
#ifndef PROC_LOOKUP_DNS_H
#define PROC_LOOKUP_DNS_H

#include "os/os.h"
#include "proc/lookup/dns_name.h"

struct dns;

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_AAAA = 28 };
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
};

must_check enum err dns_open(struct loop *loop, struct dns **dns_r);
/* Questions under way are dropped: their done is not called. */
void dns_close(struct dns **d);
/* done is called in a later turn, never before this returns. ERR_SYSTEM: not taken. */
must_check enum err dns_ask(struct dns *d, const struct dns_name *name, enum dns_type type, struct dns_question *q);

#endif
