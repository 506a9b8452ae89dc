/* SPDX-License-Identifier: ISC */
#include "route/mx.h"

/* More hosts than this do not fit into a sensible answer; the rest is left out. */
#define HOSTS_MAX 256

struct work {
    const struct mx_host *hosts;
    size_t count;
    uint32_t seed;
    uint32_t limit; /* only preferences below it */
    struct mx_target *targets;
    size_t max, filled;
};

static slice without_dot(slice name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool is_same_address(const struct mx_address *a, const struct mx_address *b)
{
    return a->ip_len == b->ip_len && memcmp(a->ip, b->ip, a->ip_len) == 0;
}

static bool is_ourselves(const struct mx_host *host, const struct mx_self *self)
{
    if (slice_equal_nocase(without_dot(host->name), without_dot(self->hostname)))
        return true;
    for (size_t i = 0; i < host->address_count; i++) {
        for (size_t k = 0; k < self->address_count; k++) {
            if (is_same_address(&host->addresses[i], &self->addresses[k]))
                return true;
        }
    }
    return false;
}

/* RFC 5321 section 5.1: hosts that are not better than ourselves are left out. */
static uint32_t best_own_preference(const struct mx_host *hosts, size_t count, const struct mx_self *self)
{
    uint32_t limit = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        if (hosts[i].preference < limit && is_ourselves(&hosts[i], self))
            limit = hosts[i].preference;
    }
    return limit;
}

static uint32_t mix(uint32_t seed, size_t i)
{
    uint32_t x = seed ^ ((uint32_t)i + 1) * 0x9e3779b9u;
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}

/* A host's place in the order: preference, then its lot, then its place in the answer (always different). */
static uint64_t rank_of(const struct work *o, size_t i)
{
    return (uint64_t)o->hosts[i].preference << 40 | (uint64_t)(mix(o->seed, i) & 0xffffff) << 16 | i;
}

static bool is_used(const struct work *o, const struct mx_address *address)
{
    for (size_t i = 0; i < o->filled; i++) {
        if (is_same_address(&o->targets[i].address, address))
            return true;
    }
    return false;
}

/* The first address of this family, from *at on, that may be tried. */
static const struct mx_address *next_of_family(const struct work *o, const struct mx_host *host, uint8_t ip_len,
                                               size_t *at)
{
    while (*at < host->address_count) {
        const struct mx_address *a = &host->addresses[(*at)++];
        if (a->ip_len == ip_len && !address_ip_is_nowhere(a->ip, a->ip_len) && !is_used(o, a))
            return a;
    }
    return NULL;
}

/* At most quota addresses, so that a first host with many leaves room for a second one. */
static void add_host(struct work *o, const struct mx_host *host, size_t quota)
{
    size_t at6 = 0, at4 = 0;
    const struct mx_address *found[2];
    do {
        found[0] = next_of_family(o, host, 16, &at6);
        found[1] = next_of_family(o, host, 4, &at4);
        for (int i = 0; i < 2; i++) {
            if (!found[i] || quota == 0 || o->filled == o->max)
                continue;
            o->targets[o->filled++] = (struct mx_target){without_dot(host->name), *found[i]};
            quota--;
        }
    } while (quota > 0 && (found[0] || found[1]));
}

static bool is_candidate(const struct work *o, size_t i)
{
    return o->hosts[i].preference < o->limit && without_dot(o->hosts[i].name).len > 0;
}

static void fill(struct work *o)
{
    size_t left = 0;
    for (size_t i = 0; i < o->count; i++)
        left += is_candidate(o, i);
    uint64_t floor = 0; /* ranks below it are done */
    for (; left > 0 && o->filled < o->max; left--) {
        size_t best = o->count;
        for (size_t i = 0; i < o->count; i++) {
            if (is_candidate(o, i) && rank_of(o, i) >= floor && (best == o->count || rank_of(o, i) < rank_of(o, best)))
                best = i;
        }
        size_t room = o->max - o->filled;
        add_host(o, &o->hosts[best], left > 1 && room > 1 ? (room + 1) / 2 : room);
        floor = rank_of(o, best) + 1;
    }
}

enum status mx_order(const struct mx_host *hosts, size_t host_count, const struct mx_self *self, uint32_t seed,
                     struct mx_order *order)
{
    if (host_count == 1 && without_dot(hosts[0].name).len == 0)
        return STATUS_NULL_MX;
    size_t count = host_count < HOSTS_MAX ? host_count : HOSTS_MAX;
    struct work o = {.hosts = hosts, .count = count, .seed = seed, .targets = order->targets, .max = order->max};
    o.limit = best_own_preference(hosts, count, self);
    fill(&o);
    if (o.filled == 0) {
        bool better = false;
        for (size_t i = 0; i < count; i++)
            better = better || is_candidate(&o, i);
        return o.limit != UINT32_MAX && !better ? STATUS_LOOPS_BACK : STATUS_HOST_UNKNOWN;
    }
    order->count = o.filled;
    return STATUS_OK;
}
