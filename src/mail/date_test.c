/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void prints_dates_of_mail(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        int offset;
        slice text;
    } rows[] = {
        {0, 0, SLICE("Thu, 1 Jan 1970 00:00:00 +0000")},
        {-1, 0, SLICE("Wed, 31 Dec 1969 23:59:59 +0000")},
        {1795288115, 0, SLICE("Sat, 21 Nov 2026 19:08:35 +0000")},
        {1795288115, 120, SLICE("Sat, 21 Nov 2026 21:08:35 +0200")},
        {1795288115, -570, SLICE("Sat, 21 Nov 2026 09:38:35 -0930")},
        {1795288115, 330, SLICE("Sun, 22 Nov 2026 00:38:35 +0530")},
        {951782400, 0, SLICE("Tue, 29 Feb 2000 00:00:00 +0000")},
        {951868800, 0, SLICE("Wed, 1 Mar 2000 00:00:00 +0000")},
        {4107542400, 0, SLICE("Mon, 1 Mar 2100 00:00:00 +0000")},
        {4107542399, 0, SLICE("Sun, 28 Feb 2100 23:59:59 +0000")},
        {1735689599, 0, SLICE("Tue, 31 Dec 2024 23:59:59 +0000")},
        {1735689600, 0, SLICE("Wed, 1 Jan 2025 00:00:00 +0000")},
        {253402300799, 0, SLICE("Fri, 31 Dec 9999 23:59:59 +0000")},
        {INT64_MAX, 840, SLICE("Fri, 31 Dec 9999 23:59:59 +1400")},
        {INT64_MIN, -720, SLICE("Sat, 1 Jan 0000 00:00:00 -1200")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        date_print_rfc5322(&b, rows[i].unix_s, rows[i].offset);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_deinit(&b);
    }
}

static void prints_dates_of_mailq(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        int offset;
        slice text;
    } rows[] = {
        {0, 0, SLICE("Thu Jan  1 00:00:00 1970")},
        {1795288115, 0, SLICE("Sat Nov 21 19:08:35 2026")},
        {1795288115, 330, SLICE("Sun Nov 22 00:38:35 2026")},
        {1735689600, -60, SLICE("Tue Dec 31 23:00:00 2024")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        date_print_mailq(&b, rows[i].unix_s, rows[i].offset);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_deinit(&b);
    }
}

static void prints_dates_of_logs(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 100);
    date_print_rfc3339(&b, 1795288115);
    assert_true(slice_equal(buf_slice(&b), SLICE("2026-11-21T19:08:35Z")));
    buf_clear(&b);
    date_print_rfc3339(&b, INT64_MIN);
    assert_true(slice_equal(buf_slice(&b), SLICE("0000-01-01T00:00:00Z")));
    buf_deinit(&b);
}

/* Day after day through ten thousand years, against counting on a calendar. */
static void agrees_with_a_calendar(void **state)
{
    (void)state;
    unsigned year = 0, month = 1, day = 1;
    for (int64_t s = -62167219200; s <= 253402300799; s += 86400) {
        char want[21], memory[32];
        snprintf(want, sizeof(want), "%04u-%02u-%02uT00:00:00Z", year % 10000, month % 100, day % 100);
        buf b;
        buf_init_fixed(&b, memory, sizeof(memory));
        date_print_rfc3339(&b, s);
        if (!slice_equal(buf_slice(&b), slice_str(want)))
            fail_msg("%s", want);
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        unsigned days = month == 2 ? 28U + leap
                                   : 30U + (month == 1 || month == 3 || month == 5 || month == 7 || month == 8 ||
                                            month == 10 || month == 12);
        if (++day > days) {
            day = 1;
            month = month % 12 + 1;
            year += month == 1;
        }
    }
    assert_int_equal(year, 10000);
}

static void reads_dates_of_logs(void **state)
{
    (void)state;
    static const struct {
        slice text;
        int64_t unix_s; /* 0: none */
    } rows[] = {
        {SLICE("2026-11-21T19:08:35Z"), 1795288115},
        {SLICE("2026-11-21t20:08:35.123+01:00"), 1795288115},
        {SLICE("2026-11-21T14:38:35-04:30"), 1795288115},
        {SLICE("2000-02-29T00:00:00Z"), 951782400},
        {SLICE("1970-01-01T00:00:01z"), 1},
        {SLICE("2016-12-31T23:59:60Z"), 1483228800},
        {SLICE("2026-11-21T19:08:35"), 0},
        {SLICE("2026-11-21 19:08:35Z"), 0},
        {SLICE("2026-02-29T00:00:00Z"), 0},
        {SLICE("2026-13-01T00:00:00Z"), 0},
        {SLICE("2026-00-01T00:00:00Z"), 0},
        {SLICE("2026-01-00T00:00:00Z"), 0},
        {SLICE("2026-01-01T24:00:00Z"), 0},
        {SLICE("2026-01-01T00:00:00.Z"), 0},
        {SLICE("26-01-01T00:00:00Z"), 0},
        {SLICE("2026-01-01T00:00:00ZZ"), 0},
        {SLICE("2026-01-01T00:00:00+1:00"), 0},
        {SLICE(""), 0},
        {SLICE("2026-1-01T00:00:00Z"), 0},
        {SLICE("2026-01-01T00:00:00+24:00"), 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t unix_s = 0;
        enum err e = date_parse_rfc3339(rows[i].text, &unix_s);
        if (unix_s != rows[i].unix_s || (e == ERR_OK) != (rows[i].unix_s != 0))
            fail_msg("%.*s: %lld", SLICE_ARG(rows[i].text), (long long)unix_s);
    }
}

static void knows_a_date_of_mail(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool valid;
    } rows[] = {
        {" Sat, 21 Nov 2026 20:16:05 +0000", true},
        {"21 Nov 2026 20:16 -0330", true},
        {"sat,\r\n\t1 nov 2026 20:16:05 +0000 (UTC (really))", true},
        {"Sat , 21 Nov 26 23:59:60 GMT", true},
        {"Thu, 29 Feb 2024 00:00:00 +0000", true},
        {"Wed, 29 Feb 2023 00:00:00 +0000", false},
        {"now", false},
        {"", false},
        {"2026-11-21T20:16:05Z", false},
        {"Sat, 21 Nov 2026", false},
        {"Sat, 21 Nov 2026 20:16:05", false},
        {"Sat, 21 Nov 2026 24:00:00 +0000", false},
        {"Sat 21 Nov 2026 20:16:05 +0000", false},
        {"Sat, 21 November 2026 20:16:05 +0000", false},
        {"Sat, 21 Nov 2026 20:16:05 +00:00", false},
        {"Sat, 21 Nov 2026 20:16:05 +0099", false},
        {"Sat, 21 Nov 2026 20:16:05 +0000 more", false},
        {"(never closed Sat, 21 Nov 2026 20:16:05 +0000", false},
        {"Nov 21 20:16:05 2026", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (date_rfc5322_valid(slice_str(rows[i].value)) != rows[i].valid)
            fail_msg("%s", rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_date_of_mail),  cmocka_unit_test(prints_dates_of_mail),
        cmocka_unit_test(prints_dates_of_mailq), cmocka_unit_test(prints_dates_of_logs),
        cmocka_unit_test(reads_dates_of_logs),   cmocka_unit_test(agrees_with_a_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
