/* SPDX-License-Identifier: ISC */
/* Records of an MX answer and their addresses, as the network gives them: every name that comes out is a host name, hosts are sorted and few, and what is
 * written for the sender can be read back. Input: records with one byte of length each; those of 4 and 16 bytes are addresses, too. */
#include "dns/hosts.h"

#include <assert.h>

#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct dns_name *n)
{
    struct dns_name again;
    assert(n->len > 0 && n->len <= DNS_NAME_MAX && n->text[n->len] == 0);
    assert(dns_name_set(&again, dns_name_slice(n)) == ERR_OK);
    assert(slice_equal(dns_name_slice(&again), dns_name_slice(n)));
}

/* One host behind *at; moves on. */
static void check_encoded(slice out, size_t *at)
{
    assert(out.len - *at >= 4);
    size_t name_len = get_u16(out.ptr + *at + 2);
    assert(name_len > 0 && out.len - *at >= 6 + name_len);
    size_t count = get_u16(out.ptr + *at + 4 + name_len);
    assert(count <= HOST_ADDRESSES_MAX);
    *at += 6 + name_len;
    for (size_t i = 0; i < count; i++) {
        size_t len = (unsigned char)out.ptr[*at];
        assert((len == 4 || len == 16) && out.len - *at >= 1 + len);
        *at += 1 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice records[RECORDS_MAX];
    struct host hosts[RECORDS_MAX];
    size_t count = 0, host_count = 0, at = 0;
    for (size_t i = 0; i < size && count < RECORDS_MAX; i += 1 + records[count++].len)
        records[count] = slice_sub(slice_of(data, size), i + 1, i + 1 + data[i]);
    if (hosts_of_mx(records, count, hosts, &host_count) != HOSTS_MX_SOME)
        return 0;
    assert(host_count >= 1 && host_count <= HOSTS_MAX);
    for (size_t i = 0; i < host_count; i++) {
        check_name(&hosts[i].name);
        assert(i == 0 || hosts[i - 1].preference <= hosts[i].preference);
        for (size_t k = 0; k < count; k++)
            host_add_address(&hosts[i].addresses, records[k]);
    }
    buf out;
    buf_init(&out, 1u << 16);
    hosts_encode(&out, hosts, host_count);
    assert(buf_ok(&out));
    for (size_t i = 0; i < host_count; i++)
        check_encoded(buf_slice(&out), &at);
    assert(at == out.len);
    buf_deinit(&out);
    return 0;
}
