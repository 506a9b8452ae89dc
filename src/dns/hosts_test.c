/* SPDX-License-Identifier: ISC */
#include "dns/hosts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define W(literal) ((slice){literal, sizeof(literal) - 1})

static void names_from_text(void **state)
{
    static const struct {
        const char *text, *name; /* NULL: refused */
    } rows[] = {
        {"Example.ORG", "example.org"},
        {"example.org.", "example.org"},
        {"localhost", "localhost"},
        {"_dmarc.example.org", "_dmarc.example.org"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"", NULL},
        {".", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"a..", NULL},
        {"a b.example", NULL},
        {"a/../b", NULL},
        {"b\xc3\xbc.example", NULL},
        {"0123456789012345678901234567890123456789012345678901234567890123.example", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_name n = {.len = 0};
        enum err e = dns_name_set(&n, slice_str(rows[i].text));
        assert_int_equal(e, rows[i].name ? ERR_OK : ERR_SYNTAX);
        if (rows[i].name)
            assert_string_equal(n.text, rows[i].name);
    }
    struct dns_name n;
    assert_int_equal(dns_name_set(&n, W("a\0b.example")), ERR_SYNTAX);
}

static void longest_name(void **state)
{
    char text[300];
    struct dns_name n;
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? '.' : 'a';
    assert_int_equal(dns_name_set(&n, slice_of(text, 253)), ERR_OK);
    assert_int_equal(n.len, 253);
    assert_int_equal(dns_name_set(&n, slice_of(text, 255)), ERR_SYNTAX);
}

static void names_from_records(void **state)
{
    static const struct {
        slice wire;
        const char *name;
    } rows[] = {
        {{"\4mail\7EXAMPLE\3org\0", 18}, "mail.example.org"},
        {{"\0", 1}, ""},
        {{"", 0}, NULL},
        {{"\4mail", 5}, NULL},    /* no end */
        {{"\5mail\0", 6}, NULL},  /* a label longer than what is left */
        {{"\300\014", 2}, NULL},  /* a pointer: libunbound has resolved those */
        {{"\4ma\0l\0", 6}, NULL}, /* NUL */
        {{"\3a.b\0", 5}, NULL},   /* a dot inside a label */
        {{"\4a\r\nb\0", 6}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_name n = {.len = 0};
        enum err e = dns_name_read(&n, rows[i].wire);
        assert_int_equal(e, rows[i].name ? ERR_OK : ERR_SYNTAX);
        if (rows[i].name)
            assert_string_equal(n.text, rows[i].name);
    }
}

static void reverse_names(void **state)
{
    static const uint8_t v4[] = {192, 0, 2, 17};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x1f};
    struct dns_name n;
    (void)state;
    dns_name_reverse(&n, v4, 4);
    assert_string_equal(n.text, "17.2.0.192.in-addr.arpa");
    dns_name_reverse(&n, v6, 16);
    assert_string_equal(n.text, "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void mx_are_sorted(void **state)
{
    const slice records[] = {
        {"\0\36\1c\0", 5},
        {"\0\12\1A\0", 5},
        {"\0\24\1b\0", 5},
        {"\0\12\2a2\0", 6},
        {"\0\1\0", 3} /* the root among others */,
        {"\0", 1},
    };
    struct host hosts[6];
    size_t count = 0;
    (void)state;
    assert_int_equal(hosts_of_mx(records, 6, hosts, &count), HOSTS_MX_SOME);
    assert_int_equal(count, 4);
    assert_string_equal(hosts[0].name.text, "a");
    assert_string_equal(hosts[1].name.text, "a2");
    assert_string_equal(hosts[2].name.text, "b");
    assert_string_equal(hosts[3].name.text, "c");
    assert_int_equal(hosts[3].preference, 30);
    assert_int_equal(hosts_of_mx(&records[4], 1, hosts, &count), HOSTS_MX_NULL);
    assert_int_equal(hosts_of_mx(&records[5], 1, hosts, &count), HOSTS_MX_NONE);
}

static void best_mx_are_kept(void **state)
{
    char wire[60][5];
    slice records[60];
    struct host hosts[60];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < 60; i++) {
        memcpy(wire[i], "\0\0\1h\0", 5);
        wire[i][1] = (char)(60 - i);
        records[i] = slice_of(wire[i], 5);
    }
    assert_int_equal(hosts_of_mx(records, 60, hosts, &count), HOSTS_MX_SOME);
    assert_int_equal(count, HOSTS_MAX);
    assert_int_equal(hosts[0].preference, 1);
    assert_int_equal(hosts[HOSTS_MAX - 1].preference, 20);
}

static void encoding(void **state)
{
    struct host hosts[2] = {{.preference = 10}, {.preference = 0x1234}};
    char memory[256];
    buf b;
    (void)state;
    buf_init_fixed(&b, memory, sizeof memory);
    assert_int_equal(dns_name_set(&hosts[0].name, SLICE("a.b")), ERR_OK);
    assert_int_equal(dns_name_set(&hosts[1].name, SLICE("c")), ERR_OK);
    host_add_address(&hosts[0].addresses, W("\300\0\2\1"));
    host_add_address(&hosts[0].addresses, W("0123456789abcdef"));
    host_add_address(&hosts[0].addresses, W("short"));
    hosts_encode(&b, hosts, 2);
    slice wanted = W("\12\0\3\0a.b\2\0\0200123456789abcdef\4\300\0\2\1"
                     "\x34\x12\1\0c\0\0");
    assert_int_equal(b.len, wanted.len);
    assert_memory_equal(b.ptr, wanted.ptr, wanted.len);
}

static void families_share(void **state)
{
    static const struct {
        size_t v4, v6, v4_out, v6_out;
    } rows[] = {{40, 40, 8, 8}, {40, 2, 14, 2}, {2, 40, 2, 14}, {40, 0, 16, 0}, {0, 40, 0, 16}, {3, 3, 3, 3}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host h = {.preference = 0};
        char memory[1024];
        buf b;
        buf_init_fixed(&b, memory, sizeof memory);
        for (size_t k = 0; k < rows[i].v4; k++)
            host_add_address(&h.addresses, W("\177\0\0\1"));
        for (size_t k = 0; k < rows[i].v6; k++)
            host_add_address(&h.addresses, W("0123456789abcdef"));
        hosts_encode(&b, &h, 1);
        assert_int_equal(get_u16(b.ptr + 4), rows[i].v4_out + rows[i].v6_out);
        assert_int_equal(b.len, 6 + 5 * rows[i].v4_out + 17 * rows[i].v6_out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_from_text),    cmocka_unit_test(longest_name),
                                       cmocka_unit_test(names_from_records), cmocka_unit_test(reverse_names),
                                       cmocka_unit_test(mx_are_sorted),      cmocka_unit_test(best_mx_are_kept),
                                       cmocka_unit_test(encoding),           cmocka_unit_test(families_share)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
