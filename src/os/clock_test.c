/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void the_monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = os_now_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = os_now_us();
        assert_true(now >= before);
        before = now;
    }
    assert_true(os_now_ms() >= before / 1000);
    assert_true(os_wall_s() >= 1600000000);
    assert_true(os_wall_us() / 1000000 >= os_wall_s() - 1);
}

static void offsets_follow_the_zone_and_its_summer_time(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        int minutes;
    } rows[] = {
        {1768000000, 60},  /* January 2026 */
        {1784000000, 120}, /* July */
        {1774745999, 60},  /* a second before the change of 2026-03-29 01:00 UTC */
        {1774746000, 120}, {-1, 60},
    };
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(os_utc_offset_min(rows[i].unix_s), rows[i].minutes);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    struct hash_key a = os_random_key(), b = os_random_key();
    assert_true(a.k0 != b.k0 || a.k1 != b.k1);
    unsigned char many[4096] = {0};
    size_t zeros = 0;
    os_random(many, sizeof(many));
    for (size_t i = 0; i < sizeof(many); i++)
        zeros += many[i] == 0;
    assert_true(zeros < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_does_not_go_back),
        cmocka_unit_test(offsets_follow_the_zone_and_its_summer_time),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
