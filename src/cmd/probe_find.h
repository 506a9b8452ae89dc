/* SPDX-License-Identifier: ISC */
/* Inside the room only: from the target of `thurn probe` to the addresses that it tries, in the order in which the sender would (route/mx.h): a domain's MX hosts, else the domain
 * itself; a null MX (RFC 7505) is told. What the DNS said is shown as it is found. */
#ifndef CMD_PROBE_FIND_H
#define CMD_PROBE_FIND_H

#include "cmd/probe.h"
#include "cmd/probe_show.h"
#include "route/route.h"

#define PROBE_PLACES_MAX 10u

struct probe_place {
    slice name; /* of the host, for TLS; an address's own text; empty for a socket of files */
    struct socket_address address;
};

struct probe_places {
    struct probe_place of[PROBE_PLACES_MAX];
    size_t count;
};

/* 0, or the exit status, and *why_r says why. Names live in the arena. */
int probe_find(const struct probe_options *o, const struct probe_show *show, struct arena *arena,
               struct probe_places *places, const char **why_r);
/* MX records as the hosts that they name, unreadable ones left out: at most HOSTS_MAX (dns/hosts.h), best first. hosts' names are the arena's. *null_r: one is the root (RFC 7505). */
size_t probe_find_hosts(const slice *records, size_t count, struct arena *arena, struct mx_host *hosts, bool *null_r);

#endif
