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

static void fail_often(void *memory, int n, slice ip, slice login)
{
    for (int i = 0; i < n; i++)
        limits_auth_failed(memory, ip, login, NOW + i % 60);
}

/* A login whose letters are the bytes of somebody's address. */
static void threat_a_login_that_looks_like_an_address_locks_nobody(void **state)
{
    const struct limits_config c = {.auth_failures = 1};
    slice victim = SLICE("Px!,"), victim_v6 = SLICE("$\xc3\xa9"
                                                    "abcde\0\0\0\0\0\0\0");
    fail_often(*state, 100, V4, SLICE("Px!,"));
    fail_often(*state, 100, V4, slice_sub(victim_v6, 0, 8));
    assert_false(limits_auth_locked(*state, &c, victim, SLICE("owner"), NOW));
    assert_false(limits_auth_locked(*state, &c, victim_v6, SLICE("owner"), NOW));
}

static void threat_guesses_lock_the_guesser_and_not_the_owner(void **state)
{
    const struct limits_config c = {.auth_failures = 3};
    const struct limits_config off = {0};
    fail_often(*state, 2, V4, SLICE("alice"));
    assert_false(limits_auth_locked(*state, &c, V4, SLICE("alice"), NOW));
    fail_often(*state, 1, V4, SLICE("alice"));
    assert_true(limits_auth_locked(*state, &c, V4, SLICE("alice"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, OTHER_V4, SLICE("alice"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, V4, SLICE("bob"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, V4, SLICE_NONE, NOW + 10));
    assert_false(limits_auth_locked(*state, &off, V4, SLICE("alice"), NOW + 10));
    assert_false(limits_auth_locked(*state, &c, V4, SLICE("alice"), NOW + 15 * 60));
}

static void threat_an_address_that_tries_many_logins_is_locked(void **state)
{
    const struct limits_config c = {.auth_failures = 3};
    char login[] = "user0";
    for (int i = 0; i < (int)LIMITS_AUTH_ADDRESS_FACTOR * 3; i++) {
        assert_false(limits_auth_locked(*state, &c, V4, SLICE("bob"), NOW));
        login[4] = (char)('0' + i);
        fail_often(*state, 1, V4, slice_str(login));
    }
    assert_true(limits_auth_locked(*state, &c, V4, SLICE("bob"), NOW));
    assert_false(limits_auth_locked(*state, &c, OTHER_V4, SLICE("bob"), NOW));
}

static void threat_a_login_guessed_from_everywhere_is_locked_in_the_end(void **state)
{
    const struct limits_config c = {.auth_failures = 3};
    uint8_t ip[4] = {203, 0, 113, 0};
    for (unsigned i = 0; i < 3 * LIMITS_AUTH_LOGIN_FACTOR; i++) {
        assert_false(limits_auth_locked(*state, &c, OTHER_V4, SLICE("alice"), NOW));
        ip[3] = (uint8_t)(i / 2);
        limits_auth_failed(*state, slice_of(ip, 4), SLICE("alice"), NOW);
    }
    assert_true(limits_auth_locked(*state, &c, OTHER_V4, SLICE("alice"), NOW));
    assert_false(limits_auth_locked(*state, &c, OTHER_V4, SLICE("bob"), NOW));
}

/* Neither a login that looks like an address nor one that looks like a pair is taken for one; the longest has its own count. */
static void keys_of_guesses_are_not_mixed_up(void **state)
{
    const struct limits_config c = {.auth_failures = 1};
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    limits_auth_failed(*state, V4, slice_of(longest, sizeof longest), NOW);
    assert_true(limits_auth_locked(*state, &c, V4, slice_of(longest, sizeof longest), NOW));
    assert_false(limits_auth_locked(*state, &c, V4, SLICE("a"), NOW));
    limits_auth_failed(*state, SLICE_NONE, SLICE("alice"), NOW);
    assert_false(limits_auth_locked(*state, &c, SLICE_NONE, SLICE("alice"), NOW));
}

static void g3_a_network_has_a_multiple_of_an_address(void **state)
{
    const struct limits_config sessions = {.sessions_per_address = 1};
    const struct limits_config rate = {.connections_per_minute = 1};
    uint8_t v4[4] = {198, 51, 100, 0}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
    for (uint8_t i = 0; i < LIMITS_NETWORK_FACTOR; i++) {
        v4[3] = v6[7] = i;
        assert_int_equal(limits_session_begin(*state, 0, &sessions, slice_of(v4, 4), NOW), LIMITS_OK);
        assert_int_equal(limits_session_begin(*state, 1, &sessions, slice_of(v6, 16), NOW), LIMITS_OK);
    }
    v4[3] = v6[7] = 200;
    assert_int_equal(limits_session_begin(*state, 2, &sessions, slice_of(v4, 4), NOW), LIMITS_NETWORK);
    assert_int_equal(limits_session_begin(*state, 2, &sessions, slice_of(v6, 16), NOW), LIMITS_NETWORK);
    assert_int_equal(limits_sessions(*state), 2 * LIMITS_NETWORK_FACTOR);
    v4[3] = 0;
    limits_session_end(*state, 0, slice_of(v4, 4));
    v4[3] = 200;
    assert_int_equal(limits_session_begin(*state, 2, &sessions, slice_of(v4, 4), NOW), LIMITS_OK);
    v4[2] = 101;
    for (uint8_t i = 0; i < LIMITS_NETWORK_FACTOR; i++) {
        v4[3] = i;
        assert_int_equal(limits_session_begin(*state, 0, &rate, slice_of(v4, 4), NOW), LIMITS_OK);
    }
    v4[3] = 99;
    assert_int_equal(limits_session_begin(*state, 0, &rate, slice_of(v4, 4), NOW), LIMITS_NETWORK_RATE);
    assert_int_equal(limits_session_begin(*state, 0, &rate, slice_of(v4, 4), NOW + 60), LIMITS_OK);
}

static void e13_a_session_moves_to_the_client_that_it_is_for(void **state)
{
    const struct limits_config c = {.sessions_per_address = 1};
    const slice to_v6[2] = {V4, V6}, to_busy[2] = {V6, OTHER_V4}, from_nowhere[2] = {SLICE_NONE, V4};
    assert_int_equal(limits_session_begin(*state, 0, &c, V4, NOW), LIMITS_OK);
    assert_int_equal(limits_session_move(*state, 0, &c, to_v6, NOW), LIMITS_OK);
    assert_int_equal(limits_sessions(*state), 1);
    assert_int_equal(limits_session_begin(*state, 0, &c, SAME_NET_V6, NOW), LIMITS_ADDRESS);
    assert_int_equal(limits_session_begin(*state, 0, &c, OTHER_V4, NOW), LIMITS_OK);
    assert_int_equal(limits_session_move(*state, 0, &c, to_busy, NOW), LIMITS_ADDRESS);
    limits_session_end(*state, 0, V6);
    assert_int_equal(limits_session_begin(*state, 0, &c, V6, NOW), LIMITS_OK);
    assert_int_equal(limits_session_begin(*state, 0, &c, SLICE_NONE, NOW), LIMITS_OK);
    assert_int_equal(limits_session_move(*state, 0, &c, from_nowhere, NOW), LIMITS_OK);
    assert_int_equal(limits_session_begin(*state, 0, &c, V4, NOW), LIMITS_ADDRESS);
}

static void g7_what_a_login_sends_is_counted_by_the_hour(void **state)
{
    const struct limits_config c = {.user_messages = 2, .user_recipients = 10};
    const struct limits_config off = {0};
    struct limits_user u = limits_user_add(*state, SLICE("alice"), 3, NOW);
    assert_int_equal(u.messages, 1);
    assert_int_equal(u.recipients, 3);
    assert_int_equal(u.since_s, NOW - NOW % 3600);
    u = limits_user_add(*state, SLICE("alice"), 1, NOW);
    assert_false(limits_user_over(&c, &u, 1));
    u = limits_user_add(*state, SLICE("alice"), 1, NOW);
    assert_true(limits_user_over(&c, &u, 1));
    assert_false(limits_user_over(&c, &u, 2));
    assert_false(limits_user_over(&off, &u, 1));
    u = limits_user_add(*state, SLICE("alice"), 4000000, NOW);
    assert_true(limits_user_over(&c, &u, 2));
    u = limits_user_sent(*state, SLICE("bob"), NOW);
    assert_int_equal(u.messages + u.recipients, 0);
    u = limits_user_sent(*state, SLICE("alice"), NOW + 3600);
    assert_int_equal(u.messages + u.recipients, 0);
}

static void g7_one_alarm_a_login_and_hour(void **state)
{
    assert_true(limits_user_alarm_once(*state, SLICE("alice"), NOW));
    assert_false(limits_user_alarm_once(*state, SLICE("alice"), NOW));
    assert_true(limits_user_alarm_once(*state, SLICE("bob"), NOW));
    assert_true(limits_user_alarm_once(*state, SLICE("alice"), NOW + 3600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_are_counted_over_all_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_has_its_own_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_process_has_no_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_counted_by_the_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(threat_a_login_that_looks_like_an_address_locks_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(threat_guesses_lock_the_guesser_and_not_the_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(threat_an_address_that_tries_many_logins_is_locked, setup, teardown),
        cmocka_unit_test_setup_teardown(threat_a_login_guessed_from_everywhere_is_locked_in_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_guesses_are_not_mixed_up, setup, teardown),
        cmocka_unit_test_setup_teardown(g3_a_network_has_a_multiple_of_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(e13_a_session_moves_to_the_client_that_it_is_for, setup, teardown),
        cmocka_unit_test_setup_teardown(g7_what_a_login_sends_is_counted_by_the_hour, setup, teardown),
        cmocka_unit_test_setup_teardown(g7_one_alarm_a_login_and_hour, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
