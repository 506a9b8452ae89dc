/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void prints_and_compares(void **state)
{
    (void)state;
    struct address bob = {SLICE("bob"), SLICE("Example.org")};
    struct address other_case = {SLICE("bob"), SLICE("example.ORG")};
    struct address other_bob = {SLICE("Bob"), SLICE("Example.org")};
    struct address bare = {SLICE("postmaster"), SLICE_NONE};
    struct address null = {SLICE_NONE, SLICE_NONE};
    assert_true(address_equal(bob, other_case));
    assert_false(address_equal(bob, other_bob));
    assert_false(address_equal(bob, null));
    assert_true(address_is_null(null));
    assert_false(address_is_null(bare));
    static const char *const texts[] = {"bob@Example.org", "postmaster", ""};
    const struct address all[] = {bob, bare, null};
    for (size_t i = 0; i < 3; i++) {
        buf b;
        buf_init(&b, 100);
        address_print(&b, all[i]);
        assert_true(slice_equal(buf_slice(&b), slice_str(texts[i])));
        buf_deinit(&b);
    }
}

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void judges_domains(void **state)
{
    (void)state;
    static const struct {
        slice domain;
        bool ascii, utf8;
    } rows[] = {
        {SLICE("example.org"), true, true},
        {SLICE("localhost"), true, true},
        {SLICE("192.0.2.1"), true, true},
        {SLICE("a-b.c_d.e"), true, true},
        {SLICE("_dmarc.example.org"), true, true},
        {SLICE("[192.0.2.1]"), true, true},
        {SLICE("[IPv6:2001:db8::1]"), true, true},
        {SLICE("[x-next:some.content!]"), true, true},
        {SLICE(LABEL_63 ".org"), true, true},
        {SLICE(LABEL_63 "a.org"), false, false},
        {SLICE(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63), true, true},
        {SLICE(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".a"), false, false},
        {SLICE("m\xc3\xbcnchen.example"), false, true},
        {SLICE("m\xfcnchen.example"), false, false},
        {SLICE("a\xc2\x85.example"), false, false},
        {SLICE(""), false, false},
        {SLICE("."), false, false},
        {SLICE(".org"), false, false},
        {SLICE("a..b"), false, false},
        {SLICE("a.org."), false, false},
        {SLICE("-a.org"), false, false},
        {SLICE("a-.org"), false, false},
        {SLICE("a b"), false, false},
        {SLICE("a\0b"), false, false},
        {SLICE("a\r\nb"), false, false},
        {SLICE("a/b"), false, false},
        {SLICE("a(b)"), false, false},
        {SLICE("["), false, false},
        {SLICE("[]"), false, false},
        {SLICE("[192.0.2.256]"), false, false},
        {SLICE("[192.0.2.1"), false, false},
        {SLICE("[IPv6:12345::]"), false, false},
        {SLICE("[ipv6:x]"), false, false},
        {SLICE("[foo]"), false, false},
        {SLICE("[x-:a]"), false, false},
        {SLICE("[x:a b]"), false, false},
        {SLICE("[x:a]b]"), false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(address_domain_valid(rows[i].domain, false), rows[i].ascii);
        assert_int_equal(address_domain_valid(rows[i].domain, true), rows[i].utf8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_and_compares),
        cmocka_unit_test(judges_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
