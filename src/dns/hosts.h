/* SPDX-License-Identifier: ISC */
/* The hosts of an answer to ask_mx or ask_host, gathered from MX, A and AAAA records, and how they are
 * written into answer_mx. At most 20 hosts, the best preferences first, and 16 addresses each. Pure functions. */
#ifndef DNS_HOSTS_H
#define DNS_HOSTS_H

#include "dns/dns_name.h"

#define HOSTS_MAX 20u
#define HOST_ADDRESSES_MAX 16u

struct host_addresses {
    uint8_t v4[HOST_ADDRESSES_MAX][4];
    uint8_t v6[HOST_ADDRESSES_MAX][16];
    size_t v4_count, v6_count;
};

struct host {
    struct dns_name name;
    uint16_t preference;
    struct host_addresses addresses;
    bool temporary; /* an address could not be had; perhaps later */
};

enum hosts_mx { HOSTS_MX_SOME, HOSTS_MX_NULL /* RFC 7505 */, HOSTS_MX_NONE /* none that can be read */ };

/* MX records, sorted by preference and cut to HOSTS_MAX; hosts has room for as many as there are records. */
enum hosts_mx hosts_of_mx(const slice *records, size_t count, struct host *hosts, size_t *host_count_r);
/* The data of one A or AAAA record; what is neither 4 nor 16 bytes long, and what is too many, is left out. */
void host_add_address(struct host_addresses *a, slice record);
bool host_has_address(const struct host_addresses *a, const uint8_t *ip, size_t ip_len);
/* As ipc/tables/messages.h says. */
void hosts_encode(buf *b, const struct host *hosts, size_t count);

#endif
