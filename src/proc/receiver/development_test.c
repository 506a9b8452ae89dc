/* SPDX-License-Identifier: ISC */
#include "proc/receiver/development.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void codes(void **state)
{
    static const struct {
        const char *local;
        int code;
    } rows[] = {{"4xx", 451}, {"5XX", 550}, {"421", 421}, {"550", 550}, {"599", 599},
                {"400", 400}, {"399", 0},   {"600", 0},   {"200", 0},   {"55", 0},
                {"5500", 0},  {"55x", 0},   {"", 0},      {"alice", 0}, {"slow", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(development_code(slice_str(rows[i].local)), rows[i].code);
    assert_true(development_slow(SLICE("Slow")));
    assert_false(development_slow(SLICE("slowly")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(codes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
