/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void compares_bytes_and_cases(void **state)
{
    (void)state;
    static const struct {
        slice a, b;
        bool equal, nocase, starts;
        int order;
    } rows[] = {
        {SLICE(""), SLICE(""), true, true, true, 0},
        {SLICE(""), SLICE_NONE, true, true, true, 0},
        {SLICE("a"), SLICE(""), false, false, true, 1},
        {SLICE(""), SLICE("a"), false, false, false, -1},
        {SLICE("abc"), SLICE("abc"), true, true, true, 0},
        {SLICE("abc"), SLICE("ABC"), false, true, false, 1},
        {SLICE("abcd"), SLICE("abc"), false, false, true, 1},
        {SLICE("a\0b"), SLICE("a\0c"), false, false, false, -1},
        {SLICE("\xff"), SLICE("a"), false, false, false, 1},
        {SLICE("{"), SLICE("["), false, false, false, 1},
        {SLICE("\xc4"), SLICE("\xe4"), false, false, false, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(slice_equal(rows[i].a, rows[i].b), rows[i].equal);
        assert_int_equal(slice_equal_secret(rows[i].a, rows[i].b), rows[i].equal);
        assert_int_equal(slice_equal_nocase(rows[i].a, rows[i].b), rows[i].nocase);
        assert_int_equal(slice_starts(rows[i].a, rows[i].b), rows[i].starts);
        int order = slice_compare(rows[i].a, rows[i].b);
        assert_int_equal((order > 0) - (order < 0), rows[i].order);
    }
    assert_true(slice_starts_nocase(SLICE("MAIL From:<>"), SLICE("mail FROM:")));
    assert_false(slice_starts_nocase(SLICE("MAIL"), SLICE("MAIL FROM:")));
    assert_true(slice_ends_nocase(SLICE("host.Example.COM"), SLICE(".example.com")));
    assert_false(slice_ends_nocase(SLICE("com"), SLICE("example.com")));
}

static void finds_what_is_there(void **state)
{
    (void)state;
    slice s = SLICE("a.b.c\0d");
    assert_int_equal(slice_find_char(s, '.'), 1);
    assert_int_equal(slice_rfind_char(s, '.'), 3);
    assert_int_equal(slice_find_char(s, '\0'), 5);
    assert_int_equal(slice_find_char(s, 'x'), -1);
    assert_int_equal(slice_find_char(SLICE_NONE, 'x'), -1);
    assert_int_equal(slice_rfind_char(SLICE_NONE, 'x'), -1);
    assert_int_equal(slice_find(s, SLICE("c\0d")), 4);
    assert_int_equal(slice_find(s, SLICE("c\0e")), -1);
    assert_int_equal(slice_find(s, SLICE("")), 0);
    assert_int_equal(slice_find(SLICE_NONE, SLICE("")), 0);
    assert_int_equal(slice_find(SLICE("ab"), SLICE("abc")), -1);
}

static void cuts_within_bounds(void **state)
{
    (void)state;
    slice s = SLICE("hello");
    assert_true(slice_equal(slice_sub(s, 1, 3), SLICE("el")));
    assert_true(slice_equal(slice_sub(s, 3, 99), SLICE("lo")));
    assert_int_equal(slice_sub(s, 4, 2).len, 0);
    assert_int_equal(slice_sub(s, 99, 100).len, 0);
    assert_int_equal(slice_sub(SLICE_NONE, 0, 5).len, 0);
    assert_true(slice_equal(slice_skip(s, 3), SLICE("lo")));
    assert_int_equal(slice_skip(s, 6).len, 0);
    assert_int_equal(slice_skip(SLICE_NONE, 1).len, 0);
    assert_true(slice_equal(slice_trim(SLICE(" \t\r\n a b \r\n")), SLICE("a b")));
    assert_int_equal(slice_trim(SLICE(" \t ")).len, 0);
    assert_int_equal(slice_str(NULL).len, 0);
    assert_true(slice_equal(slice_str("abc"), SLICE("abc")));

    slice head, tail;
    assert_true(slice_cut(SLICE("a=b=c"), '=', &head, &tail));
    assert_true(slice_equal(head, SLICE("a")) && slice_equal(tail, SLICE("b=c")));
    assert_true(slice_cut(SLICE("="), '=', &head, &tail));
    assert_true(head.len == 0 && tail.len == 0);
    assert_false(slice_cut(SLICE("abc"), '=', &head, &tail));
    assert_true(slice_equal(head, SLICE("abc")) && tail.len == 0);
}

static void reads_decimal_numbers_only(void **state)
{
    (void)state;
    static const struct {
        slice text;
        uint64_t max;
        enum err err;
        uint64_t value;
    } rows[] = {
        {SLICE("0"), 0, ERR_OK, 0},
        {SLICE("007"), 7, ERR_OK, 7},
        {SLICE("18446744073709551615"), UINT64_MAX, ERR_OK, UINT64_MAX},
        {SLICE("18446744073709551616"), UINT64_MAX, ERR_LIMIT, 0},
        {SLICE("99999999999999999999999999"), UINT64_MAX, ERR_LIMIT, 0},
        {SLICE("256"), 255, ERR_LIMIT, 0},
        {SLICE(""), 9, ERR_SYNTAX, 0},
        {SLICE("-1"), 9, ERR_SYNTAX, 0},
        {SLICE("+1"), 9, ERR_SYNTAX, 0},
        {SLICE(" 1"), 9, ERR_SYNTAX, 0},
        {SLICE("1\0"), 9, ERR_SYNTAX, 0},
        {SLICE("0x1"), 9, ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 4711;
        assert_int_equal(slice_to_u64(rows[i].text, rows[i].max, &value), rows[i].err);
        assert_int_equal(value, rows[i].err == ERR_OK ? rows[i].value : 4711);
    }
}

static void knows_well_formed_utf8(void **state)
{
    (void)state;
    static const struct {
        slice text;
        size_t len;
    } rows[] = {
        {SLICE(""), 0},
        {SLICE("a"), 1},
        {SLICE("\0"), 1},
        {SLICE("\xc3\xa9"), 2},
        {SLICE("\xe2\x82\xac!"), 3},
        {SLICE("\xf0\x9f\x93\xa8"), 4},
        {SLICE("\xf4\x8f\xbf\xbf"), 4},
        {SLICE("\x80"), 0},
        {SLICE("\xc3"), 0},
        {SLICE("\xc3("), 0},
        {SLICE("\xc0\xaf"), 0},
        {SLICE("\xc1\xbf"), 0},
        {SLICE("\xe0\x9f\xbf"), 0},
        {SLICE("\xed\xa0\x80"), 0},
        {SLICE("\xf0\x8f\xbf\xbf"), 0},
        {SLICE("\xf4\x90\x80\x80"), 0},
        {SLICE("\xf5\x80\x80\x80"), 0},
        {SLICE("\xe2\x82"), 0},
        {SLICE("\xf0\x9f\x93"), 0},
        {SLICE("\xf0\x9f\x93("), 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(slice_utf8_len(rows[i].text), rows[i].len);
}

/* Every byte at every place of a text that is longer than what is looked at in one step. */
static void one_byte_of_eight_bits_is_not_ascii(void **state)
{
    (void)state;
    char text[21];
    memset(text, 0x7f, sizeof(text));
    for (size_t at = 0; at < sizeof(text); at++) {
        assert_true(slice_is_ascii(slice_of(text, at)));
        text[at] = (char)0x80;
        assert_false(slice_is_ascii(slice_of(text, sizeof(text))));
        assert_true(slice_is_ascii(slice_of(text, at)));
        text[at] = 0;
    }
    assert_true(slice_is_ascii(SLICE_NONE));
}

static void printable_is_from_space_to_tilde(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, 'a', sizeof(text));
            text[at] = (char)c;
            bool printable = c >= 0x20 && c <= 0x7e;
            assert_int_equal(slice_printable_len(slice_of(text, sizeof(text))), printable ? sizeof(text) : at);
        }
    }
    assert_int_equal(slice_printable_len(SLICE_NONE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_byte_of_eight_bits_is_not_ascii),
        cmocka_unit_test(printable_is_from_space_to_tilde),
        cmocka_unit_test(compares_bytes_and_cases),
        cmocka_unit_test(finds_what_is_there),
        cmocka_unit_test(cuts_within_bounds),
        cmocka_unit_test(reads_decimal_numbers_only),
        cmocka_unit_test(knows_well_formed_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
