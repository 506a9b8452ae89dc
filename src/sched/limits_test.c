/* SPDX-License-Identifier: ISC */
#include "sched/limits.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define V4 SLICE("\xc0\x00\x02\x01")
#define OTHER_V4 SLICE("\xc0\x00\x02\x02")
#define V6 SLICE("\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\1")
#define SAME_NET_V6 SLICE("\x20\x01\x0d\xb8\0\0\0\1\xff\xff\0\0\0\0\0\2")
#define OTHER_NET_V6 SLICE("\x20\x01\x0d\xb8\0\0\0\2\0\0\0\0\0\0\0\1")
#define NOW 1800000000

static int setup(void **state)
{
    *state = calloc(1, limits_region_size());
    if (!*state)
        return 1;
    limits_region_init(*state, (struct hash_key){1, 2});
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void sessions_are_counted_over_all_processes(void **state)
{
    const struct limits_config c = {.sessions = 3};
    assert_int_equal(limits_session_begin(*state, 0, &c, V4, NOW), LIMITS_OK);
    assert_int_equal(limits_session_begin(*state, 1, &c, OTHER_V4, NOW), LIMITS_OK);
    assert_int_equal(limits_session_begin(*state, 31, &c, SLICE_NONE, NOW), LIMITS_OK);
    assert_int_equal(limits_sessions(*state), 3);
    assert_int_equal(limits_session_begin(*state, 0, &c, V4, NOW), LIMITS_SESSIONS);
    limits_session_end(*state, 1, OTHER_V4);
    assert_int_equal(limits_session_begin(*state, 0, &c, V4, NOW), LIMITS_OK);
}

static void an_address_has_its_own_limit(void **state)
{
    static const struct {
        slice first, second;
        enum limits_answer answer;
    } rows[] = {
        {V4, V4, LIMITS_ADDRESS},      {V4, OTHER_V4, LIMITS_OK},           {V6, SAME_NET_V6, LIMITS_ADDRESS},
        {V6, OTHER_NET_V6, LIMITS_OK}, {SLICE_NONE, SLICE_NONE, LIMITS_OK},
    };
    const struct limits_config c = {.sessions_per_address = 1};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(limits_session_begin(*state, 3, &c, rows[i].first, NOW), LIMITS_OK);
        enum limits_answer answer = limits_session_begin(*state, 4, &c, rows[i].second, NOW);
        assert_int_equal(answer, rows[i].answer);
        if (answer == LIMITS_OK)
            limits_session_end(*state, 4, rows[i].second);
        limits_session_end(*state, 3, rows[i].first);
        assert_int_equal(limits_sessions(*state), 0);
    }
}

static void a_dead_process_has_no_sessions(void **state)
{
    const struct limits_config c = {.sessions_per_address = 1};
    assert_int_equal(limits_session_begin(*state, 3, &c, V4, NOW), LIMITS_OK);
    assert_int_equal(limits_session_begin(*state, 5, &c, OTHER_V4, NOW), LIMITS_OK);
    limits_column_clear(*state, 3);
    limits_column_clear(*state, LIMITS_COLUMNS);
    assert_int_equal(limits_sessions(*state), 1);
    assert_int_equal(limits_session_begin(*state, 4, &c, V4, NOW), LIMITS_OK);
    assert_int_equal(limits_session_begin(*state, 4, &c, OTHER_V4, NOW), LIMITS_ADDRESS);
}

static void connections_are_counted_by_the_minute(void **state)
{
    const struct limits_config c = {.connections_per_minute = 2};
    static const struct {
        int64_t at;
        enum limits_answer answer;
    } rows[] = {
        {NOW, LIMITS_OK},      {NOW + 59, LIMITS_OK},   {NOW + 59, LIMITS_RATE}, {NOW + 60, LIMITS_OK},
        {NOW + 60, LIMITS_OK}, {NOW + 61, LIMITS_RATE}, {NOW + 600, LIMITS_OK},  {NOW + 7200, LIMITS_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(limits_session_begin(*state, 0, &c, V4, rows[i].at), rows[i].answer);
        if (rows[i].answer == LIMITS_OK)
            limits_session_end(*state, 0, V4);
    }
}

static void guesses_lock_an_address_and_a_login(void **state)
{
    const struct limits_config c = {.auth_failures = 3};
    const struct limits_config off = {0};
    for (int i = 0; i < 3; i++) {
        assert_false(limits_auth_locked(*state, &c, V4, SLICE("alice"), NOW));
        limits_auth_failed(*state, V4, SLICE("alice"), NOW + i);
    }
    assert_true(limits_auth_locked(*state, &c, V4, SLICE("bob"), NOW + 10));
    assert_true(limits_auth_locked(*state, &c, OTHER_V4, SLICE("alice"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, OTHER_V4, SLICE("bob"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, OTHER_V4, SLICE_NONE, NOW + 10));
    assert_false(limits_auth_locked(*state, &off, V4, SLICE("alice"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, V4, SLICE("alice"), NOW + 15 * 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_are_counted_over_all_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_has_its_own_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_process_has_no_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_counted_by_the_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(guesses_lock_an_address_and_a_login, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
