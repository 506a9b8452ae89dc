/* SPDX-License-Identifier: ISC */
/* Networks of IP addresses, for the files of this room only: whether an address lies in a network. An IPv4 address that comes
 * mapped into IPv6 (::ffff:192.0.2.1) is judged as the IPv4 address that it is. Texts of networks are read by room conf.
 * Nothing here allocates or fails.
 */
#ifndef ROUTE_NETWORK_H
#define ROUTE_NETWORK_H

#include "route/tables.h"

/* ip_len is 4 or 16, or 0 for no address at all, which lies nowhere. */
bool route_network_contains(const struct route_network *network, const uint8_t *ip, uint8_t ip_len);
/* The address just before the first one, and the one just after the last one of the network; false when there is none. */
bool route_network_before(const struct route_network *network, uint8_t ip_r[16]);
bool route_network_after(const struct route_network *network, uint8_t ip_r[16]);

#endif
