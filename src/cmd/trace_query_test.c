/* SPDX-License-Identifier: ISC */
#include "cmd/trace_query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_is_asked_for_is_told_by_its_looks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        enum trace_query_kind kind;
        const char *kept;
    } rows[] = {
        {"<a@b>", true, TRACE_QUERY_MESSAGE_ID, "a@b"},
        {"bob@example.com", true, TRACE_QUERY_ADDRESS, "bob@example.com"},
        {"@example.com", true, TRACE_QUERY_ADDRESS, "@example.com"},
        {"ceys4tw1", true, TRACE_QUERY_ID, "CEYS4TW1"},
        {"<>", false, TRACE_QUERY_ALL, ""},
        {"bob", false, TRACE_QUERY_ALL, ""},
        {"", false, TRACE_QUERY_ALL, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trace_query q = {0};
        assert_int_equal(trace_query_read(slice_str(rows[i].text), &q) == ERR_OK, rows[i].good);
        if (!rows[i].good)
            continue;
        assert_int_equal(q.kind, rows[i].kind);
        assert_true(slice_equal(q.text, slice_str(rows[i].kept)));
    }
}

static enum trace_match match(const char *what, bool client, enum trace_key key, const char *value)
{
    struct trace_query q = {0};
    struct trace_record r = {.time_us = 1000};
    slice text = slice_str(what);
    assert_int_equal(client ? trace_query_read_client(text, &q) : trace_query_read(text, &q), ERR_OK);
    trace_event_init(&r.event, TRACE_SENT, LOG_INFO);
    trace_add(&r.event, key, slice_str(value));
    enum trace_match m = trace_query_match(&q, &r);
    q.since_us = 1001;
    assert_int_equal(trace_query_match(&q, &r), TRACE_MATCH_NOT);
    return m;
}

static void events_match_by_their_fields(void **state)
{
    (void)state;
    assert_int_equal(match("CEYS4TW1", false, TRACE_KEY_ID, "CEYS4TW1"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("CEYS4TW1", false, TRACE_KEY_REPORT, "CEYS4TW1"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("CEYS4TW1", false, TRACE_KEY_ID, "CEYS4TW2"), TRACE_MATCH_NOT);
    assert_int_equal(match("<a@b>", false, TRACE_KEY_MESSAGE_ID, "<a@b>"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("a@b", false, TRACE_KEY_MESSAGE_ID, "<a@b>"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("a@b", false, TRACE_KEY_FROM, "A@B"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("a@b", false, TRACE_KEY_TO, "a@b"), TRACE_MATCH_PART);
    assert_int_equal(match("a@b", false, TRACE_KEY_ORIGINAL_TO, "a@b"), TRACE_MATCH_PART);
    assert_int_equal(match("@b", false, TRACE_KEY_TO, "a@b"), TRACE_MATCH_PART);
    assert_int_equal(match("@b", false, TRACE_KEY_TO, "a@bb"), TRACE_MATCH_NOT);
    assert_int_equal(match("a@b", false, TRACE_KEY_FROM, ""), TRACE_MATCH_NOT);
    assert_int_equal(match("192.0.2.1", true, TRACE_KEY_CLIENT, "192.0.2.1"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("192.0.2.0/24", true, TRACE_KEY_CLIENT, "192.0.2.77"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("192.0.2.0/24", true, TRACE_KEY_CLIENT, "192.0.3.77"), TRACE_MATCH_NOT);
    assert_int_equal(match("2001:db8::/32", true, TRACE_KEY_CLIENT, "2001:db8:1::2"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("local", true, TRACE_KEY_CLIENT, "local"), TRACE_MATCH_WHOLE);
    assert_int_equal(match("192.0.2.0/24", true, TRACE_KEY_CLIENT, "local"), TRACE_MATCH_NOT);
    struct trace_query q = {0};
    assert_int_equal(trace_query_read_client(SLICE("example.org"), &q), ERR_SYNTAX);
    assert_int_equal(trace_query_read_client(SLICE("192.0.2.0/33"), &q), ERR_SYNTAX);
}

static void of_a_mail_to_many_only_the_one_that_is_asked_for_is_shown(void **state)
{
    (void)state;
    struct trace_query q = {0};
    struct trace_record r = {.time_us = 1};
    assert_int_equal(trace_query_read(SLICE("bob@example.com"), &q), ERR_OK);
    trace_event_init(&r.event, TRACE_REMOVED, LOG_INFO);
    assert_true(trace_query_shows(&q, &r));
    trace_add(&r.event, TRACE_KEY_TO, SLICE("eve@example.com"));
    assert_false(trace_query_shows(&q, &r));
    trace_add(&r.event, TRACE_KEY_ORIGINAL_TO, SLICE("bob@example.com"));
    assert_true(trace_query_shows(&q, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_is_told_by_its_looks),
        cmocka_unit_test(events_match_by_their_fields),
        cmocka_unit_test(of_a_mail_to_many_only_the_one_that_is_asked_for_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
