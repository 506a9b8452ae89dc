/* SPDX-License-Identifier: ISC */
#include "route/subaddress.h"

bool route_subaddress_strip(const struct route_domain *domain, slice local, slice *user_r)
{
    if (domain->subaddress.len == 0 || local.len == 0 || local.ptr[0] == '"')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        if (slice_find_char(domain->subaddress, local.ptr[i]) < 0)
            continue;
        if (i == 0)
            return false;
        *user_r = slice_sub(local, 0, i);
        return true;
    }
    return false;
}
