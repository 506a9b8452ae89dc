/* SPDX-License-Identifier: ISC */
#include "cmd/probe_find.h"

#include <stdlib.h>

#include "dns/dns.h"
#include "route/route.h"

#define ADDRESSES_MAX 16u
#define ADDRESS_TEXT_MAX (ADDRESSES_MAX * 48u)

struct find {
    const struct probe_options *o;
    const struct probe_show *show;
    struct arena *arena;
    struct dns_name name; /* what was asked for */
    struct mx_host hosts[HOSTS_MAX];
    size_t count;
    bool implicit;   /* the name is its own host */
    bool temporary;  /* an answer is missing */
    bool is_unknown; /* there is no such name */
    int64_t us;      /* of the last question */
};

static enum err ask(struct find *f, struct dns_wanted *wanted, size_t count)
{
    int64_t began = os_now_us();
    enum err e = dns_find(wanted, count, f->arena, f->o->timeout_ms);
    f->us = os_now_us() - began;
    for (size_t i = 0; e == ERR_OK && i < count; i++)
        f->temporary = f->temporary || wanted[i].status == DNS_TEMPORARY;
    return e;
}

static void insert(struct mx_host *hosts, size_t count, struct mx_host h)
{
    size_t at = count < HOSTS_MAX ? count : HOSTS_MAX - 1;
    if (count == HOSTS_MAX && hosts[at].preference <= h.preference)
        return;
    for (; at > 0 && hosts[at - 1].preference > h.preference; at--)
        hosts[at] = hosts[at - 1];
    hosts[at] = h;
}

size_t probe_find_hosts(const slice *records, size_t count, struct arena *arena, struct mx_host *hosts, bool *null_r)
{
    size_t n = 0;
    bool null = false;
    for (size_t i = 0; i < count; i++) {
        struct dns_name name;
        struct mx_host h = {.preference = 0};
        if (records[i].len < 3 || dns_name_read(&name, slice_skip(records[i], 2)) != ERR_OK)
            continue;
        null = null || name.len == 0;
        if (name.len == 0 || arena_copy(arena, dns_name_slice(&name), &h.name) != ERR_OK)
            continue;
        h.preference = (uint16_t)((unsigned char)records[i].ptr[0] << 8 | (unsigned char)records[i].ptr[1]);
        insert(hosts, n, h);
        n += n < HOSTS_MAX;
    }
    *null_r = null && n == 0;
    return n;
}

static void add_addresses(struct find *f, struct mx_host *h, const struct dns_wanted *w, struct mx_address *to)
{
    size_t size = w->type == DNS_A ? 4 : 16;
    if (f->o->family == (size == 4 ? PROBE_IPV6 : PROBE_IPV4))
        return;
    for (size_t i = 0; i < w->count && h->address_count < ADDRESSES_MAX; i++) {
        if (w->records[i].len != size)
            continue;
        to[h->address_count].ip_len = (uint8_t)size;
        memcpy(to[h->address_count].ip, w->records[i].ptr, size);
        h->address_count++;
    }
}

static void show_host(const struct find *f, const struct mx_host *h)
{
    char memory[ADDRESS_TEXT_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    for (size_t i = 0; i < h->address_count; i++) {
        buf_append(&b, i > 0 ? SLICE(", ") : SLICE_NONE);
        address_ip_print(&b, h->addresses[i].ip, h->addresses[i].ip_len);
    }
    if (h->address_count == 0)
        buf_append(&b, SLICE("no address"));
    probe_show_dns(f->show, &(struct probe_show_dns){.type = f->implicit ? "A" : "MX",
                                                     .domain = dns_name_slice(&f->name),
                                                     .preference = h->preference,
                                                     .host = h->name,
                                                     .addresses = buf_slice(&b),
                                                     .us = f->us});
}

/* All hosts' addresses are asked for at once. */
static enum err find_addresses(struct find *f)
{
    struct dns_wanted *wanted = arena_array(f->arena, 2 * f->count, sizeof *wanted);
    if (!wanted)
        return ERR_NOMEM;
    for (size_t i = 0; i < f->count; i++) {
        wanted[2 * i].type = DNS_AAAA;
        wanted[2 * i + 1].type = DNS_A;
        for (size_t k = 0; k < 2; k++) {
            enum err e = dns_name_set(&wanted[2 * i + k].name, f->hosts[i].name);
            if (e != ERR_OK)
                return e;
        }
    }
    enum err e = ask(f, wanted, 2 * f->count);
    for (size_t i = 0; e == ERR_OK && i < f->count; i++) {
        struct mx_address *to = arena_array(f->arena, ADDRESSES_MAX, sizeof *to);
        if (!to)
            return ERR_NOMEM;
        f->hosts[i].addresses = to;
        add_addresses(f, &f->hosts[i], &wanted[2 * i], to);
        add_addresses(f, &f->hosts[i], &wanted[2 * i + 1], to);
        f->is_unknown = f->implicit && wanted[2 * i].status == DNS_NXDOMAIN && wanted[2 * i + 1].status == DNS_NXDOMAIN;
        show_host(f, &f->hosts[i]);
    }
    return e;
}

/* The order is the sender's, and so is what it leaves out (MX hosts at loopback); a host by name may be anywhere. */
static void keep_places(struct find *f, struct probe_places *places)
{
    struct mx_target targets[PROBE_PLACES_MAX];
    struct mx_order order = {.targets = targets, .max = PROBE_PLACES_MAX};
    const struct mx_self nobody = {.hostname = SLICE("-")};
    uint32_t seed;
    os_random(&seed, sizeof seed);
    const struct mx_host *only = &f->hosts[0];
    if (!f->implicit && mx_order(f->hosts, f->count, &nobody, seed, &order) != STATUS_OK)
        return;
    places->count = f->implicit ? only->address_count : order.count;
    for (size_t i = 0; i < places->count && i < PROBE_PLACES_MAX; i++) {
        struct probe_place *p = &places->of[i];
        const struct mx_address *a = f->implicit ? &only->addresses[i] : &targets[i].address;
        p->name = f->implicit ? only->name : targets[i].name;
        p->address = (struct socket_address){.ip_len = a->ip_len, .port = f->o->target.port};
        memcpy(p->address.ip, a->ip, a->ip_len);
    }
    if (places->count > PROBE_PLACES_MAX)
        places->count = PROBE_PLACES_MAX;
}

static int no_place(const struct find *f, const char **why_r)
{
    *why_r = f->temporary ? "no answer from the DNS" : f->is_unknown ? "no such name" : "no address that can be tried";
    return f->temporary ? EX_TEMPFAIL : EX_NOHOST;
}

static int find_name(struct find *f, struct probe_places *places, const char **why_r)
{
    struct dns_wanted mx = {.type = DNS_MX, .name = f->name};
    bool null = false;
    enum err e = ERR_OK;
    if (f->o->target.kind == PROBE_TARGET_DOMAIN) {
        e = ask(f, &mx, 1);
        f->count = e == ERR_OK ? probe_find_hosts(mx.records, mx.count, f->arena, f->hosts, &null) : 0;
        if (null) {
            probe_show_note(f->show, SLICE("null MX (RFC 7505): this domain takes no mail"));
            *why_r = "null MX";
            return EX_NOHOST;
        }
        if (f->temporary)
            return no_place(f, why_r);
    }
    f->implicit = f->count == 0;
    if (f->implicit) {
        f->hosts[0].name = dns_name_slice(&f->name);
        f->count = 1;
    }
    e = e == ERR_OK ? find_addresses(f) : e;
    if (e != ERR_OK) {
        *why_r = err_text(e);
        return EX_OSERR;
    }
    keep_places(f, places);
    return places->count > 0 ? 0 : no_place(f, why_r);
}

int probe_find(const struct probe_options *o, const struct probe_show *show, struct arena *arena,
               struct probe_places *places, const char **why_r)
{
    struct find *f = arena_alloc(arena, sizeof *f);
    char memory[512];
    buf ascii;
    places->count = 0;
    if (o->target.kind == PROBE_TARGET_ADDRESS || o->target.kind == PROBE_TARGET_UNIX) {
        bool is_address = o->target.kind == PROBE_TARGET_ADDRESS;
        places->of[0] = (struct probe_place){is_address ? o->target.host : SLICE_NONE, o->target.address};
        places->count = 1;
        return 0;
    }
    buf_init_fixed(&ascii, memory, sizeof memory);
    *why_r = "no name of the DNS";
    if (!f || idna_to_ascii(o->target.host, &ascii) != ERR_OK || dns_name_set(&f->name, buf_slice(&ascii)) != ERR_OK)
        return EX_NOHOST;
    f->o = o;
    f->show = show;
    f->arena = arena;
    return find_name(f, places, why_r);
}
