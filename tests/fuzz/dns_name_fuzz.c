/* SPDX-License-Identifier: ISC */
/* Names as text and as a name server writes them: what is taken has the form that the header promises, and is taken again as it is. */
#include <assert.h>

#include "dns/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dns_name *n)
{
    struct dns_name again;
    assert(n->len <= DNS_NAME_MAX && n->text[n->len] == 0 && strlen(n->text) == n->len);
    for (size_t i = 0, label = 0; i < n->len; i++) {
        char c = n->text[i];
        label = c == '.' ? 0 : label + 1;
        assert(label <= 63 && !(c >= 'A' && c <= 'Z') && (unsigned char)c > ' ' && (unsigned char)c < 0x7f);
        assert(c != '.' || (i > 0 && n->text[i - 1] != '.' && i + 1 < n->len));
    }
    if (n->len > 0) {
        assert(dns_name_set(&again, dns_name_slice(n)) == ERR_OK);
        assert(slice_equal(dns_name_slice(&again), dns_name_slice(n)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_name n;
    if (dns_name_set(&n, slice_of(data, size)) == ERR_OK)
        check(&n);
    if (dns_name_read(&n, slice_of(data, size)) == ERR_OK)
        check(&n);
    if (size >= 16) {
        dns_name_reverse(&n, data, data[0] & 1 ? 4 : 16);
        check(&n);
    }
    return 0;
}
