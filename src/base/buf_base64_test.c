/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void codes_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const struct {
        slice plain, coded;
    } rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("f"), SLICE("Zg==")},
        {SLICE("fo"), SLICE("Zm8=")},
        {SLICE("foo"), SLICE("Zm9v")},
        {SLICE("foob"), SLICE("Zm9vYg==")},
        {SLICE("fooba"), SLICE("Zm9vYmE=")},
        {SLICE("foobar"), SLICE("Zm9vYmFy")},
        {SLICE("\0\xff\xfe\xfb"), SLICE("AP/++w==")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        buf_append_base64(&b, rows[i].plain);
        assert_true(slice_equal(buf_slice(&b), rows[i].coded));
        buf_clear(&b);
        assert_int_equal(buf_append_base64_decoded(&b, rows[i].coded), ERR_OK);
        assert_true(slice_equal(buf_slice(&b), rows[i].plain));
        buf_deinit(&b);
    }
}

static void refuses_what_is_no_base64(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE("Z"),      SLICE("Zg"),       SLICE("Zg="),  SLICE("Zg==="),       SLICE("Zh=="),
        SLICE("Zm9="),   SLICE("===="),     SLICE("Z==="), SLICE("Zg==Zg=="),    SLICE("Zm 9"),
        SLICE("Zm9v\n"), SLICE("Zm9v\r\n"), SLICE("Zm9-"), SLICE("Zm9_"),        SLICE("Zm9\0"),
        SLICE("=="),     SLICE("Z=g="),     SLICE("=g=="), SLICE("Zm9vZ\xc3g="),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        buf_append(&b, SLICE("kept"));
        assert_int_equal(buf_append_base64_decoded(&b, rows[i]), ERR_SYNTAX);
        assert_true(slice_equal(buf_slice(&b), SLICE("kept")));
        buf_deinit(&b);
    }
}

static void an_equals_sign_alone_is_no_base64(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_append_base64_decoded(&b, SLICE("=")), ERR_SYNTAX);
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
}

static void keeps_to_the_maximum(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 5);
    assert_int_equal(buf_append_base64_decoded(&b, SLICE("Zm9vYmE=")), ERR_OK);
    buf_clear(&b);
    assert_int_equal(buf_append_base64_decoded(&b, SLICE("Zm9vYmFy")), ERR_LIMIT);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    buf_append_base64(&b, SLICE("foob"));
    assert_false(buf_ok(&b));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_the_vectors_of_rfc_4648),
        cmocka_unit_test(refuses_what_is_no_base64),
        cmocka_unit_test(an_equals_sign_alone_is_no_base64),
        cmocka_unit_test(keeps_to_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
