/* SPDX-License-Identifier: ISC */
#include "cmd/trace_mails.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/trace_screen.h"

#define SIZE (256u * 1024)

static char folder[64];
static int folder_fd;
static struct trace_ring *ring;
static time_t clock_ahead_s;

int clock_gettime(clockid_t id, struct timespec *t)
{
    if (syscall(SYS_clock_gettime, id, t) != 0)
        return -1;
    t->tv_sec += id == CLOCK_REALTIME ? clock_ahead_s : 0;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st;
    (void)flag;
    (void)f;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/thurn-mails-test-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    log_open(SLICE("test"), open("/dev/null", O_WRONLY), LOG_ERROR);
    if (folder_fd < 0 || trace_ring_open(folder_fd, "receiver-0", SIZE, &ring) != ERR_OK)
        return 1;
    trace_ring_use(ring);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trace_ring_use(NULL);
    trace_ring_close(&ring);
    (void)close(folder_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static slice id_of(uint64_t number)
{
    static char memory[QUEUE_ID_TEXT_MAX];
    return slice_of(memory, queue_id_write(memory, number));
}

static void emit(enum trace_kind kind, slice id, const char *to)
{
    struct trace_event e;
    trace_event_init(&e, kind, LOG_INFO);
    trace_add(&e, TRACE_KEY_ID, id);
    if (kind == TRACE_ACCEPTED)
        trace_add(&e, TRACE_KEY_FROM, slice_str(to));
    else
        trace_add(&e, TRACE_KEY_TO, slice_str(to));
    trace_emit(&e, SLICE("for the log"));
}

/* What it says of all mails that match; limit 0: ten. */
static const char *told(struct trace_mails *m, const char *what, size_t limit)
{
    static char text[SIZE];
    static struct trace_query query;
    buf out;
    query = (struct trace_query){0};
    if (what)
        assert_int_equal(trace_query_read(slice_str(what), &query), ERR_OK);
    assert_int_equal(trace_mails_open(m, folder, &query, limit ? limit : 10), ERR_OK);
    buf_init_fixed(&out, text, sizeof text - 1);
    const struct trace_screen s = {.out = &out, .now_us = os_wall_us(), .heads = true};
    LIST_FOREACH(at, &m->mails)
        trace_screen_mail(&s, LIST_ENTRY(at, struct trace_mail, link));
    assert_true(buf_ok(&out));
    text[out.len] = 0;
    return text;
}

static void of_many_mails_the_last_are_shown(void **state)
{
    (void)state;
    struct trace_mails m;
    for (uint64_t i = 1; i <= 30; i++) {
        emit(TRACE_ACCEPTED, id_of(i), "carol@example.net");
        emit(TRACE_SENT, id_of(i), i % 2 ? "alice@example.org" : "bob@example.org");
    }
    char wanted[QUEUE_ID_TEXT_MAX + 32];
    (void)snprintf(wanted, sizeof wanted, "%.*s  from <carol@example.net>\n", SLICE_ARG(id_of(30)));
    const char *out = told(&m, "bob@example.org", 10);
    assert_int_equal(m.count, 10);
    assert_true(m.left_out);
    assert_false(m.older_gone);
    assert_non_null(strstr(out, wanted));
    assert_null(strstr(out, "alice@example.org"));
    trace_mails_close(&m);
    (void)told(&m, "bob@example.org", 15);
    assert_int_equal(m.count, 15);
    assert_false(m.left_out);
    trace_mails_close(&m);
    (void)told(&m, NULL, SIZE_MAX);
    assert_int_equal(m.count, 30);
    trace_mails_close(&m);
}

static void what_the_ring_has_lost_is_known_to_be_lost(void **state)
{
    (void)state;
    struct trace_mails m;
    char early[QUEUE_ID_TEXT_MAX + 1] = {0}, late[QUEUE_ID_TEXT_MAX + 1] = {0};
    (void)queue_id_write(early, 1);
    (void)queue_id_write(late, 2);
    emit(TRACE_ACCEPTED, slice_str(early), "carol@example.net");
    for (size_t i = 0; i < SIZE / 32; i++)
        emit(TRACE_DEFERRED, id_of(3), "bob@example.org");
    emit(TRACE_SENT, slice_str(early), "bob@example.org");
    emit(TRACE_ACCEPTED, slice_str(late), "carol@example.net");
    const char *out = told(&m, early, 0);
    assert_int_equal(m.count, 1);
    assert_true(m.older_gone && m.since_us > 0);
    assert_false(trace_mails_first(&m)->has_begin);
    assert_non_null(strstr(out, "bob@example.org: sent"));
    assert_null(strstr(out, "accepted from"));
    trace_mails_close(&m);
    (void)told(&m, late, 0);
    assert_true(m.older_gone && trace_mails_first(&m)->has_begin);
    trace_mails_close(&m);
}

static void of_a_mail_with_endless_tries_the_first_and_the_last_are_shown(void **state)
{
    (void)state;
    struct trace_mails m;
    emit(TRACE_ACCEPTED, id_of(1), "carol@example.net");
    for (int i = 0; i < 1500; i++)
        emit(TRACE_DEFERRED, id_of(1), "bob@example.org");
    emit(TRACE_SENT, id_of(1), "bob@example.org");
    const char *out = told(&m, NULL, 0);
    assert_non_null(strstr(out, "\n... 502 events are left out\n"));
    assert_non_null(strstr(out, "accepted from"));
    assert_non_null(strstr(out, "bob@example.org: sent"));
    trace_mails_close(&m);
}

static void a_flaw_is_passed_on(void **state)
{
    (void)state;
    struct trace_mails m;
    emit(TRACE_ACCEPTED, id_of(1), "carol@example.net");
    (void)told(&m, NULL, 0);
    assert_int_equal(m.flaw.len, 0);
    trace_mails_close(&m);
    int fd = openat(folder_fd, "sender-0", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "no ring", 7), 7);
    (void)close(fd);
    const char *out = told(&m, NULL, 0);
    assert_true(slice_equal(buf_slice(&m.flaw), SLICE("sender-0")));
    assert_int_equal(m.flaw_why, ERR_CORRUPT);
    assert_non_null(strstr(out, "accepted from"));
    trace_mails_close(&m);
}

static void a_clock_that_is_set_back_hides_nothing(void **state)
{
    (void)state;
    struct trace_mails m;
    clock_ahead_s = 7200;
    emit(TRACE_ACCEPTED, id_of(1), "carol@example.net");
    clock_ahead_s = 0;
    emit(TRACE_SENT, id_of(1), "bob@example.org");
    emit(TRACE_ACCEPTED, id_of(2), "dave@example.net");
    const char *out = told(&m, NULL, 0);
    assert_int_equal(m.count, 2);
    assert_non_null(strstr(out, "from <carol@example.net>"));
    assert_non_null(strstr(out, "bob@example.org: sent"));
    assert_non_null(strstr(out, "from <dave@example.net>"));
    assert_true(m.since_us > 0 && m.since_us <= os_wall_us());
    trace_mails_close(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_many_mails_the_last_are_shown),
        TEST(what_the_ring_has_lost_is_known_to_be_lost),
        TEST(of_a_mail_with_endless_tries_the_first_and_the_last_are_shown),
        TEST(a_flaw_is_passed_on),
        TEST(a_clock_that_is_set_back_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
