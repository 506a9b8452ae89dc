/* SPDX-License-Identifier: ISC */
#include "cmd/check.h"

#include <stdlib.h>

#include "dns/dns.h"

#define ARENA_MAX (16u << 20)
#define DOMAINS_MAX 100u
#define ADDRESSES_MAX 16u
#define OF_HOST 2u /* questions: A and AAAA of hostname, then one a domain */

struct check_dns {
    struct check_report *report;
    const struct conf *conf;
    struct arena arena;
    int64_t until_ms;
    struct dns_wanted wanted[OF_HOST + DOMAINS_MAX];
    const struct route_domain *domains[DOMAINS_MAX];
    size_t domain_count;
};

static bool is_loopback(slice host)
{
    uint8_t ip[16];
    size_t len;
    return address_ip_parse(host, ip, &len) == ERR_OK && address_ip_is_nowhere(ip, len);
}

/* Can a stranger reach it at all? */
/* Where the world's mail comes in, or at least this machine's, which then gets a word about what was not looked at. */
static bool faces_out(struct check_report *r, const struct conf *conf)
{
    size_t mx = 0;
    for (size_t i = 0; i < conf->listener_count; i++) {
        const struct conf_listener *l = &conf->listeners[i];
        mx += l->role == CONF_LISTEN_MX;
        if (l->role == CONF_LISTEN_MX && l->unix_path.len == 0 && !is_loopback(l->host))
            return true;
    }
    if (mx > 0)
        check_report_say(r, CONF_NOTE, "", "DNS not checked: no mx listener can be reached from other machines");
    return false;
}

static void choose_domains(struct check_dns *c)
{
    const struct route_tables *t = &c->conf->route;
    for (size_t i = 0; i < t->domain_count && c->domain_count < DOMAINS_MAX; i++) {
        struct dns_wanted *w = &c->wanted[OF_HOST + c->domain_count];
        if (t->domains[i].implied || dns_name_set(&w->name, t->domains[i].name) != ERR_OK)
            continue;
        w->type = DNS_MX;
        c->domains[c->domain_count++] = &t->domains[i];
    }
}

static bool nothing_came(const struct check_dns *c)
{
    for (size_t i = 0; i < OF_HOST + c->domain_count; i++)
        if (c->wanted[i].status != DNS_TEMPORARY)
            return false;
    return true;
}

static void check_host(struct check_dns *c)
{
    const struct dns_wanted *a = &c->wanted[0], *aaaa = &c->wanted[1];
    if (a->status == DNS_FOUND || aaaa->status == DNS_FOUND)
        return;
    if (a->status == DNS_TEMPORARY || aaaa->status == DNS_TEMPORARY)
        check_report_say(c->report, CONF_NOTE, "hostname", "DNS: the addresses of %s are not known now", a->name.text);
    else
        check_report_say(c->report, CONF_WARNING, "hostname",
                         "DNS: %s has no address: publish A or AAAA, or mail cannot come, and many servers take none "
                         "from here",
                         a->name.text);
}

static bool names_us(const struct check_dns *c, const struct dns_wanted *mx, buf *hosts)
{
    bool found = false;
    for (size_t i = 0; i < mx->count; i++) {
        struct dns_name host;
        if (mx->records[i].len < 3 || dns_name_read(&host, slice_skip(mx->records[i], 2)) != ERR_OK)
            continue;
        found = found || slice_equal_nocase(dns_name_slice(&host), c->conf->route.hostname);
        buf_printf(hosts, "%s%s", hosts->len > 0 ? ", " : "", host.len > 0 ? host.text : "\".\"");
    }
    return found;
}

static void check_domain(struct check_dns *c, size_t i)
{
    const struct dns_wanted *mx = &c->wanted[OF_HOST + i];
    char memory[1024], key[320];
    buf hosts, k;
    slice hostname = c->conf->route.hostname;
    buf_init_fixed(&hosts, memory, sizeof memory);
    buf_init_fixed(&k, key, sizeof key);
    buf_printf(&k, "domain.\"%s\"%c", mx->name.text, 0);
    if (mx->status == DNS_TEMPORARY)
        check_report_say(c->report, CONF_NOTE, key, "DNS: the MX of %s is not known now", mx->name.text);
    else if (mx->status == DNS_NXDOMAIN)
        check_report_say(c->report, CONF_WARNING, key, "DNS: there is no domain %s", mx->name.text);
    else if (mx->status == DNS_NODATA)
        check_report_say(c->report, CONF_WARNING, key, "DNS: %s has no MX; publish: %s. IN MX 10 %.*s.", mx->name.text,
                         mx->name.text, SLICE_ARG(hostname));
    else if (!names_us(c, mx, &hosts) && c->domains[i]->deliver.kind != DELIVER_MX)
        check_report_say(c->report, CONF_WARNING, key, "DNS: the MX of %s is %.*s, and not %.*s: its mail goes there",
                         mx->name.text, SLICE_ARG(buf_slice(&hosts)), SLICE_ARG(hostname));
}

static bool leads_back(const struct check_dns *c, const struct dns_wanted *ptr)
{
    for (size_t i = 0; i < ptr->count; i++) {
        struct dns_name name;
        if (dns_name_read(&name, ptr->records[i]) == ERR_OK &&
            slice_equal_nocase(dns_name_slice(&name), c->conf->route.hostname))
            return true;
    }
    return false;
}

static void check_back(struct check_dns *c, const struct dns_wanted *ptr, slice ip)
{
    char memory[64];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    address_ip_print(&text, (const uint8_t *)ip.ptr, ip.len);
    if (ptr->status != DNS_TEMPORARY && !leads_back(c, ptr))
        check_report_say(c->report, CONF_WARNING, "hostname",
                         "DNS: the PTR of %.*s is not %.*s: many servers take no mail from it; the provider of the "
                         "address sets it",
                         SLICE_ARG(buf_slice(&text)), SLICE_ARG(c->conf->route.hostname));
}

static enum err check_reverse(struct check_dns *c)
{
    struct dns_wanted ptr[ADDRESSES_MAX];
    slice ip[ADDRESSES_MAX];
    size_t count = 0;
    for (size_t k = 0; k < OF_HOST; k++) {
        const struct dns_wanted *w = &c->wanted[k];
        for (size_t i = 0; i < w->count && count < ADDRESSES_MAX; i++) {
            if (w->records[i].len != (w->type == DNS_A ? 4 : 16))
                continue;
            ptr[count] = (struct dns_wanted){.type = DNS_PTR};
            dns_name_reverse(&ptr[count].name, (const uint8_t *)w->records[i].ptr, w->records[i].len);
            ip[count++] = w->records[i];
        }
    }
    int64_t left = c->until_ms - os_now_ms();
    enum err e = left > 0 && count > 0 ? dns_find(ptr, count, &c->arena, left) : ERR_OK;
    for (size_t i = 0; e == ERR_OK && left > 0 && i < count; i++)
        check_back(c, &ptr[i], ip[i]);
    return e;
}

static enum err ask(struct check_dns *c)
{
    for (size_t k = 0; k < OF_HOST; k++) {
        c->wanted[k].type = k == 0 ? DNS_A : DNS_AAAA;
        if (dns_name_set(&c->wanted[k].name, c->conf->route.hostname) != ERR_OK)
            return ERR_SYNTAX;
    }
    choose_domains(c);
    if (c->report->progress)
        (void)fputs("asking the DNS ...\r", stderr);
    enum err e = dns_find(c->wanted, OF_HOST + c->domain_count, &c->arena, CHECK_DNS_MS);
    if (c->report->progress)
        (void)fputs("\r\x1b[K", stderr);
    if (e != ERR_OK)
        return e;
    if (nothing_came(c))
        return ERR_TIMEOUT;
    check_host(c);
    for (size_t i = 0; i < c->domain_count; i++)
        check_domain(c, i);
    return check_reverse(c);
}

void check_dns(struct check_report *r, const struct conf *conf)
{
    if (!faces_out(r, conf))
        return;
    struct check_dns *c = calloc(1, sizeof *c);
    if (c) {
        *c = (struct check_dns){.report = r, .conf = conf, .until_ms = os_now_ms() + CHECK_DNS_MS};
        arena_init(&c->arena, ARENA_MAX);
    }
    enum err e = c ? ask(c) : ERR_NOMEM;
    if (e != ERR_OK)
        check_report_say(r, CONF_NOTE, "", "DNS not checked: %s",
                         e == ERR_TIMEOUT ? "no name server answers" : err_text(e));
    if (c)
        arena_deinit(&c->arena);
    free(c);
}
