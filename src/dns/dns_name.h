/* SPDX-License-Identifier: ISC */
/* Part of dns/dns.h: domain names as text and as DNS writes them (RFC 1035 section 3.1), all of them hostile. A name here is lower
 * case, without the last dot, at most 253 bytes in labels of 1 to 63 letters, digits, hyphens and underscores. Pure functions. */
#ifndef DNS_DNS_NAME_H
#define DNS_DNS_NAME_H

#include "base/base.h"

#define DNS_NAME_MAX 253u

struct dns_name {
    char text[DNS_NAME_MAX + 1]; /* NUL-terminated */
    size_t len;
};

/* From text, a last dot taken off. ERR_SYNTAX. */
must_check enum err dns_name_set(struct dns_name *name, slice text);
/* From the bytes of a record, uncompressed; the root is the empty name. ERR_SYNTAX. */
must_check enum err dns_name_read(struct dns_name *name, slice wire);
/* "1.2.0.192.in-addr.arpa" of 4 bytes, or the ip6.arpa name of 16 (RFC 3596 section 2.5). */
void dns_name_reverse(struct dns_name *name, const uint8_t *ip, size_t ip_len);
slice dns_name_slice(const struct dns_name *name);

#endif
