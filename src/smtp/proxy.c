/* SPDX-License-Identifier: ISC */
#include "smtp/proxy.h"

#include "mail/mail.h"

enum {
    V2_FIXED = 16,
    V2_TLV_CRC32C = 3,
    V2_VERSION = 2,
    V2_COMMAND_LOCAL = 0,
    V2_COMMAND_PROXY = 1,
    V2_FAMILY_INET = 1,
    V2_FAMILY_INET6 = 2,
    V2_FAMILY_UNIX = 3,
    V2_STREAM = 1,
    V2_DGRAM = 2,
};

#define V1_START SLICE("PROXY ")
#define V2_START SLICE("\r\n\r\n\0\r\nQUIT\n")

void smtp_proxy_init(struct smtp_proxy_reader *r)
{
    buf_init(&r->held, SMTP_PROXY_V2_MAX);
}

void smtp_proxy_deinit(struct smtp_proxy_reader *r)
{
    buf_deinit(&r->held);
}

static uint8_t byte_at(slice in, size_t at)
{
    return (uint8_t)in.ptr[at];
}

static uint16_t number_at(slice in, size_t at)
{
    return (uint16_t)(byte_at(in, at) << 8 | byte_at(in, at + 1));
}

/* Whether in begins as start does, as far as both go. */
static bool agrees(slice in, slice start)
{
    return slice_starts(start, slice_sub(in, 0, start.len));
}

static bool take_word(slice *line, slice *word_r)
{
    (void)slice_cut(*line, ' ', word_r, line);
    return word_r->len > 0;
}

static bool take_port(slice word, uint16_t *port_r)
{
    uint64_t port;
    if (word.len > 5 || (word.len > 1 && word.ptr[0] == '0') || slice_to_u64(word, 65535, &port) != ERR_OK)
        return false;
    *port_r = (uint16_t)port;
    return true;
}

/* Digits, dots and colons only: no brackets, no "IPv6:". */
static bool take_ip(slice word, uint8_t ip_r[16], size_t len)
{
    size_t got = 0;
    for (size_t i = 0; i < word.len; i++)
        if (slice_find_char(SLICE("0123456789abcdefABCDEF.:"), word.ptr[i]) < 0)
            return false;
    return address_ip_parse(word, ip_r, &got) == ERR_OK && got == len;
}

/* "PROXY TCP4 source destination port port"; line is without its CRLF. */
static enum smtp_proxy_result read_v1(slice line, struct smtp_proxy_addresses *addresses_r)
{
    struct smtp_proxy_addresses a = {.len = 4};
    slice family, source, destination, source_port, destination_port;
    line = slice_skip(line, V1_START.len);
    if (!take_word(&line, &family))
        return SMTP_PROXY_BAD;
    if (slice_equal(family, SLICE("UNKNOWN")))
        return SMTP_PROXY_LOCAL;
    if (slice_equal(family, SLICE("TCP6")))
        a.len = 16;
    else if (!slice_equal(family, SLICE("TCP4")))
        return SMTP_PROXY_BAD;
    bool whole = take_word(&line, &source) && take_word(&line, &destination) && take_word(&line, &source_port);
    destination_port = line;
    if (!whole || !take_ip(source, a.source, a.len) || !take_ip(destination, a.destination, a.len) ||
        !take_port(source_port, &a.source_port) || !take_port(destination_port, &a.destination_port))
        return SMTP_PROXY_BAD;
    *addresses_r = a;
    return SMTP_PROXY_ADDRESSES;
}

static enum smtp_proxy_result take_v1(slice in, size_t *len_r, struct smtp_proxy_addresses *addresses_r)
{
    slice head = slice_sub(in, 0, SMTP_PROXY_V1_MAX);
    ptrdiff_t end = slice_find_char(head, '\n');
    if (end < 0)
        return in.len < SMTP_PROXY_V1_MAX ? SMTP_PROXY_MORE : SMTP_PROXY_BAD;
    *len_r = (size_t)end + 1;
    if (end == 0 || in.ptr[end - 1] != '\r')
        return SMTP_PROXY_BAD;
    return read_v1(slice_sub(in, 0, (size_t)end - 1), addresses_r);
}

/* The checksum is that of the header with zeros in its place. */
static bool checksum_right(slice header, size_t at)
{
    uint32_t crc = hash_crc32c(0, slice_sub(header, 0, at));
    crc = hash_crc32c(crc, SLICE("\0\0\0\0"));
    crc = hash_crc32c(crc, slice_skip(header, at + 4));
    return crc == ((uint32_t)number_at(header, at) << 16 | number_at(header, at + 2));
}

/* Type, length, value; of them all only the checksum is looked at. */
static bool extras_valid(slice header, size_t at)
{
    while (at < header.len) {
        if (header.len - at < 3)
            return false;
        uint8_t type = byte_at(header, at);
        size_t len = number_at(header, at + 1);
        at += 3;
        if (len > header.len - at)
            return false;
        if (type == V2_TLV_CRC32C && (len != 4 || !checksum_right(header, at)))
            return false;
        at += len;
    }
    return true;
}

static enum smtp_proxy_result read_v2(slice header, struct smtp_proxy_addresses *addresses_r)
{
    uint8_t family = byte_at(header, 13) >> 4, transport = byte_at(header, 13) & 15;
    struct smtp_proxy_addresses a = {.len = family == V2_FAMILY_INET ? 4 : 16};
    if ((byte_at(header, 12) & 15) == V2_COMMAND_LOCAL)
        return SMTP_PROXY_LOCAL;
    if (family > V2_FAMILY_UNIX || transport > V2_DGRAM)
        return SMTP_PROXY_BAD;
    if ((family != V2_FAMILY_INET && family != V2_FAMILY_INET6) || transport != V2_STREAM)
        return SMTP_PROXY_LOCAL;
    size_t end = V2_FIXED + 2 * a.len + 4;
    if (header.len < end || !extras_valid(header, end))
        return SMTP_PROXY_BAD;
    memcpy(a.source, header.ptr + V2_FIXED, a.len);
    memcpy(a.destination, header.ptr + V2_FIXED + a.len, a.len);
    a.source_port = number_at(header, end - 4);
    a.destination_port = number_at(header, end - 2);
    *addresses_r = a;
    return SMTP_PROXY_ADDRESSES;
}

static enum smtp_proxy_result take_v2(slice in, size_t *len_r, struct smtp_proxy_addresses *addresses_r)
{
    if (in.len > 12 && (byte_at(in, 12) >> 4 != V2_VERSION || (byte_at(in, 12) & 15) > V2_COMMAND_PROXY))
        return SMTP_PROXY_BAD;
    if (in.len < V2_FIXED)
        return SMTP_PROXY_MORE;
    size_t len = V2_FIXED + (size_t)number_at(in, 14);
    if (len > SMTP_PROXY_V2_MAX)
        return SMTP_PROXY_BAD;
    if (in.len < len)
        return SMTP_PROXY_MORE;
    *len_r = len;
    return read_v2(slice_sub(in, 0, len), addresses_r);
}

static enum smtp_proxy_result take_header(slice in, size_t *len_r, struct smtp_proxy_addresses *addresses_r)
{
    if (in.len == 0)
        return SMTP_PROXY_MORE;
    if (agrees(in, V2_START))
        return in.len < V2_START.len ? SMTP_PROXY_MORE : take_v2(in, len_r, addresses_r);
    if (agrees(in, V1_START))
        return in.len < V1_START.len ? SMTP_PROXY_MORE : take_v1(in, len_r, addresses_r);
    return SMTP_PROXY_BAD;
}

enum smtp_proxy_result smtp_proxy_read(struct smtp_proxy_reader *r, slice in, size_t *used_r,
                                       struct smtp_proxy_addresses *addresses_r)
{
    size_t before = r->held.len, len = 0;
    slice whole = in;
    if (before > 0) {
        buf_append(&r->held, slice_sub(in, 0, SMTP_PROXY_V2_MAX - before));
        whole = buf_slice(&r->held);
    }
    enum smtp_proxy_result result = take_header(whole, &len, addresses_r);
    *used_r = in.len;
    if (result == SMTP_PROXY_MORE && before == 0)
        buf_append(&r->held, in);
    if (!buf_ok(&r->held))
        result = SMTP_PROXY_BAD;
    if (result != SMTP_PROXY_MORE)
        buf_release(&r->held);
    if (result == SMTP_PROXY_LOCAL || result == SMTP_PROXY_ADDRESSES)
        *used_r = len - before;
    return result;
}
