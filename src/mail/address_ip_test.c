/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void reads_and_prints_addresses(void **state)
{
    (void)state;
    static const struct {
        slice text;
        size_t len;
        slice printed;
    } rows[] = {
        {SLICE("192.0.2.1"), 4, SLICE("192.0.2.1")},
        {SLICE("[0.0.0.0]"), 4, SLICE("0.0.0.0")},
        {SLICE("255.255.255.255"), 4, SLICE("255.255.255.255")},
        {SLICE("::"), 16, SLICE("::")},
        {SLICE("::1"), 16, SLICE("::1")},
        {SLICE("1::"), 16, SLICE("1::")},
        {SLICE("[IPv6:2001:DB8::1]"), 16, SLICE("2001:db8::1")},
        {SLICE("ipv6:fe80::1"), 16, SLICE("fe80::1")},
        {SLICE("[2001:db8::1]"), 16, SLICE("2001:db8::1")},
        {SLICE("1:2:3:4:5:6:7:8"), 16, SLICE("1:2:3:4:5:6:7:8")},
        {SLICE("1:0:3:4:5:6:7:8"), 16, SLICE("1:0:3:4:5:6:7:8")},
        {SLICE("1::3:4:5:6:7:8"), 16, SLICE("1:0:3:4:5:6:7:8")},
        {SLICE("1:0:0:4:0:0:0:8"), 16, SLICE("1:0:0:4::8")},
        {SLICE("1:0:0:4:5:0:0:8"), 16, SLICE("1::4:5:0:0:8")},
        {SLICE("0:0:3:4:5:6:7:8"), 16, SLICE("::3:4:5:6:7:8")},
        {SLICE("1:2:3:4:5:6:0:0"), 16, SLICE("1:2:3:4:5:6::")},
        {SLICE("::ffff:192.0.2.1"), 16, SLICE("::ffff:192.0.2.1")},
        {SLICE("::ffff:c000:0201"), 16, SLICE("::ffff:192.0.2.1")},
        {SLICE("64:ff9b::192.0.2.33"), 16, SLICE("64:ff9b::c000:221")},
        {SLICE("1:2:3:4:5:6:1.2.3.4"), 16, SLICE("1:2:3:4:5:6:102:304")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t ip[16];
        size_t len;
        assert_int_equal(address_ip_parse(rows[i].text, ip, &len), ERR_OK);
        assert_int_equal(len, rows[i].len);
        buf b;
        buf_init(&b, 100);
        address_ip_print(&b, ip, len);
        assert_true(slice_equal(buf_slice(&b), rows[i].printed));
        buf_deinit(&b);
    }
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE(""),
        SLICE("[]"),
        SLICE("1.2.3"),
        SLICE("1.2.3.4.5"),
        SLICE("1.2.3.256"),
        SLICE("1.2.3.04"),
        SLICE("1.2.3.0000"),
        SLICE("1.2.3."),
        SLICE(" 1.2.3.4"),
        SLICE("1.2.3.4\0"),
        SLICE("0x1.2.3.4"),
        SLICE("[1.2.3.4"),
        SLICE("IPv6:1.2.3.4"),
        SLICE(":"),
        SLICE(":::"),
        SLICE("1:2:3:4:5:6:7"),
        SLICE("1:2:3:4:5:6:7:8:9"),
        SLICE("1:2:3:4::5:6:7:8"),
        SLICE("1::2::3"),
        SLICE("12345::"),
        SLICE("::g"),
        SLICE(":1::"),
        SLICE("1:2:3:4:5:6:7:"),
        SLICE("1.2.3.4::"),
        SLICE("::1.2.3.4:5"),
        SLICE("1:2:3:4:5:6:7:1.2.3.4"),
        SLICE("fe80::1%eth0"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t ip[16] = {42};
        size_t len = 4711;
        assert_int_equal(address_ip_parse(rows[i], ip, &len), ERR_SYNTAX);
        assert_int_equal(ip[0], 42);
        assert_int_equal(len, 4711);
    }
}

static void knows_where_no_mail_host_can_be(void **state)
{
    (void)state;
    static const struct {
        slice text;
        bool nowhere;
    } rows[] = {
        {SLICE("127.0.0.1"), true},
        {SLICE("127.255.0.1"), true},
        {SLICE("0.0.0.0"), true},
        {SLICE("224.0.0.1"), true},
        {SLICE("239.1.2.3"), true},
        {SLICE("255.255.255.255"), true},
        {SLICE("::"), true},
        {SLICE("::1"), true},
        {SLICE("ff02::1"), true},
        {SLICE("::ffff:127.0.0.1"), true},
        {SLICE("192.0.2.1"), false},
        {SLICE("10.0.0.1"), false},
        {SLICE("223.255.255.255"), false},
        {SLICE("::2"), false},
        {SLICE("2001:db8::1"), false},
        {SLICE("fe80::1"), false},
        {SLICE("::ffff:192.0.2.1"), false},
        {SLICE("126.255.255.255"), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t ip[16];
        size_t len;
        assert_int_equal(address_ip_parse(rows[i].text, ip, &len), ERR_OK);
        assert_int_equal(address_ip_is_nowhere(ip, len), rows[i].nowhere);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_prints_addresses),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(knows_where_no_mail_host_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
