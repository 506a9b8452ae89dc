/* SPDX-License-Identifier: ISC */
#include "smtp/proxy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mail/mail.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define INET_BLOCK "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x19"
#define INET6_BLOCK                                                                                                    \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"                                                                       \
    "\xff\xff\x00\x19"

static const char *const results[] = {"more", "local", "addresses", "bad"};

/* Feeds in pieces of that size; what is left behind the header is checked to be "EHLO". */
static enum smtp_proxy_result read_in_pieces(slice in, size_t piece, struct smtp_proxy_addresses *a, size_t *left)
{
    struct smtp_proxy_reader r;
    enum smtp_proxy_result result = SMTP_PROXY_MORE;
    size_t used = 0;
    smtp_proxy_init(&r);
    while (in.len > 0 && result == SMTP_PROXY_MORE) {
        slice part = slice_sub(in, 0, piece);
        result = smtp_proxy_read(&r, part, &used, a);
        assert_true(used <= part.len);
        in = slice_skip(in, used);
    }
    *left = in.len;
    smtp_proxy_deinit(&r);
    return result;
}

static void check(slice in, enum smtp_proxy_result wanted, const char *text)
{
    for (size_t piece = 1; piece <= in.len + 1; piece += piece < 40 ? 1 : in.len) {
        struct smtp_proxy_addresses a = {0};
        char memory[200];
        size_t left;
        buf b;
        enum smtp_proxy_result got = read_in_pieces(in, piece, &a, &left);
        if (got != wanted)
            fail_msg("%.*s in pieces of %zu: wanted %s, got %s", SLICE_ARG(in), piece, results[wanted], results[got]);
        if (wanted == SMTP_PROXY_ADDRESSES || wanted == SMTP_PROXY_LOCAL)
            assert_int_equal(left, 4); /* "EHLO" */
        if (!text)
            continue;
        buf_init_fixed(&b, memory, sizeof memory);
        address_ip_print(&b, a.source, a.len);
        buf_printf(&b, " %u ", a.source_port);
        address_ip_print(&b, a.destination, a.len);
        buf_printf(&b, " %u", a.destination_port);
        if (!slice_equal(buf_slice(&b), slice_str(text)))
            fail_msg("wanted %s, got %.*s", text, SLICE_ARG(buf_slice(&b)));
    }
}

static void e13_server_proxy_v1(void **state)
{
    (void)state;
    check(SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\nEHLO"), SMTP_PROXY_ADDRESSES,
          "192.0.2.1 12345 198.51.100.2 25");
    check(SLICE("PROXY TCP6 2001:db8::1 2001:db8::2 65535 25\r\nEHLO"), SMTP_PROXY_ADDRESSES,
          "2001:db8::1 65535 2001:db8::2 25");
    check(SLICE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
                "65535\r\nEHLO"),
          SMTP_PROXY_ADDRESSES,
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
    check(SLICE("PROXY UNKNOWN\r\nEHLO"), SMTP_PROXY_LOCAL, NULL);
    check(SLICE("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\nEHLO"), SMTP_PROXY_LOCAL, NULL);
    check(SLICE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\nEHLO"), SMTP_PROXY_ADDRESSES, "0.0.0.0 0 0.0.0.0 0");
    check(SLICE("PROXY TCP4 192.0.2.1 198.51"), SMTP_PROXY_MORE, NULL);
}

static void threat_proxy_v1_that_is_none(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE("EHLO c\r\n"),
        SLICE("PROXY\r\n"),
        SLICE("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n"),
        SLICE("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n"),
        SLICE("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n"),
        SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n"),
        SLICE("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n"),
        SLICE("PROXY TCP4 [192.0.2.1] 198.51.100.2 1 2\r\n"),
        SLICE("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
        SLICE("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n"),
        SLICE("PROXY TCP6 IPv6:2001:db8::1 2001:db8::2 1 2\r\n"),
        SLICE("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"),
        SLICE("PROXY UNKNOWN "
              "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
              "\r\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(rows[i], SMTP_PROXY_BAD, NULL);
}

static void e13_server_proxy_v2(void **state)
{
    (void)state;
    check(SLICE(V2 "\x21\x11\x00\x0c" INET_BLOCK "EHLO"), SMTP_PROXY_ADDRESSES, "192.0.2.1 12345 198.51.100.2 25");
    check(SLICE(V2 "\x21\x21\x00\x24" INET6_BLOCK "EHLO"), SMTP_PROXY_ADDRESSES, "2001:db8::1 65535 2001:db8::2 25");
    check(SLICE(V2 "\x20\x00\x00\x00"
                   "EHLO"),
          SMTP_PROXY_LOCAL, NULL);
    check(SLICE(V2 "\x20\x11\x00\x0c" INET_BLOCK "EHLO"), SMTP_PROXY_LOCAL, NULL);
    check(SLICE(V2 "\x20\xff\x00\x03xyz"
                   "EHLO"),
          SMTP_PROXY_LOCAL, NULL);
    check(SLICE(V2 "\x21\x00\x00\x00"
                   "EHLO"),
          SMTP_PROXY_LOCAL, NULL);
    check(SLICE(V2 "\x21\x12\x00\x0c" INET_BLOCK "EHLO"), SMTP_PROXY_LOCAL, NULL);
    /* an extra of a type that nobody knows, and one without a value */
    check(SLICE(V2 "\x21\x11\x00\x14" INET_BLOCK "\x04\x00\x02xy\xee\x00\x00"
                   "EHLO"),
          SMTP_PROXY_ADDRESSES, "192.0.2.1 12345 198.51.100.2 25");
    check(SLICE(V2 "\x21\x11\x00\x0c\xc0\x00"), SMTP_PROXY_MORE, NULL);
}

static void e13_server_proxy_v2_checksum(void **state)
{
    (void)state;
    char header[64];
    slice start = SLICE(V2 "\x21\x11\x00\x17" INET_BLOCK "\x04\x00\x01x\x03\x00\x04\0\0\0\0");
    buf b;
    uint32_t crc = hash_crc32c(0, start);
    for (int wrong = 0; wrong < 2; wrong++) {
        buf_init_fixed(&b, header, sizeof header);
        buf_append(&b, start);
        for (size_t i = 0; i < 4; i++)
            header[start.len - 4 + i] = (char)(crc >> (24 - 8 * i));
        if (wrong)
            header[20] ^= 1;
        buf_append(&b, SLICE("EHLO"));
        check(buf_slice(&b), wrong ? SMTP_PROXY_BAD : SMTP_PROXY_ADDRESSES,
              wrong ? NULL : "192.0.2.1 12345 198.51.100.2 25");
    }
}

static void threat_proxy_v2_that_is_none(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE("\r\nEHLO c\r\n"),
        SLICE("\r\n\r\n\0\r\nQUIT\r\n"),
        SLICE(V2 "\x31\x11\x00\x0c" INET_BLOCK),
        SLICE(V2 "\x22\x11\x00\x0c" INET_BLOCK),
        SLICE(V2 "\x21\x41\x00\x0c" INET_BLOCK),
        SLICE(V2 "\x21\x13\x00\x0c" INET_BLOCK),
        SLICE(V2 "\x21\x11\x00\x0b" INET_BLOCK),
        SLICE(V2 "\x21\x21\x00\x0c" INET_BLOCK),
        SLICE(V2 "\x21\x11\x02\x09"),
        SLICE(V2 "\x21\x11\xff\xff"),
        SLICE(V2 "\x21\x11\x00\x0e" INET_BLOCK "\x04\x00"),
        SLICE(V2 "\x21\x11\x00\x10" INET_BLOCK "\x04\x00\x02x"),
        SLICE(V2 "\x21\x11\x00\x10" INET_BLOCK "\x03\x00\x01x"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(rows[i], SMTP_PROXY_BAD, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e13_server_proxy_v1),          cmocka_unit_test(threat_proxy_v1_that_is_none),
        cmocka_unit_test(e13_server_proxy_v2),          cmocka_unit_test(e13_server_proxy_v2_checksum),
        cmocka_unit_test(threat_proxy_v2_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
