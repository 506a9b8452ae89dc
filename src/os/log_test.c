/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static int ends[2] = {-1, -1};
static char text[1 << 20];

static int setup(void **state)
{
    (void)state;
    if (pipe(ends) != 0)
        return 1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_open(SLICE("smtpd"), ends[1], LOG_INFO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    os_close(&ends[0]);
    os_close(&ends[1]);
    return 0;
}

/* What a reader of the log sees now. */
static size_t seen(void)
{
    size_t len = 0;
    ssize_t n;
    while ((n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    return len;
}

static void a_line_says_when_who_and_what(void **state)
{
    (void)state;
    int year, month, day, hour, minute, second, ms, pid, end = 0;
    log_line(LOG_INFO, "connect from %s", "unknown[192.0.2.1]");
    assert_int_equal(seen(), 0); /* not before the turn's end */
    log_flush();
    assert_true(seen() > 0);
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ thurn/smtpd[%d]: connect from unknown[192.0.2.1]%n",
                            &year, &month, &day, &hour, &minute, &second, &ms, &pid, &end),
                     8);
    assert_string_equal(text + end, "\n");
    assert_int_equal(pid, getpid());
    assert_true(year >= 2020);
}

static void levels_are_marked_and_held_back(void **state)
{
    (void)state;
    log_line(LOG_DEBUG, "hidden");
    log_line(LOG_WARNING, "one");
    log_line(LOG_ERROR, "two");
    log_flush();
    assert_true(seen() > 0);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "]: warning: one\n"));
    assert_non_null(strstr(text, "]: error: two\n"));
}

/* A peer's value can neither begin a line of its own nor drive a terminal. */
static void hostile_values_are_escaped(void **state)
{
    (void)state;
    log_line(LOG_INFO, "helo=<%s>", "a\r\n2026-01-01T00:00:00.000Z thurn/smtpd[1]: forged \x1b[2J\xff");
    log_flush();
    assert_true(seen() > 0);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_non_null(strstr(text, "a\\x0d\\x0a2026"));
    assert_non_null(strstr(text, "\\x1b[2J\\xff>"));
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    static char hostile[100000];
    memset(hostile, 1, sizeof(hostile) - 1);
    log_line(LOG_INFO, "%s", hostile);
    log_flush();
    size_t len = seen();
    assert_true(len > 1000 && len <= 4096);
    assert_string_equal(text + len - 4, "...\n");
}

static void a_slow_reader_loses_whole_lines_that_are_counted(void **state)
{
    (void)state;
    unsigned lost = 0, kept = 0;
    char line[300];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = 0;
    for (int i = 0; i < 3000; i++) {
        log_line(LOG_INFO, "%s", line);
        if (i % 100 == 0)
            log_flush(); /* must come back though nobody reads */
    }
    for (int i = 0; i < 1000; i++) {
        log_flush();
        if (seen() == 0)
            break;
        for (char *at = text; *at; at = strchr(at, '\n') + 1) {
            char *end = strchr(at, '\n');
            assert_non_null(end);
            *end = 0;
            char *count = strstr(at, "warning: ");
            if (count)
                sscanf(count, "warning: %u log lines were dropped", &lost);
            else if (strstr(at, line))
                kept++;
            else
                fail_msg("a broken line: %s", at);
            *end = '\n';
        }
    }
    assert_true(lost > 0);
    assert_int_equal(lost + kept, 3000);
    log_line(LOG_INFO, "alive");
    log_flush();
    seen();
    assert_non_null(strstr(text, "alive"));
}

static void a_socket_that_is_full_is_not_waited_for(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    log_open(SLICE("qmgr"), pair[1], LOG_DEBUG);
    for (int i = 0; i < 20000; i++) {
        log_line(LOG_DEBUG, "%0200d", i);
        if (i % 50 == 0)
            log_flush();
    }
    assert_false(fcntl(pair[1], F_GETFL) & O_NONBLOCK); /* the description is others', too */
    close(pair[0]);
    log_flush(); /* nobody there: no signal, no wait */
    log_open(SLICE("qmgr"), ends[1], LOG_INFO);
    close(pair[1]);
    do
        log_flush(); /* what that reader did not take goes to the next */
    while (seen() > 0);
}

/* What the parent had gathered is written once, by the parent. */
static void a_child_does_not_repeat_its_parents_lines(void **state)
{
    (void)state;
    int status;
    log_line(LOG_INFO, "parent");
    pid_t pid = fork();
    if (pid == 0) {
        log_line(LOG_INFO, "child");
        log_close();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    log_close();
    assert_true(seen() > 0);
    char *first = strstr(text, "]: parent\n");
    assert_non_null(first);
    assert_null(strstr(first + 1, "]: parent\n"));
    assert_non_null(strstr(text, "]: child\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_line_says_when_who_and_what),
        T(levels_are_marked_and_held_back),
        T(hostile_values_are_escaped),
        T(long_lines_are_cut),
        T(a_slow_reader_loses_whole_lines_that_are_counted),
        T(a_socket_that_is_full_is_not_waited_for),
        T(a_child_does_not_repeat_its_parents_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
