/* SPDX-License-Identifier: ISC */
/* The hash indexes over one generation's tables: what struct route_index is made of, for the files of this room only. Built once by
 * route_index_open and never changed afterwards, so that it may be read from anywhere. The tables themselves belong to whoever gave them.
 * Keys of addresses are whole addresses, compared without case. A domain named "*" (a development server's) is every domain that is not named.
 */
#ifndef ROUTE_INDEX_H
#define ROUTE_INDEX_H

#include "route/tables.h"

/* The longest address that a look-up makes room for: a local part of 255, "@" and a domain of 255 octets. */
#define ROUTE_ADDRESS_MAX 512

struct route_domain_index {
    struct table users; /* local part, struct route_user; filled for USERS_LIST */
};

struct route_index {
    const struct route_tables *tables;
    struct hash_key key;
    struct arena arena; /* holds this struct, too */
    struct table domains, addresses, lists, owners, overrides, logins, alias_tables;
    struct route_domain_index *by_domain; /* beside tables->domains */
    const struct route_domain *any_domain;
    const struct route_override *any_override;
};

/* The user of a USERS_LIST domain, or NULL. */
const struct route_user *route_index_user(const struct route_index *index, const struct route_domain *domain,
                                          slice local);
const struct route_address *route_index_address(const struct route_index *index, slice local, slice domain);
const struct route_list *route_index_list(const struct route_index *index, slice local, slice domain);
/* The list whose owner this is, or NULL. */
const struct route_list *route_index_owner(const struct route_index *index, slice local, slice domain);
/* The override written for this domain, or NULL; "*" is any_override. */
const struct route_override *route_index_override(const struct route_index *index, slice domain);
const struct route_send_as *route_index_send_as(const struct route_index *index, slice login);
const struct alias_table *route_index_alias_table(const struct route_index *index, slice name);
/* Splits "local@domain" at its last "@"; without one the domain is empty. */
struct address route_address_split(slice text);

#endif
