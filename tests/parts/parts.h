/* SPDX-License-Identifier: ISC */
/* Runs a program's tests in parts, for those that mostly wait: meson starts the parts side by side. Include it behind
 * cmocka.h. The argument is "2/3" for every third test from the second on, or else a name, with * and ?, of the tests to
 * run; without one all are run. */
#ifndef TESTS_PARTS_H
#define TESTS_PARTS_H

#include <stdio.h>
#include <stdlib.h>

static inline int parts_run(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    size_t part = 1, parts = 1, mine = 0;
    if (argc > 1 && sscanf(argv[1], "%zu/%zu", &part, &parts) != 2)
        cmocka_set_test_filter(argv[1]);
    struct CMUnitTest *chosen = calloc(count, sizeof *chosen);
    if (!chosen || part < 1 || part > parts)
        return 1;
    for (size_t i = part - 1; i < count; i += parts)
        chosen[mine++] = tests[i];
    int failed = _cmocka_run_group_tests("tests", chosen, mine, NULL, NULL);
    free(chosen);
    return failed;
}

#endif
