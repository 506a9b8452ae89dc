/* SPDX-License-Identifier: ISC */
#include "cmd/submit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sysexits.h>

#include <cmocka.h>

static void exit_statuses(void **state)
{
    static const struct {
        struct verdict v;
        int status;
    } rows[] = {
        {{550, {5, 1, 1}, {"no such user", 12}}, EX_NOUSER}, {{550, {5, 1, 2}, {"", 0}}, EX_NOUSER},
        {{553, {5, 1, 8}, {"sender", 6}}, EX_NOPERM},        {{550, {5, 7, 1}, {"denied", 6}}, EX_NOPERM},
        {{530, {0, 0, 0}, {"sign in", 7}}, EX_NOPERM},       {{451, {4, 3, 0}, {"later", 5}}, EX_TEMPFAIL},
        {{452, {4, 3, 1}, {"full", 4}}, EX_TEMPFAIL},        {{421, {0, 0, 0}, {"closing", 7}}, EX_TEMPFAIL},
        {{552, {5, 3, 4}, {"too big", 7}}, EX_UNAVAILABLE},  {{554, {0, 0, 0}, {"no", 2}}, EX_UNAVAILABLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(submit_exit_status(&rows[i].v), rows[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exit_statuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
