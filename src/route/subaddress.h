/* SPDX-License-Identifier: ISC */
/* Subaddresses (RFC 5233): user+detail, for the files of this room only. The separators are the domain's; the user is what stands
 * before the first of them. A local part that begins with a separator, or a quoted one, has no subaddress.
 * Results are views of the input; nothing is allocated.
 */
#ifndef ROUTE_SUBADDRESS_H
#define ROUTE_SUBADDRESS_H

#include "route/tables.h"

/* False, and *user_r untouched, when local has no subaddress in this domain. */
bool route_subaddress_strip(const struct route_domain *domain, slice local, slice *user_r);

#endif
