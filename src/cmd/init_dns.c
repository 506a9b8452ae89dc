/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

#define ADDRESSES_MAX 64u

struct record {
    slice name; /* without the last dot */
    const char *type;
    slice value;
};

static void print_record(const struct init *n, const struct record *r, buf *out)
{
    if (!n->words.json) {
        buf_printf(out, "%.*s. IN %s %.*s\n", SLICE_ARG(r->name), r->type, SLICE_ARG(r->value));
        return;
    }
    char memory[512];
    buf name;
    buf_init_fixed(&name, memory, sizeof memory);
    buf_printf(&name, "%.*s.", SLICE_ARG(r->name));
    buf_append(out, SLICE("{\"name\": "));
    buf_append_json(out, buf_slice(&name));
    buf_printf(out, ", \"type\": \"%s\", \"value\": ", r->type);
    buf_append_json(out, r->value);
    buf_append(out, SLICE("}\n"));
}

static void print_text(const struct init *n, slice name, slice text, buf *out)
{
    char memory[1024];
    buf value;
    buf_init_fixed(&value, memory, sizeof memory);
    buf_printf(&value, n->words.json ? "%.*s" : "\"%.*s\"", SLICE_ARG(text));
    const struct record r = {name, "TXT", buf_slice(&value)};
    print_record(n, &r, out);
}

/* Loopback, link-local, private (RFC 1918, 6598, 4193), multicast: nobody outside can reach them. */
static bool is_public(const struct socket_address *a)
{
    const uint8_t *ip = a->ip;
    if (a->ip_len == 4)
        return ip[0] != 0 && ip[0] != 10 && ip[0] != 127 && ip[0] < 224 && !(ip[0] == 172 && (ip[1] & 0xf0) == 16) &&
               !(ip[0] == 192 && ip[1] == 168) && !(ip[0] == 169 && ip[1] == 254) &&
               !(ip[0] == 100 && (ip[1] & 0xc0) == 64);
    return a->ip_len == 16 && (ip[0] & 0xe0) == 0x20;
}

static bool seen_before(const struct socket_address *all, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (all[k].ip_len == all[i].ip_len && memcmp(all[k].ip, all[i].ip, all[i].ip_len) == 0)
            return true;
    return false;
}

static void print_addresses(const struct init *n, buf *out)
{
    struct socket_address all[ADDRESSES_MAX];
    size_t count = socket_own_addresses(all, ADDRESSES_MAX), printed = 0;
    for (size_t i = 0; i < count; i++) {
        char memory[64];
        buf value;
        if (!is_public(&all[i]) || seen_before(all, i))
            continue;
        buf_init_fixed(&value, memory, sizeof memory);
        address_ip_print(&value, all[i].ip, all[i].ip_len);
        const struct record r = {n->hostname, all[i].ip_len == 4 ? "A" : "AAAA", buf_slice(&value)};
        print_record(n, &r, out);
        printed++;
    }
    if (printed > 0)
        return;
    if (!n->words.json)
        buf_printf(
            out, "; %.*s. IN A ...    this machine has no public address of its own: write the one it is reached by\n",
            SLICE_ARG(n->hostname));
    else
        command_say("A and AAAA of %.*s: this machine has no public address of its own", SLICE_ARG(n->hostname));
}

void init_dns_print(const struct init *n, buf *out)
{
    char memory[1024];
    buf text, name;
    char name_memory[300];
    buf_init_fixed(&text, memory, sizeof memory);
    buf_init_fixed(&name, name_memory, sizeof name_memory);
    buf_printf(&text, "10 %.*s.", SLICE_ARG(n->hostname));
    const struct record mx = {n->domain, "MX", buf_slice(&text)};
    print_record(n, &mx, out);
    print_addresses(n, out);
    print_text(n, n->domain, SLICE("v=spf1 mx -all"), out);
    buf_clear(&text);
    buf_printf(&text, "v=DMARC1; p=none; rua=mailto:%.*s", SLICE_ARG(n->postmaster));
    buf_printf(&name, "_dmarc.%.*s", SLICE_ARG(n->domain));
    print_text(n, buf_slice(&name), buf_slice(&text), out);
}
