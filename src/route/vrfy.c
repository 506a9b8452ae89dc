/* SPDX-License-Identifier: ISC */
#include "route/resolve.h"

#include "route/index.h"

const struct route_domain *route_vrfy_domain(const struct route_index *index, size_t i)
{
    const struct route_tables *t = index->tables;
    for (size_t at = 0; at < 2 * t->domain_count; at++) {
        const struct route_domain *domain = &t->domains[at % t->domain_count];
        bool last = at >= t->domain_count;
        if (domain->same_as || domain == index->any_domain || (domain->users == USERS_ANY) != last)
            continue;
        if (i-- == 0)
            return domain;
    }
    return NULL;
}

bool route_user_find(const struct route_domain *domain, slice local, slice *full_name_r)
{
    for (size_t i = 0; domain->users == USERS_LIST && i < domain->user_count; i++) {
        if (slice_equal_nocase(domain->user_list[i].local, local)) {
            *full_name_r = domain->user_list[i].full_name;
            return true;
        }
    }
    return false;
}
