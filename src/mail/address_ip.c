/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include <assert.h>

/* Leading zeros are refused: some read them as octal. */
static bool read_ipv4(slice text, uint8_t ip_r[4])
{
    uint8_t ip[4];
    for (size_t i = 0; i < 4; i++) {
        slice number;
        bool dot = slice_cut(text, '.', &number, &text);
        uint64_t value;
        if (dot != (i < 3) || number.len > 3 || slice_to_u64(number, 255, &value) != ERR_OK)
            return false;
        if (number.len > 1 && number.ptr[0] == '0')
            return false;
        ip[i] = (uint8_t)value;
    }
    memcpy(ip_r, ip, 4);
    return true;
}

static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_group(slice text, uint8_t group_r[2])
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 4)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_value(text.ptr[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    group_r[0] = (uint8_t)(value >> 8);
    group_r[1] = (uint8_t)value;
    return true;
}

/* Groups between colons, the last of which may be an IPv4 address; false when there are more than max bytes of them. */
static bool read_groups(slice text, bool last_may_be_ipv4, uint8_t *out, size_t max, size_t *len_r)
{
    size_t len = 0;
    bool more = text.len > 0;
    while (more) {
        slice group;
        more = slice_cut(text, ':', &group, &text);
        if (!more && last_may_be_ipv4 && slice_find_char(group, '.') >= 0) {
            if (len + 4 > max || !read_ipv4(group, out + len))
                return false;
            len += 4;
        } else {
            if (len + 2 > max || !read_group(group, out + len))
                return false;
            len += 2;
        }
    }
    *len_r = len;
    return true;
}

/* RFC 4291 section 2.2. */
static bool read_ipv6(slice text, uint8_t ip_r[16])
{
    uint8_t head[16], tail[16];
    size_t head_len, tail_len = 0;
    ptrdiff_t gap = slice_find(text, SLICE("::"));
    if (gap < 0) {
        if (!read_groups(text, true, head, 16, &head_len) || head_len != 16)
            return false;
    } else {
        /* the gap stands for one group at least */
        slice after = slice_skip(text, (size_t)gap + 2);
        if (!read_groups(slice_sub(text, 0, (size_t)gap), false, head, 14, &head_len) ||
            !read_groups(after, true, tail, 14 - head_len, &tail_len))
            return false;
    }
    memset(ip_r, 0, 16);
    memcpy(ip_r, head, head_len);
    memcpy(ip_r + 16 - tail_len, tail, tail_len);
    return true;
}

enum err address_ip_parse(slice text, uint8_t ip_r[16], size_t *len_r)
{
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = slice_sub(text, 1, text.len - 1);
    bool tagged = slice_starts_nocase(text, SLICE("IPv6:"));
    if (tagged)
        text = slice_skip(text, 5);
    uint8_t ip[16];
    size_t len;
    if (!tagged && read_ipv4(text, ip))
        len = 4;
    else if (read_ipv6(text, ip))
        len = 16;
    else
        return ERR_SYNTAX;
    memcpy(ip_r, ip, len);
    *len_r = len;
    return ERR_OK;
}

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const uint8_t *ip, size_t len)
{
    return len == 16 && memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

size_t address_ip_unmap(const uint8_t *ip, size_t len, uint8_t ip_r[16])
{
    bool mapped = is_mapped(ip, len);
    memcpy(ip_r, mapped ? ip + sizeof(mapped_prefix) : ip, mapped ? 4 : len);
    return mapped ? 4 : len;
}

static void print_ipv4(buf *b, const uint8_t *ip)
{
    for (size_t i = 0; i < 4; i++) {
        if (i > 0)
            buf_append_char(b, '.');
        buf_append_u64(b, ip[i]);
    }
}

static void print_group(buf *b, unsigned group)
{
    static const char hex[] = "0123456789abcdef";
    int shift = 12;
    while (shift > 0 && group >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        buf_append_char(b, hex[group >> shift & 15]);
}

/* The first of the longest runs of two or more zero groups (RFC 5952 section 4.2); none begins at 8. */
static size_t find_gap(const unsigned group[8], size_t *len_r)
{
    size_t best = 8, best_len = 1;
    for (size_t i = 0; i < 8; i++) {
        size_t run = 0;
        while (i + run < 8 && group[i + run] == 0)
            run++;
        if (run > best_len) {
            best = i;
            best_len = run;
        }
    }
    *len_r = best == 8 ? 0 : best_len;
    return best;
}

void address_ip_print(buf *b, const uint8_t *ip, size_t len)
{
    assert(len == 4 || len == 16);
    if (len == 4) {
        print_ipv4(b, ip);
        return;
    }
    if (is_mapped(ip, len)) {
        buf_append(b, SLICE("::ffff:"));
        print_ipv4(b, ip + 12);
        return;
    }
    unsigned group[8];
    for (size_t i = 0; i < 8; i++)
        group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    size_t gap_len;
    size_t gap = find_gap(group, &gap_len);
    for (size_t i = 0; i < 8; i++) {
        if (i == gap) {
            buf_append(b, SLICE("::"));
            i += gap_len - 1;
            continue;
        }
        if (i > 0 && i != gap + gap_len)
            buf_append_char(b, ':');
        print_group(b, group[i]);
    }
}

static bool ipv4_is_nowhere(const uint8_t *ip)
{
    bool broadcast = (ip[0] & ip[1] & ip[2] & ip[3]) == 255;
    bool multicast = ip[0] >= 224 && ip[0] < 240;
    return ip[0] == 0 || ip[0] == 127 || multicast || broadcast;
}

bool address_ip_is_nowhere(const uint8_t *ip, size_t len)
{
    assert(len == 4 || len == 16);
    if (len == 4)
        return ipv4_is_nowhere(ip);
    if (is_mapped(ip, len))
        return ipv4_is_nowhere(ip + 12);
    static const uint8_t zeros[15];
    bool unspecified_or_loopback = memcmp(ip, zeros, 15) == 0 && ip[15] <= 1;
    return unspecified_or_loopback || ip[0] == 0xff;
}
