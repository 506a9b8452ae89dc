/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void writes_and_reads_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        size_t digits;
        const char *text;
    } rows[] = {
        {0, 1, "0"},
        {31, 1, "Z"},
        {32, 2, "10"},
        {0, 8, "00000000"},
        {(UINT64_C(1) << 40) - 1, 8, "ZZZZZZZZ"},
        {UINT64_C(0x123456789a), 8, "28T5CY4T"},
        {(UINT64_C(1) << 60) - 1, 12, "ZZZZZZZZZZZZ"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[14] = "";
        base32_write(text, rows[i].digits, rows[i].value);
        assert_string_equal(text, rows[i].text);
        uint64_t value;
        assert_int_equal(base32_read(slice_str(text), &value), ERR_OK);
        assert_int_equal(value, rows[i].value);
    }
    char text[14] = "";
    base32_write(text, 13, UINT64_MAX);
    assert_string_equal(text, "FZZZZZZZZZZZZ");
}

static void forgives_what_people_mistype(void **state)
{
    (void)state;
    uint64_t a, b;
    assert_int_equal(base32_read(SLICE("oOiIlLz"), &a), ERR_OK);
    assert_int_equal(base32_read(SLICE("001111Z"), &b), ERR_OK);
    assert_int_equal(a, b);
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE(""),        SLICE("U"), SLICE("u"), SLICE("1-2"), SLICE("1 "), SLICE("\0"), SLICE("0000000000000"),
        SLICE("\xc3\xa9")};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 4711;
        assert_int_equal(base32_read(rows[i], &value), ERR_SYNTAX);
        assert_int_equal(value, 4711);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(forgives_what_people_mistype),
        cmocka_unit_test(refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
