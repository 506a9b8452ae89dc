/* SPDX-License-Identifier: ISC */
#include "mail/xtext.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/base.h"

struct pair {
    slice plain, coded;
};

static void check_text(slice what, const buf *b, slice wanted)
{
    if (!buf_ok(b) || !slice_equal(buf_slice(b), wanted))
        fail_msg("%.*s: wanted \"%.*s\", got \"%.*s\"", SLICE_ARG(what), SLICE_ARG(wanted), SLICE_ARG(buf_slice(b)));
}

static void e7_xtext_both_ways(void **state)
{
    (void)state;
    static const struct pair rows[] = {
        {SLICE("plain"), SLICE("plain")},
        {SLICE(""), SLICE("")},
        {SLICE("e=mc2@example.com"), SLICE("e+3Dmc2@example.com")},
        {SLICE("a+b c\\d"), SLICE("a+2Bb+20c\\d")},
        {SLICE("\xc3\xa9"), SLICE("+C3+A9")},
        {SLICE("<>"), SLICE("<>")},
        {SLICE("!~"), SLICE("!~")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[100];
        buf b;
        buf_init_fixed(&b, memory, sizeof memory);
        xtext_encode(&b, rows[i].plain);
        check_text(rows[i].plain, &b, rows[i].coded);
        buf_clear(&b);
        assert_int_equal(xtext_decode(&b, rows[i].coded), ERR_OK);
        check_text(rows[i].coded, &b, rows[i].plain);
    }
}

/* Hostile: xtext that decodes to CR, LF, NUL: decode, then refuse. */
static void threat_xtext_refuses_what_is_no_text(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE("a+0Db"), SLICE("a+0Ab"),  SLICE("a+00"), SLICE("+09"),    SLICE("a+7F"),     SLICE("a+1B[m"),
        SLICE("a+4"),   SLICE("a+"),     SLICE("a+4g"), SLICE("a+3d"),   SLICE("a=b"),      SLICE("a b"),
        SLICE("a\rb"),  SLICE("a\0b"),   SLICE("+C3"),  SLICE("+C2+85"), SLICE("\xc3\xa9"), SLICE("+ED+A0+80"),
        SLICE("a\nb"),  SLICE("+C0+8D"), SLICE("++0A"), SLICE("+2B+0A"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[100];
        buf b;
        buf_init_fixed(&b, memory, sizeof memory);
        buf_append(&b, SLICE("kept"));
        if (xtext_decode(&b, rows[i]) != ERR_SYNTAX)
            fail_msg("row %zu: %.*s", i, SLICE_ARG(rows[i]));
        check_text(rows[i], &b, SLICE("kept"));
    }
}

static void e7_xtext_that_does_not_fit(void **state)
{
    (void)state;
    char memory[4];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    assert_int_equal(xtext_decode(&b, SLICE("12345")), ERR_LIMIT);
}

/* RFC 6533 section 3 */
static void e6_orcpt_of_international_addresses(void **state)
{
    (void)state;
    static const struct {
        slice plain, ascii, utf8;
    } rows[] = {
        {SLICE("rfc822;a+b@example.org"), SLICE("rfc822;a+2Bb@example.org"), SLICE("rfc822;a+2Bb@example.org")},
        {SLICE("utf-8;\xc3\xa9@example.org"), SLICE("utf-8;\\x{E9}@example.org"), SLICE("utf-8;\xc3\xa9@example.org")},
        {SLICE("UTF-8;\xe4\xbd\xa0 \\=+@\xf0\x9f\x90\xb4"),
         SLICE("UTF-8;\\x{4F60}\\x{20}\\x{5C}\\x{3D}\\x{2B}@\\x{1F434}"),
         SLICE("UTF-8;\xe4\xbd\xa0\\x{20}\\x{5C}\\x{3D}\\x{2B}@\xf0\x9f\x90\xb4")},
        {SLICE("utf-8;\xf4\x8f\xbf\xbf"), SLICE("utf-8;\\x{10FFFF}"), SLICE("utf-8;\xf4\x8f\xbf\xbf")},
        {SLICE("x-any;c=de\\x{41}"), SLICE("x-any;c+3Dde\\x{41}"), SLICE("x-any;c+3Dde\\x{41}")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[100];
        buf b;
        for (int utf8 = 0; utf8 < 2; utf8++) {
            buf_init_fixed(&b, memory, sizeof memory);
            xtext_encode_orcpt(&b, rows[i].plain, utf8);
            check_text(rows[i].plain, &b, utf8 ? rows[i].utf8 : rows[i].ascii);
            buf_clear(&b);
            assert_int_equal(xtext_decode_orcpt(&b, utf8 ? rows[i].utf8 : rows[i].ascii, utf8), ERR_OK);
            check_text(rows[i].ascii, &b, rows[i].plain);
        }
    }
    char memory[100];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    xtext_encode_utf8_address(&b, SLICE("\xc3\xa9@x\xff"));
    check_text(SLICE("address alone"), &b, SLICE("\\x{E9}@x\\x{FFFD}"));
}

static void threat_orcpt_refuses_what_is_none(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE(""),
        SLICE("rfc822"),
        SLICE("rfc822;"),
        SLICE(";a@b"),
        SLICE("rfc 822;a@b"),
        SLICE("rfc822;a+0A"),
        SLICE("rfc822;\xc3\xa9"),
        SLICE("utf-8;a+2Bb"),
        SLICE("utf-8;\\x{A}"),
        SLICE("utf-8;\\x{0A}"),
        SLICE("utf-8;\\x{00000A}"),
        SLICE("utf-8;\\x{41}"),
        SLICE("utf-8;\\x{7F}"),
        SLICE("utf-8;\\x{85}"),
        SLICE("utf-8;\\x{D800}"),
        SLICE("utf-8;\\x{110000}"),
        SLICE("utf-8;\\x{1000000}"),
        SLICE("utf-8;\\x{0E9}"),
        SLICE("utf-8;\\x{}"),
        SLICE("utf-8;\\x{E9"),
        SLICE("utf-8;\\x{e9}"),
        SLICE("utf-8;\\"),
        SLICE("utf-8;a b"),
        SLICE("utf-8;\xff"),
        SLICE("utf-8;\r\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[100];
        buf b;
        buf_init_fixed(&b, memory, sizeof memory);
        if (xtext_decode_orcpt(&b, rows[i], true) != ERR_SYNTAX || b.len != 0)
            fail_msg("row %zu: %.*s", i, SLICE_ARG(rows[i]));
    }
    char memory[100];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    assert_int_equal(xtext_decode_orcpt(&b, SLICE("utf-8;\xc3\xa9@x"), false), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e7_xtext_both_ways),
        cmocka_unit_test(threat_xtext_refuses_what_is_no_text),
        cmocka_unit_test(e7_xtext_that_does_not_fit),
        cmocka_unit_test(e6_orcpt_of_international_addresses),
        cmocka_unit_test(threat_orcpt_refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
