/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DATE "Sat, 21 Nov 2026 19:08:35 +0000\r\n"

static const struct {
    struct received_facts facts;
    slice text;
} rows[] = {
    {{.origin = {.client_name = SLICE("mx.peer.example"),
                 .client_ip = SLICE("192.0.2.1"),
                 .helo = SLICE("peer.example"),
                 .protocol = SLICE("ESMTP")},
      .rcpt = SLICE("bob@example.org")},
     SLICE("Received: from peer.example (mx.peer.example [192.0.2.1])\r\n"
           "\tby mail.example.org (Thurn) with ESMTP id TXVQZH8B\r\n"
           "\tfor <bob@example.org>; " DATE)},
    {{.origin = {.client_name = SLICE("unknown"),
                 .client_ip = SLICE("2001:db8::1"),
                 .helo = SLICE("[IPv6:2001:db8::1]"),
                 .protocol = SLICE("ESMTPSA"),
                 .login = SLICE("alice")},
      .tls = SLICE("TLSv1.3 TLS_AES_256_GCM_SHA384")},
     SLICE("Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])\r\n"
           "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
           "\tby mail.example.org (Thurn) with ESMTPSA id TXVQZH8B;\r\n"
           "\t" DATE)},
    {{.origin = {.client_name = SLICE("localhost"),
                 .client_ip = SLICE("local"),
                 .helo = SLICE("alice"),
                 .protocol = SLICE("ESMTP")}},
     SLICE("Received: from alice (local)\r\n\tby mail.example.org (Thurn) with ESMTP id TXVQZH8B;\r\n\t" DATE)},
    {{.origin = {.client_ip = SLICE("local"), .protocol = SLICE("ESMTP")}},
     SLICE("Received: from unknown (local)\r\n\tby mail.example.org (Thurn) with ESMTP id TXVQZH8B;\r\n\t" DATE)},
    {{.origin = {.protocol = SLICE("local")}, .rcpt = SLICE("bob@example.org")},
     SLICE("Received: by mail.example.org (Thurn) id TXVQZH8B\r\n\tfor <bob@example.org>; " DATE)},
    /* RFC 6710 section 7 */
    {{.origin = {.protocol = SLICE("local")}, .rcpt = SLICE("bob@example.org"), .priority = 3},
     SLICE("Received: by mail.example.org (Thurn) id TXVQZH8B\r\n\tfor <bob@example.org> PRIORITY 3; " DATE)},
    {{.origin = {.protocol = SLICE("local")}, .priority = -9},
     SLICE("Received: by mail.example.org (Thurn) id TXVQZH8B PRIORITY -9;\r\n\t" DATE)},
    /* a hostile peer */
    {{.origin = {.client_name = SLICE("a)(b\\"),
                 .client_ip = SLICE("192.0.2.1"),
                 .helo = SLICE("x) by y; \r\nX-Spam: no\0\x1b\xff\t\xc3\xa9"),
                 .protocol = SLICE("SMTP")}},
     SLICE("Received: from x??by?y????X-Spam:?no????\xc3\xa9 (a??b? [192.0.2.1])\r\n"
           "\tby mail.example.org (Thurn) with SMTP id TXVQZH8B;\r\n\t" DATE)},
};

static void prints_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct received_facts facts = rows[i].facts;
        facts.hostname = SLICE("mail.example.org");
        facts.id = 1;
        facts.unix_s = 1795288115;
        buf b;
        buf_init(&b, 4096);
        received_print(&b, &facts);
        if (!slice_equal(buf_slice(&b), rows[i].text))
            fail_msg("%.*s", SLICE_ARG(buf_slice(&b)));
        buf_deinit(&b);
    }
}

/* Whatever the peer says, it is one field with lines that mail allows. */
static void stays_one_field(void **state)
{
    (void)state;
    char helo[3000];
    for (unsigned c = 0; c < 256; c++) {
        memset(helo, (int)c, sizeof(helo));
        struct received_facts facts = {.origin = {.client_name = slice_of(helo, sizeof(helo)),
                                                  .client_ip = SLICE("192.0.2.1"),
                                                  .helo = slice_of(helo, sizeof(helo)),
                                                  .protocol = SLICE("SMTP")},
                                       .hostname = SLICE("mail.example.org")};
        buf b;
        buf_init(&b, 4096);
        received_print(&b, &facts);
        slice rest = buf_slice(&b);
        struct header_field field;
        assert_true(header_next(&rest, &field));
        assert_int_equal(rest.len, 0);
        struct body_scan scan;
        body_scan_init(&scan);
        body_scan_feed(&scan, buf_slice(&b));
        assert_in_range(body_scan_end(&scan).longest_line, 1, 998);
        buf_deinit(&b);
    }
}

static void prints_what_delivery_adds(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 1000);
    received_print_return_path(&b, SLICE("alice@example.org"));
    received_print_return_path(&b, SLICE(""));
    received_print_delivered_to(&b, SLICE("bob@example.org"));
    received_print_delivered_to(&b, SLICE("\"a\r\nb\"@x"));
    assert_true(slice_equal(buf_slice(&b), SLICE("Return-Path: <alice@example.org>\r\nReturn-Path: <>\r\n"
                                                 "Delivered-To: bob@example.org\r\nDelivered-To: \"a? b\"@x\r\n")));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_the_field),
        cmocka_unit_test(stays_one_field),
        cmocka_unit_test(prints_what_delivery_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
