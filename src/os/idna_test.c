/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define LONG_LABEL "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static void e6_takes_domains_to_a_labels(void **state)
{
    (void)state;
    static const struct {
        slice domain;
        enum err e;
        slice a;
    } rows[] = {
        {SLICE(""), ERR_OK, SLICE("")},
        {SLICE("example.org"), ERR_OK, SLICE("example.org")},
        {SLICE("Example.ORG."), ERR_OK, SLICE("Example.ORG.")},
        {SLICE("XN--mller-kva.example"), ERR_OK, SLICE("XN--mller-kva.example")},
        {SLICE("_dmarc.not valid!"), ERR_OK, SLICE("_dmarc.not valid!")},
        {SLICE("[192.0.2.1]"), ERR_OK, SLICE("[192.0.2.1]")},
        {SLICE("[IPv6:2001:db8::1]"), ERR_OK, SLICE("[IPv6:2001:db8::1]")},
        {SLICE("m\xc3\xbcller.example"), ERR_OK, SLICE("xn--mller-kva.example")},
        {SLICE("M\xc3\x9cLLER.Example"), ERR_OK, SLICE("xn--mller-kva.example")},
        {SLICE("mu\xcc\x88ller.example"), ERR_OK, SLICE("xn--mller-kva.example")},
        {SLICE("m\xc3\xbcller.example."), ERR_OK, SLICE("xn--mller-kva.example.")},
        {SLICE("xn--mller-kva.b\xc3\xbc.example"), ERR_OK, SLICE("xn--mller-kva.xn--b-eha.example")},
        {SLICE("stra\xc3\x9f"
               "e.example"),
         ERR_OK, SLICE("xn--strae-oqa.example")},
        {SLICE("\xe4\xbe\x8b\xe3\x80\x82\xe6\xb5\x8b\xe8\xaf\x95"), ERR_OK, SLICE("xn--fsq.xn--0zwm56d")},
        {SLICE("\xef\xbc\xa1\xef\xbc\xa2.example"), ERR_OK, SLICE("ab.example")},
        {SLICE("_dmarc.m\xc3\xbcller.example"), ERR_OK, SLICE("_dmarc.xn--mller-kva.example")},
        {SLICE("m\xfcller.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("m\xc3\xbcller\0.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("m\xc3\xbcller..example"), ERR_SYNTAX, SLICE("")},
        {SLICE(".m\xc3\xbcller.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("-m\xc3\xbcller.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("\xcc\x88ller.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("\xf0\x9f\x92\xa9.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("m\xc3\xbcller.x\x13mple"), ERR_SYNTAX, SLICE("")},
        {SLICE("m\xc3\xbcller.ex ample"), ERR_SYNTAX, SLICE("")},
        {SLICE("m\xc3\xbcller.a/b"), ERR_SYNTAX, SLICE("")},
        {SLICE("a\xe2\x80\xae.example"), ERR_SYNTAX, SLICE("")},
        {SLICE("\xc3\xbc" LONG_LABEL ".example"), ERR_LIMIT, SLICE("")},
        {SLICE("\xc3\xbc." LONG_LABEL "." LONG_LABEL "." LONG_LABEL "." LONG_LABEL), ERR_LIMIT, SLICE("")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf out;
        buf_init(&out, 1000);
        buf_append(&out, SLICE("a@"));
        enum err e = idna_to_ascii(rows[i].domain, &out);
        if (e != rows[i].e || !slice_equal(slice_skip(buf_slice(&out), 2), rows[i].a))
            fail_msg("row %zu: %s, %.*s", i, err_text(e), SLICE_ARG(buf_slice(&out)));
        assert_true(buf_ok(&out));
        buf_deinit(&out);
    }
}

static void e6_leaves_out_alone_when_there_is_no_room(void **state)
{
    (void)state;
    static const slice rows[] = {SLICE("example.org"), SLICE("m\xc3\xbcl.de")};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[12];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        buf_append(&out, SLICE("a@"));
        assert_int_equal(idna_to_ascii(rows[i], &out), ERR_NOMEM);
        assert_true(buf_ok(&out));
        assert_true(slice_equal(buf_slice(&out), SLICE("a@")));
    }
}

static void e6_shows_u_labels(void **state)
{
    (void)state;
    static const struct {
        slice domain, shown;
    } rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("Example.org"), SLICE("Example.org")},
        {SLICE("xn--mller-kva.example"), SLICE("m\xc3\xbcller.example")},
        {SLICE("XN--MLLER-KVA.example."), SLICE("m\xc3\xbcller.example.")},
        {SLICE("a.xn--fsq.xn--0zwm56d"), SLICE("a.\xe4\xbe\x8b.\xe6\xb5\x8b\xe8\xaf\x95")},
        {SLICE("xn--.example"), SLICE("xn--.example")},
        {SLICE("xn--a-.xn--mller-kva"), SLICE("xn--a-.m\xc3\xbcller")},
        {SLICE("xn--ls8h.example"), SLICE("xn--ls8h.example")},
        {SLICE("xn--mller-kva" LONG_LABEL ".example"), SLICE("xn--mller-kva" LONG_LABEL ".example")},
        {SLICE("[192.0.2.1]"), SLICE("[192.0.2.1]")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf out;
        buf_init(&out, 1000);
        idna_to_unicode(rows[i].domain, &out);
        if (!slice_equal(buf_slice(&out), rows[i].shown))
            fail_msg("row %zu: %.*s", i, SLICE_ARG(buf_slice(&out)));
        buf_deinit(&out);
    }
}

static void e6_normalizes_local_parts(void **state)
{
    (void)state;
    static const struct {
        slice text;
        enum err e;
        slice normal;
    } rows[] = {
        {SLICE("Alice"), ERR_OK, SLICE("Alice")},
        {SLICE("jos\xc3\xa9"), ERR_OK, SLICE("jos\xc3\xa9")},
        {SLICE("jose\xcc\x81"), ERR_OK, SLICE("jos\xc3\xa9")},
        {SLICE("\xef\xac\x81"), ERR_OK, SLICE("\xef\xac\x81")},
        {SLICE("jos\xe9"), ERR_SYNTAX, SLICE("")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf out;
        buf_init(&out, 100);
        assert_int_equal(idna_normalize(rows[i].text, &out), rows[i].e);
        assert_true(slice_equal(buf_slice(&out), rows[i].normal));
        buf_deinit(&out);
    }
}

static void e6_knows_an_international_name(void **state)
{
    (void)state;
    assert_true(idna_is_international(SLICE("m\xc3\xbcller.example")));
    assert_true(idna_is_international(SLICE("a.Xn--mller-kva")));
    assert_false(idna_is_international(SLICE("axn--b.example")));
    assert_false(idna_is_international(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e6_takes_domains_to_a_labels),
        cmocka_unit_test(e6_leaves_out_alone_when_there_is_no_room),
        cmocka_unit_test(e6_shows_u_labels),
        cmocka_unit_test(e6_normalizes_local_parts),
        cmocka_unit_test(e6_knows_an_international_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
