/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define PUBLIC_BITS_4 24
#define PUBLIC_BITS_6 56

struct block {
    uint8_t ip[16];
    uint8_t ip_len, bits;
};

/* Addresses that no stranger on the Internet can have (RFC 1918, 6598, 3927, 4193, 4291). */
static const struct block private_blocks[] = {
    {{10}, 4, 8},        {{172, 16}, 4, 12}, {{192, 168}, 4, 16},    {{127}, 4, 8},         {{100, 64}, 4, 10},
    {{169, 254}, 4, 16}, {{0xfc}, 16, 7},    {{0xfe, 0x80}, 16, 10}, {{[15] = 1}, 16, 128},
};

static bool has_prefix(const uint8_t *ip, const uint8_t *prefix, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++) {
        if (((ip[i / 8] ^ prefix[i / 8]) >> (7 - i % 8)) & 1)
            return false;
    }
    return true;
}

bool read_network_is_private(const struct route_network *n)
{
    for (size_t i = 0; i < sizeof(private_blocks) / sizeof(private_blocks[0]); i++) {
        const struct block *b = &private_blocks[i];
        if (b->ip_len == n->ip_len && n->bits >= b->bits && has_prefix(n->ip, b->ip, b->bits))
            return true;
    }
    return false;
}

/* The network with the bits behind its prefix set to 0, as it should have been written. */
static slice without_host_bits(struct reader *r, const struct route_network *n)
{
    uint8_t ip[16];
    char space[80];
    buf b;
    memcpy(ip, n->ip, sizeof(ip));
    for (unsigned i = n->bits; i < 8u * n->ip_len; i++)
        ip[i / 8] = (uint8_t)(ip[i / 8] & ~(0x80 >> i % 8));
    if (memcmp(ip, n->ip, sizeof(ip)) == 0)
        return SLICE_NONE;
    buf_init_fixed(&b, space, sizeof(space));
    address_ip_print(&b, ip, n->ip_len);
    buf_printf(&b, "/%u", n->bits);
    return reader_join(r, buf_slice(&b), "", SLICE_NONE);
}

bool read_network_text(struct reader *r, struct toml_place place, slice text, struct route_network *n_r)
{
    struct route_network n = {.text = text, .line = place.line};
    slice ip, bits;
    size_t len;
    bool has_bits = slice_cut(text, '/', &ip, &bits);
    if (address_ip_parse(ip, n.ip, &len) != ERR_OK) {
        messages_error(&r->m, place, "\"%.*s\" is not a network like \"10.1.2.0/24\"", SLICE_ARG(text));
        return false;
    }
    uint64_t prefix = 8 * len;
    n.ip_len = (uint8_t)len;
    if (has_bits && slice_to_u64(bits, 8 * len, &prefix) != ERR_OK) {
        messages_error(&r->m, place, "\"%.*s\" must have between 0 and %zu bits behind its \"/\"", SLICE_ARG(text),
                       8 * len);
        return false;
    }
    n.bits = (uint8_t)prefix;
    slice better = without_host_bits(r, &n);
    if (better.len > 0) {
        messages_error(&r->m, place, "\"%.*s\" is an address inside a network", SLICE_ARG(text));
        messages_hint(&r->m, better);
        return false;
    }
    *n_r = n;
    return true;
}

void read_network_check_size(struct reader *r, struct toml_place place, const struct route_network *n)
{
    unsigned least = n->ip_len == 4 ? PUBLIC_BITS_4 : PUBLIC_BITS_6;
    if (!read_network_is_private(n) && n->bits < least)
        messages_error(&r->m, place, "\"%.*s\" is too large for public address space: at most a /%u",
                       SLICE_ARG(n->text), least);
}
