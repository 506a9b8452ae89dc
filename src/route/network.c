/* SPDX-License-Identifier: ISC */
#include "route/network.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool route_network_contains(const struct route_network *network, const uint8_t *ip, uint8_t ip_len)
{
    if (ip_len == 16 && memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        ip += sizeof(mapped_prefix);
        ip_len = 4;
    }
    if (ip_len == 0 || ip_len != network->ip_len || network->bits > 8 * ip_len)
        return false;
    return same_bits(network->ip, ip, network->bits);
}

/* Sets the bits behind the prefix to 0 or 1. */
static void fill_host_part(const struct route_network *network, bool ones, uint8_t ip_r[16])
{
    memcpy(ip_r, network->ip, 16);
    for (unsigned bit = network->bits; bit < 8u * network->ip_len; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> bit % 8);
        ip_r[bit / 8] = (uint8_t)(ones ? ip_r[bit / 8] | mask : ip_r[bit / 8] & ~mask);
    }
}

/* Adds step, 1 or -1, to an address; false when it wraps. */
static bool move(uint8_t *ip, uint8_t ip_len, int step)
{
    for (int i = ip_len - 1; i >= 0; i--) {
        ip[i] = (uint8_t)(ip[i] + step);
        if (ip[i] != (step > 0 ? 0 : 0xff))
            return true;
    }
    return false;
}

bool route_network_before(const struct route_network *network, uint8_t ip_r[16])
{
    fill_host_part(network, false, ip_r);
    return move(ip_r, network->ip_len, -1);
}

bool route_network_after(const struct route_network *network, uint8_t ip_r[16])
{
    fill_host_part(network, true, ip_r);
    return move(ip_r, network->ip_len, 1);
}
