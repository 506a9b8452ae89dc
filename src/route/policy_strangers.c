/* SPDX-License-Identifier: ISC */
#include "route/policy.h"

#include "route/index.h"
#include "route/network.h"

/* RFC 2606 names, which no configuration may own. */
#define FOREIGN_SENDER ((struct address){SLICE("forged"), SLICE("sender.invalid")})
#define FOREIGN_RECIPIENT ((struct address){SLICE("someone"), SLICE("relay-test.invalid")})

struct stranger {
    uint8_t ip[16];
    uint8_t len;
};

static const struct stranger strangers[] = {
    {{8, 8, 8, 8}, 4},
    {{192, 0, 2, 1}, 4},
    {{198, 51, 100, 77}, 4},
    {{203, 0, 113, 9}, 4},
    {{45, 10, 20, 30}, 4},
    {{127, 0, 0, 1}, 4},
    {{10, 0, 0, 1}, 4},
    {{172, 16, 0, 1}, 4},
    {{172, 17, 0, 1}, 4},
    {{192, 168, 0, 1}, 4},
    {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 16},
    {{0x2a, 0x00, 0x14, 0x50, [15] = 1}, 16},
    {{[15] = 1}, 16},
    {{[10] = 0xff, [11] = 0xff, [12] = 8, [13] = 8, [14] = 8, [15] = 8}, 16},
};

static bool is_in_a_network(const struct route_index *index, const struct route_session *s)
{
    const struct route_tables *t = index->tables;
    for (size_t i = 0; i < t->network_count; i++) {
        if (route_network_contains(&t->networks[i], s->ip, s->ip_len))
            return true;
    }
    return false;
}

static struct route_session session_of(const uint8_t *ip, uint8_t len)
{
    struct route_session s = {.ip_len = len};
    memcpy(s.ip, ip, len);
    return s;
}

static bool is_open_for(const struct route_index *index, const struct route_session *s, struct address sender, buf *why)
{
    if (route_policy_mail(index, s, sender) != STATUS_OK ||
        route_policy_rcpt(index, s, sender, FOREIGN_RECIPIENT) != STATUS_OK)
        return false;
    buf_append(why, SLICE("a stranger at "));
    address_ip_print(why, s->ip, s->ip_len);
    buf_append(why, SLICE(" could relay to anyone as <"));
    address_print(why, sender);
    buf_append(why, SLICE(">"));
    return true;
}

/* Nobody in particular, with a foreign sender, no sender, and each of our own. */
static bool stranger_relays(const struct route_index *index, const struct route_session *s, buf *why)
{
    const struct route_tables *t = index->tables;
    if (is_open_for(index, s, FOREIGN_SENDER, why) || is_open_for(index, s, (struct address){0}, why) ||
        is_open_for(index, s, route_address_split(t->postmaster), why))
        return true;
    for (size_t i = 0; i < t->domain_count; i++) {
        if (is_open_for(index, s, (struct address){SLICE("postmaster"), t->domains[i].name}, why))
            return true;
    }
    return false;
}

static bool is_single_host(const struct route_network *n)
{
    return n->bits == 8 * n->ip_len;
}

/* A network must trust its own senders only, unless it is one host; and the addresses beside it are strangers. */
static bool network_leaks(const struct route_index *index, const struct route_network *n, buf *why)
{
    struct route_session inside = session_of(n->ip, n->ip_len);
    if (!is_single_host(n) && is_open_for(index, &inside, FOREIGN_SENDER, why))
        return true;
    bool (*const beside[])(const struct route_network *, uint8_t *) = {route_network_before, route_network_after};
    for (size_t i = 0; i < 2; i++) {
        struct route_session outside = {.ip_len = n->ip_len};
        if (beside[i](n, outside.ip) && !is_in_a_network(index, &outside) && stranger_relays(index, &outside, why))
            return true;
    }
    return false;
}

bool route_self_test(const struct route_index *index, buf *why)
{
    const struct route_tables *t = index->tables;
    if (route_domain_find(index, FOREIGN_RECIPIENT.domain)) {
        buf_append(why, SLICE("every domain is one of ours"));
        return false;
    }
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        struct route_session s = session_of(strangers[i].ip, strangers[i].len);
        if (!is_in_a_network(index, &s) && stranger_relays(index, &s, why))
            return false;
    }
    for (size_t i = 0; i < t->network_count; i++) {
        if (network_leaks(index, &t->networks[i], why))
            return false;
    }
    return true;
}
