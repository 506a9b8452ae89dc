/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        slice text;
        enum err err;
        int64_t seconds;
    } rows[] = {
        {SLICE("0s"), ERR_OK, 0},
        {SLICE("90s"), ERR_OK, 90},
        {SLICE("1m"), ERR_OK, 60},
        {SLICE("4h"), ERR_OK, 14400},
        {SLICE("5d"), ERR_OK, 432000},
        {SLICE("2w"), ERR_OK, 1209600},
        {SLICE("36525d"), ERR_OK, 3155760000},
        {SLICE("36526d"), ERR_LIMIT, 0},
        {SLICE("99999999999999999999s"), ERR_LIMIT, 0},
        {SLICE(""), ERR_SYNTAX, 0},
        {SLICE("5"), ERR_SYNTAX, 0},
        {SLICE("s"), ERR_SYNTAX, 0},
        {SLICE("5 s"), ERR_SYNTAX, 0},
        {SLICE("5S"), ERR_SYNTAX, 0},
        {SLICE("-5s"), ERR_SYNTAX, 0},
        {SLICE("1.5h"), ERR_SYNTAX, 0},
        {SLICE("1h30m"), ERR_SYNTAX, 0},
        {SLICE("5y"), ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t seconds = -1;
        assert_int_equal(units_parse_duration(rows[i].text, &seconds), rows[i].err);
        assert_int_equal(seconds, rows[i].err == ERR_OK ? rows[i].seconds : -1);
    }
}

static void reads_sizes(void **state)
{
    (void)state;
    static const struct {
        slice text;
        enum err err;
        uint64_t bytes;
    } rows[] = {
        {SLICE("0"), ERR_OK, 0},
        {SLICE("812"), ERR_OK, 812},
        {SLICE("50M"), ERR_OK, 52428800},
        {SLICE("1K"), ERR_OK, 1024},
        {SLICE("3G"), ERR_OK, 3221225472},
        {SLICE("1T"), ERR_OK, UINT64_C(1) << 40},
        {SLICE("4194304T"), ERR_OK, UINT64_C(1) << 62},
        {SLICE("4194305T"), ERR_LIMIT, 0},
        {SLICE("18446744073709551615"), ERR_LIMIT, 0},
        {SLICE(""), ERR_SYNTAX, 0},
        {SLICE("M"), ERR_SYNTAX, 0},
        {SLICE("50m"), ERR_SYNTAX, 0},
        {SLICE("50MB"), ERR_SYNTAX, 0},
        {SLICE("5 M"), ERR_SYNTAX, 0},
        {SLICE("5\0"), ERR_SYNTAX, 0},
        {SLICE("-1K"), ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = 4711;
        assert_int_equal(units_parse_size(rows[i].text, &bytes), rows[i].err);
        assert_int_equal(bytes, rows[i].err == ERR_OK ? rows[i].bytes : 4711);
    }
}

static void prints_ages(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        slice text;
    } rows[] = {
        {INT64_MIN, SLICE("0s")}, {0, SLICE("0s")},
        {59, SLICE("59s")},       {60, SLICE("1m")},
        {899, SLICE("14m")},      {3600, SLICE("1h")},
        {86399, SLICE("23h")},    {86400, SLICE("1d")},
        {259200, SLICE("3d")},    {INT64_MAX, SLICE("106751991167300d")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        units_print_age(&b, rows[i].seconds);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_deinit(&b);
    }
}

static void prints_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        slice text;
    } rows[] = {
        {0, SLICE("0")},
        {812, SLICE("812")},
        {1023, SLICE("1023")},
        {1024, SLICE("1.0K")},
        {2047, SLICE("1.9K")},
        {18500, SLICE("18K")},
        {4404020, SLICE("4.2M")},
        {1048575, SLICE("1023K")},
        {1048576, SLICE("1.0M")},
        {UINT64_C(5) << 30, SLICE("5.0G")},
        {UINT64_C(3000) << 40, SLICE("3000T")},
        {UINT64_MAX, SLICE("16777215T")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        units_print_size(&b, rows[i].bytes);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(prints_ages),
        cmocka_unit_test(prints_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
