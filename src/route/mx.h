/* SPDX-License-Identifier: ISC */
/* Order of the hosts of an MX answer (RFC 5321 section 5.1): by preference, equal ones shuffled by a seed, ourselves and what is not better than us left out, loopback and
 * unspecified addresses refused, families interleaved with IPv6 first. Null MX (RFC 7505). */
#ifndef ROUTE_MX_H
#define ROUTE_MX_H

#include "mail/mail.h"

struct mx_address {
    uint8_t ip[16];
    uint8_t ip_len;
};

struct mx_host {
    slice name;
    uint16_t preference;
    const struct mx_address *addresses;
    size_t address_count;
};

struct mx_target {
    slice name; /* for TLS and logs */
    struct mx_address address;
};

struct mx_self {
    slice hostname;
    const struct mx_address *addresses; /* our own listening addresses */
    size_t address_count;
};

/* Where the order goes: room for max targets from the caller; count is set with STATUS_OK only. */
struct mx_order {
    struct mx_target *targets;
    size_t max, count;
};

/* Fills order in the order to try. STATUS_OK; NULL_MX (a single "." host); LOOPS_BACK (nothing better than ourselves is left);
 * HOST_UNKNOWN (no address at all). At most 256 hosts are looked at; a host with many addresses leaves room for the next one. */
enum status mx_order(const struct mx_host *hosts, size_t host_count, const struct mx_self *self, uint32_t seed,
                     struct mx_order *order);

#endif
