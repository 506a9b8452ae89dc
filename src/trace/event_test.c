/* SPDX-License-Identifier: ISC */
#include "trace/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void an_event_holds_what_was_added_but_no_empty_text(void **state)
{
    (void)state;
    struct trace_event e;
    trace_event_init(&e, TRACE_ACCEPTED, LOG_INFO);
    trace_add(&e, TRACE_KEY_ID, SLICE("7K3QX2M9"));
    trace_add(&e, TRACE_KEY_LOGIN, SLICE_NONE);
    trace_add(&e, TRACE_KEY_FROM, SLICE_NONE); /* the empty reverse-path is one */
    trace_add_number(&e, TRACE_KEY_SIZE, 0);
    assert_int_equal(e.count, 3);
    assert_int_equal(e.fields[0].key, TRACE_KEY_ID);
    assert_true(slice_equal(e.fields[0].text, SLICE("7K3QX2M9")));
    assert_int_equal(e.fields[1].key, TRACE_KEY_FROM);
    assert_true(e.fields[2].number);
    assert_true(slice_equal(trace_text(&e, TRACE_KEY_ID), SLICE("7K3QX2M9")));
    assert_int_equal(trace_text(&e, TRACE_KEY_TO).len, 0);
    assert_int_equal(trace_number(&e, TRACE_KEY_SIZE, 7), 0);
    assert_int_equal(trace_number(&e, TRACE_KEY_CODE, 7), 7);
}

static void every_kind_and_key_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < TRACE_KIND_COUNT; i++) {
        assert_true(trace_kind_name((enum trace_kind)i).len > 0);
        for (int j = 0; j < i; j++)
            assert_false(slice_equal(trace_kind_name((enum trace_kind)i), trace_kind_name((enum trace_kind)j)));
    }
    for (int i = 0; i < TRACE_KEY_COUNT; i++) {
        assert_true(trace_key_name((enum trace_key)i).len > 0);
        for (int j = 0; j < i; j++)
            assert_false(slice_equal(trace_key_name((enum trace_key)i), trace_key_name((enum trace_key)j)));
    }
}

static void an_event_is_a_line_of_the_log(void **state)
{
    (void)state;
    char path[] = "/tmp/thurn-trace-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    log_open(SLICE("smtpd"), fd, LOG_INFO);
    struct trace_event e;
    trace_event_init(&e, TRACE_QUEUED, LOG_INFO);
    trace_emit(&e, SLICE("7K3QX2M9: from=<a@b>, size=1"));
    trace_event_init(&e, TRACE_NOTE, LOG_DEBUG);
    trace_emit(&e, SLICE("nobody wants to know"));
    log_flush();
    char text[512] = {0};
    assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, ": 7K3QX2M9: from=<a@b>, size=1\n"));
    assert_null(strstr(text, "nobody"));
    log_open(SLICE("test"), 2, LOG_INFO);
    (void)close(fd);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

/* By their keys: what gives many lines about one client is told by client and id. */
static void events_of_a_stranger_are_limited_and_those_of_a_mail_are_not(void **state)
{
    (void)state;
    char path[] = "/tmp/thurn-event-XXXXXX", text[4096] = "";
    int fd = mkstemp(path), before = dup(2);
    assert_true(fd >= 0 && before >= 0);
    assert_int_equal(dup2(fd, 2), 2);
    enum err used = log_use(&(struct log_settings){.to = LOG_TO_STDERR, .least = LOG_INFO, .client_lines = 1});
    for (int i = 0; i < 10; i++) {
        struct trace_event e;
        trace_event_init(&e, TRACE_REJECT, LOG_INFO);
        trace_add(&e, TRACE_KEY_CLIENT, SLICE("192.0.2.1"));
        if (i >= 5)
            trace_add(&e, TRACE_KEY_ID, SLICE("7K3QX2M9"));
        trace_emit_at(&e, i < 5 ? SLICE("of a stranger") : SLICE("of a mail"), 1795288115000000);
    }
    (void)log_flush();
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_int_equal(dup2(before, 2), 2);
    log_open(SLICE("test"), 2, LOG_INFO);
    close(before);
    close(fd);
    unlink(path);
    assert_int_equal(used, ERR_OK);
    assert_true(n > 0);
    assert_int_equal(count_of(text, "of a stranger"), 1);
    assert_int_equal(count_of(text, "of a mail"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_holds_what_was_added_but_no_empty_text),
        cmocka_unit_test(every_kind_and_key_has_a_name_of_its_own),
        cmocka_unit_test(an_event_is_a_line_of_the_log),
        cmocka_unit_test(events_of_a_stranger_are_limited_and_those_of_a_mail_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
