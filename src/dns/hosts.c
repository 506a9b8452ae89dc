/* SPDX-License-Identifier: ISC */
#include "dns/hosts.h"

#define HALF (HOST_ADDRESSES_MAX / 2)

/* Equal preferences keep their order; there are at most DNS_RECORDS_MAX of them. */
static void insert(struct host *hosts, size_t count, const struct host *h)
{
    size_t at = count;
    for (; at > 0 && hosts[at - 1].preference > h->preference; at--)
        hosts[at] = hosts[at - 1];
    hosts[at] = *h;
}

enum hosts_mx hosts_of_mx(const slice *records, size_t count, struct host *hosts, size_t *host_count_r)
{
    size_t n = 0, roots = 0;
    for (size_t i = 0; i < count; i++) {
        struct host h = {.preference = 0};
        if (records[i].len < 3 || dns_name_read(&h.name, slice_skip(records[i], 2)) != ERR_OK)
            continue;
        if (h.name.len == 0) {
            roots++;
            continue;
        }
        h.preference = (uint16_t)((unsigned char)records[i].ptr[0] << 8 | (unsigned char)records[i].ptr[1]);
        insert(hosts, n++, &h);
    }
    if (n == 0)
        return roots > 0 ? HOSTS_MX_NULL : HOSTS_MX_NONE;
    *host_count_r = n < HOSTS_MAX ? n : HOSTS_MAX;
    return HOSTS_MX_SOME;
}

void host_add_address(struct host_addresses *a, slice record)
{
    if (record.len == 4 && a->v4_count < HOST_ADDRESSES_MAX)
        memcpy(a->v4[a->v4_count++], record.ptr, 4);
    else if (record.len == 16 && a->v6_count < HOST_ADDRESSES_MAX)
        memcpy(a->v6[a->v6_count++], record.ptr, 16);
}

bool host_has_address(const struct host_addresses *a, const uint8_t *ip, size_t ip_len)
{
    for (size_t i = 0; ip_len == 4 && i < a->v4_count; i++) {
        if (memcmp(a->v4[i], ip, 4) == 0)
            return true;
    }
    for (size_t i = 0; ip_len == 16 && i < a->v6_count; i++) {
        if (memcmp(a->v6[i], ip, 16) == 0)
            return true;
    }
    return false;
}

static void append_u16(buf *b, size_t v)
{
    char bytes[2];
    put_u16(bytes, (uint16_t)v);
    buf_append(b, slice_of(bytes, sizeof bytes));
}

static void append_address(buf *b, const uint8_t *ip, size_t len)
{
    buf_append_char(b, (char)len);
    buf_append(b, slice_of(ip, len));
}

/* Neither family takes the other's half unless it is left empty. */
static void host_encode(buf *b, const struct host *h)
{
    const struct host_addresses *a = &h->addresses;
    size_t v4_want = a->v4_count < HALF ? a->v4_count : HALF;
    size_t v6 = a->v6_count < HOST_ADDRESSES_MAX - v4_want ? a->v6_count : HOST_ADDRESSES_MAX - v4_want;
    size_t v4 = a->v4_count < HOST_ADDRESSES_MAX - v6 ? a->v4_count : HOST_ADDRESSES_MAX - v6;
    append_u16(b, h->preference);
    append_u16(b, h->name.len);
    buf_append(b, dns_name_slice(&h->name));
    append_u16(b, v6 + v4);
    for (size_t i = 0; i < v6; i++)
        append_address(b, a->v6[i], 16);
    for (size_t i = 0; i < v4; i++)
        append_address(b, a->v4[i], 4);
}

void hosts_encode(buf *b, const struct host *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        host_encode(b, &hosts[i]);
}
