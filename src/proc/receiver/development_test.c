/* SPDX-License-Identifier: ISC */
#include "proc/receiver/development.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void faults(void **state)
{
    static const struct {
        const char *local;
        enum development_kind kind;
        int code;
        bool at_data;
    } rows[] = {
        {"4xx", DEVELOPMENT_REFUSE, 451, false},
        {"5XX", DEVELOPMENT_REFUSE, 550, false},
        {"421", DEVELOPMENT_REFUSE, 421, false},
        {"550", DEVELOPMENT_REFUSE, 550, false},
        {"599", DEVELOPMENT_REFUSE, 599, false},
        {"400", DEVELOPMENT_REFUSE, 400, false},
        {"554-data", DEVELOPMENT_REFUSE, 554, true},
        {"4xx-DATA", DEVELOPMENT_REFUSE, 451, true},
        {"Slow", DEVELOPMENT_SLOW, 0, false},
        {"slow-data", DEVELOPMENT_SLOW, 0, true},
        {"drop", DEVELOPMENT_DROP, 0, false},
        {"Drop-Data", DEVELOPMENT_DROP, 0, true},
        {"399", DEVELOPMENT_NONE, 0, false},
        {"600", DEVELOPMENT_NONE, 0, false},
        {"200", DEVELOPMENT_NONE, 0, false},
        {"55", DEVELOPMENT_NONE, 0, false},
        {"5500", DEVELOPMENT_NONE, 0, false},
        {"55x", DEVELOPMENT_NONE, 0, false},
        {"", DEVELOPMENT_NONE, 0, false},
        {"slowly", DEVELOPMENT_NONE, 0, false},
        {"data-550", DEVELOPMENT_NONE, 0, false},
        {"alice", DEVELOPMENT_NONE, 0, false},
        {"-data", DEVELOPMENT_NONE, 0, true},
        {"big-data", DEVELOPMENT_NONE, 0, true},
        {"550-data-data", DEVELOPMENT_NONE, 0, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct development_fault f = development_fault(slice_str(rows[i].local));
        assert_int_equal(f.kind, rows[i].kind);
        assert_int_equal(f.code, rows[i].code);
        assert_int_equal(f.at_data, rows[i].at_data);
    }
}

/* A client sees the code that it asked for, with an enhanced code of the same class. */
static void every_code_has_words(void **state)
{
    (void)state;
    for (uint16_t code = 400; code < 600; code++) {
        struct verdict v = development_verdict(code);
        assert_int_equal(v.code, code);
        assert_int_equal(v.enhanced[0], code / 100);
        assert_true(v.text.len > 0);
    }
    assert_int_equal(development_verdict(552).enhanced[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults), cmocka_unit_test(every_code_has_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
