/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

#define DNS_MS 2500 /* for MX, and again for the addresses of its hosts */
#define HOSTS_SHOWN 20

static void add_addresses(struct host *hosts, size_t count, const struct dns_wanted *wanted)
{
    for (size_t i = 0; i < 2 * count; i++) {
        struct host *h = &hosts[i / 2];
        for (size_t k = 0; k < wanted[i].count; k++)
            host_add_address(&h->addresses, wanted[i].records[k]);
        h->temporary = h->temporary || wanted[i].status == DNS_TEMPORARY;
    }
}

static enum lookup_status find_addresses(struct host *hosts, size_t count, struct arena *arena)
{
    struct dns_wanted *wanted = arena_array(arena, 2 * count, sizeof *wanted);
    bool some = false, temporary = false;
    for (size_t i = 0; wanted && i < 2 * count; i++)
        wanted[i] = (struct dns_wanted){.name = hosts[i / 2].name, .type = i % 2 == 0 ? DNS_AAAA : DNS_A};
    if (!wanted || dns_find(wanted, 2 * count, arena, DNS_MS) != ERR_OK)
        return LOOKUP_TEMPORARY;
    add_addresses(hosts, count, wanted);
    for (size_t i = 0; i < count; i++) {
        some = some || hosts[i].addresses.v4_count + hosts[i].addresses.v6_count > 0;
        temporary = temporary || hosts[i].temporary;
    }
    return some ? LOOKUP_FOUND : temporary ? LOOKUP_TEMPORARY : LOOKUP_NONE;
}

static enum lookup_status find_itself(const struct dns_name *name, struct arena *arena, struct host *hosts,
                                      size_t *host_count_r)
{
    hosts[0] = (struct host){.name = *name};
    *host_count_r = 1;
    return find_addresses(hosts, 1, arena);
}

/* hosts has room for DNS_RECORDS_MAX. */
enum lookup_status explain_mx_find(slice name, bool by_mx, struct arena *arena, struct host *hosts,
                                   size_t *host_count_r)
{
    struct dns_wanted mx = {.type = DNS_MX};
    *host_count_r = 0;
    if (dns_name_set(&mx.name, name) != ERR_OK)
        return LOOKUP_NONE;
    if (!by_mx)
        return find_itself(&mx.name, arena, hosts, host_count_r);
    if (dns_find(&mx, 1, arena, DNS_MS) != ERR_OK || mx.status == DNS_TEMPORARY)
        return LOOKUP_TEMPORARY;
    if (mx.status == DNS_NXDOMAIN)
        return LOOKUP_NONE;
    if (mx.status == DNS_NODATA) /* RFC 5321 section 5.1: it is its own host */
        return find_itself(&mx.name, arena, hosts, host_count_r);
    memset(hosts, 0, mx.count * sizeof *hosts);
    switch (hosts_of_mx(mx.records, mx.count, hosts, host_count_r)) {
    case HOSTS_MX_NULL:
        return LOOKUP_NULL_MX;
    case HOSTS_MX_NONE:
        return LOOKUP_FOUND;
    default:
        break;
    }
    enum lookup_status found = find_addresses(hosts, *host_count_r, arena);
    return found == LOOKUP_NONE ? LOOKUP_FOUND : found;
}

static slice addresses_text(struct explanation *x, const struct host_addresses *a)
{
    char memory[2048];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    for (size_t i = 0; i < a->v6_count + a->v4_count; i++) {
        buf_append(&b, i == 0 ? SLICE_NONE : SLICE(", "));
        if (i < a->v6_count)
            address_ip_print(&b, a->v6[i], 16);
        else
            address_ip_print(&b, a->v4[i - a->v6_count], 4);
    }
    return explain_text(x, "%.*s", SLICE_ARG(buf_slice(&b)));
}

static void keep_hosts(struct explanation *x, const struct host *hosts, size_t count, struct explain_recipient *r)
{
    size_t kept = count < HOSTS_SHOWN ? count : HOSTS_SHOWN;
    struct explain_host *list = arena_array(&x->arena, kept, sizeof *list);
    for (size_t i = 0; list && i < kept; i++)
        list[i] = (struct explain_host){explain_text(x, "%.*s", SLICE_ARG(dns_name_slice(&hosts[i].name))),
                                        hosts[i].preference, addresses_text(x, &hosts[i].addresses)};
    r->hosts = list;
    r->host_count = list ? kept : 0;
}

/* The order that the sender would try, asked for what is wrong with it. */
static enum status order(struct explanation *x, const struct host *hosts, size_t count)
{
    struct mx_host *list = arena_array(&x->arena, count, sizeof *list);
    struct mx_target targets[HOSTS_SHOWN];
    struct mx_order to = {.targets = targets, .max = HOSTS_SHOWN};
    for (size_t i = 0; list && i < count; i++) {
        const struct host_addresses *a = &hosts[i].addresses;
        size_t n = a->v6_count + a->v4_count;
        struct mx_address *all = arena_array(&x->arena, n, sizeof *all);
        for (size_t k = 0; all && k < n; k++) {
            bool six = k < a->v6_count;
            all[k].ip_len = six ? 16 : 4;
            memcpy(all[k].ip, six ? a->v6[k] : a->v4[k - a->v6_count], all[k].ip_len);
        }
        list[i] = (struct mx_host){dns_name_slice(&hosts[i].name), hosts[i].preference, all, all ? n : 0};
    }
    return list ? mx_order(list, count, &x->house->self, 0, &to) : STATUS_LOCAL_ERROR;
}

static void judge(struct explanation *x, const struct next_hop *hop, enum lookup_status found,
                  struct explain_recipient *r)
{
    enum status status = STATUS_OK;
    if (found == LOOKUP_TEMPORARY || (found == LOOKUP_NONE && hop->host.len > 0))
        status = STATUS_DNS_TEMPORARY;
    else if (found == LOOKUP_NONE)
        status = STATUS_HOST_UNKNOWN;
    else if (found == LOOKUP_NULL_MX)
        status = STATUS_NULL_MX;
    struct verdict v = status_verdict(status);
    if (status == STATUS_OK)
        return;
    char memory[256];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    status_print(&b, &v);
    r->state = explain_text(x, "%.*s", SLICE_ARG(buf_slice(&b)));
    r->wrong = true;
}

static void ask(struct explanation *x, const struct next_hop *hop, struct explain_recipient *r)
{
    struct host hosts[DNS_RECORDS_MAX];
    size_t count = 0;
    bool by_mx = hop->host.len == 0;
    enum lookup_status found = explain_mx_find(by_mx ? hop->domain : hop->host, by_mx, &x->arena, hosts, &count);
    keep_hosts(x, hosts, count, r);
    judge(x, hop, found, r);
    if (r->wrong || !by_mx)
        return;
    struct verdict v = status_verdict(order(x, hosts, count));
    if (verdict_ok(&v))
        return;
    r->state = explain_text(x, "%u %.*s", v.code, SLICE_ARG(v.text));
    r->wrong = true;
}

static void set_policy(struct explanation *x, const struct route_override *o, struct explain_recipient *r)
{
    static const char *const levels[] = {[ROUTE_TLS_MAY] = "TLS when offered",
                                         [ROUTE_TLS_NONE] = "no TLS",
                                         [ROUTE_TLS_REQUIRE] = "TLS required",
                                         [ROUTE_TLS_VERIFY] = "verified TLS required"};
    r->tls = slice_str(levels[o ? o->tls : ROUTE_TLS_MAY]);
    if (!o)
        return;
    r->source = o->source;
    explain_step_add(x, x->house->conf->path, o->line, "mail for %.*s has [route.\"%.*s\"]%s%.*s",
                     SLICE_ARG(r->address), SLICE_ARG(o->domain), o->login.len > 0 ? ", signed in as " : "",
                     SLICE_ARG(o->login));
}

void explain_remote_find(struct explanation *x, const struct next_hop *hop, struct explain_recipient *r)
{
    uint8_t ip[16];
    size_t len;
    set_policy(x, hop->override, r);
    if (hop->host.len > 0)
        r->delivery = explain_text(x, "smtp%s:%.*s:%u", hop->override && hop->override->smtps ? "s" : "",
                                   SLICE_ARG(hop->host), hop->port);
    else
        r->delivery = explain_text(x, "MX of %.*s%s", SLICE_ARG(hop->domain),
                                   hop->backup_mx ? ", hosts better than this one" : "");
    if (address_ip_parse(hop->host, ip, &len) == ERR_OK)
        return;
    if (x->house->offline)
        r->state = SLICE("not looked up");
    else
        ask(x, hop, r);
}
