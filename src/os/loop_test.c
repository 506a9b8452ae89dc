/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static struct {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_watch *watch;
    char order[64];
    size_t len;
    int fd;
} t;

static void note(char c)
{
    if (t.len < sizeof(t.order) - 1)
        t.order[t.len++] = c;
    t.order[t.len] = 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    return loop_open(&t.loop) != ERR_OK;
}

static int teardown(void **state)
{
    (void)state;
    loop_timer_close(&t.timer);
    loop_watch_close(&t.watch);
    loop_close(&t.loop);
    assert_null(t.loop);
    return 0;
}

static void stop(void *ctx)
{
    (void)ctx;
    note('s');
    loop_stop(t.loop);
}

static void end_a(void *ctx)
{
    (void)ctx;
    note('a');
}

static void end_b(void *ctx)
{
    (void)ctx;
    note('b');
}

static void byte_came(void *ctx, bool readable, bool writable)
{
    char c;
    (void)ctx;
    assert_true(readable);
    assert_false(writable);
    assert_int_equal(read(t.fd, &c, 1), 1);
    note('r');
    loop_timer_start(t.timer, 0);
}

static void turn_ends_come_after_the_io_in_order(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    t.fd = pipe_fds[0];
    assert_int_equal(loop_at_turn_end(t.loop, end_a, NULL), ERR_OK);
    assert_int_equal(loop_at_turn_end(t.loop, end_b, NULL), ERR_OK);
    assert_int_equal(loop_timer_open(t.loop, stop, NULL, &t.timer), ERR_OK);
    assert_int_equal(loop_watch_open(t.loop, t.fd, byte_came, NULL, &t.watch), ERR_OK);
    loop_watch_set(t.watch, true, false);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    loop_run(t.loop);
    /* The first turn ends with nothing done; then the byte, the timer, and both hooks before the loop would sleep. */
    assert_string_equal(t.order, "abrsab");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void at_most_sixteen_turn_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++)
        assert_int_equal(loop_at_turn_end(t.loop, end_a, NULL), ERR_OK);
    assert_int_equal(loop_at_turn_end(t.loop, end_a, NULL), ERR_LIMIT);
}

static void closes_itself_and_stops(void *ctx)
{
    (void)ctx;
    note('t');
    loop_timer_close(&t.timer);
    loop_stop(t.loop);
}

static void a_timer_may_close_itself(void **state)
{
    (void)state;
    assert_int_equal(loop_timer_open(t.loop, closes_itself_and_stops, NULL, &t.timer), ERR_OK);
    loop_timer_start(t.timer, 1);
    loop_run(t.loop);
    assert_string_equal(t.order, "t");
    assert_null(t.timer);
}

static void starting_again_replaces(void **state)
{
    (void)state;
    int64_t before = loop_now_ms(t.loop);
    assert_int_equal(loop_timer_open(t.loop, stop, NULL, &t.timer), ERR_OK);
    loop_timer_start(t.timer, 3600 * 1000);
    loop_timer_start(t.timer, 5);
    loop_run(t.loop);
    assert_true(loop_now_ms(t.loop) - before >= 5);
    assert_string_equal(t.order, "s");
}

static void watch_closes_itself(void *ctx, bool readable, bool writable)
{
    (void)ctx;
    (void)readable;
    assert_true(writable);
    note('w');
    loop_watch_close(&t.watch);
    loop_stop(t.loop);
}

static void a_watch_may_close_itself_and_its_descriptor_be_watched_again(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(loop_watch_open(t.loop, pair[0], watch_closes_itself, NULL, &t.watch), ERR_OK);
        loop_watch_set(t.watch, false, true);
        loop_run(t.loop);
    }
    assert_string_equal(t.order, "www");
    close(pair[0]);
    close(pair[1]);
}

static void signal_came(void *ctx, int number)
{
    (void)ctx;
    note(number == SIGUSR1 ? '1' : '2');
    loop_stop(t.loop);
}

static void signals_are_callbacks(void **state)
{
    (void)state;
    assert_int_equal(loop_signal(t.loop, SIGUSR1, signal_came, NULL), ERR_OK);
    assert_int_equal(loop_signal(t.loop, SIGUSR2, signal_came, NULL), ERR_OK);
    raise(SIGUSR2);
    loop_run(t.loop);
    raise(SIGUSR1);
    loop_run(t.loop);
    assert_string_equal(t.order, "21");
}

#define MANY 200

static struct loop_timer *many[MANY];
static int64_t fired_ms[MANY];
static int fired;

static void notes_its_time(void *ctx)
{
    struct loop_timer **timer = ctx;
    fired_ms[fired++] = timer - many;
    if (timer - many == 100) /* closes one that is due, and its own */
        loop_timer_close(&many[101]);
    loop_timer_close(timer);
    if (fired == MANY - 50 - 1)
        loop_stop(t.loop);
}

static void many_timers_come_in_the_order_of_their_times(void **state)
{
    (void)state;
    fired = 0;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(loop_timer_open(t.loop, notes_its_time, &many[i], &many[i]), ERR_OK);
    for (int i = 0; i < MANY; i++) /* in an order that is neither up nor down; the last 50 are stopped again */
        loop_timer_start(many[i * 77 % MANY], 1 + i * 77 % MANY / 10);
    for (int i = MANY - 50; i < MANY; i++)
        loop_timer_stop(many[i]);
    loop_run(t.loop);
    assert_int_equal(fired, MANY - 50 - 1);
    for (int i = 1; i < fired; i++)
        assert_true(fired_ms[i - 1] / 10 <= fired_ms[i] / 10);
    for (int i = 0; i < MANY; i++)
        loop_timer_close(&many[i]);
}

static void starts_itself_again(void *ctx)
{
    (void)ctx;
    note('t');
    if (t.len < 6)
        loop_timer_start(t.timer, 0);
    else
        loop_stop(t.loop);
}

static void a_timer_of_no_delay_is_of_the_next_turn(void **state)
{
    (void)state;
    assert_int_equal(loop_at_turn_end(t.loop, end_a, NULL), ERR_OK);
    assert_int_equal(loop_timer_open(t.loop, starts_itself_again, NULL, &t.timer), ERR_OK);
    loop_timer_start(t.timer, 0);
    loop_run(t.loop);
    assert_string_equal(t.order, "tatatata");
}

static void wants_nothing_any_more(void *ctx, bool readable, bool writable)
{
    (void)ctx;
    (void)writable;
    assert_true(readable);
    note('h');
    loop_watch_set(t.watch, false, false);
}

/* The kernel reports a hang-up to those, too, who want nothing: the loop must not spin over it. */
static void a_hangup_is_told_once_to_who_wants_nothing(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(loop_at_turn_end(t.loop, end_a, NULL), ERR_OK);
    assert_int_equal(loop_timer_open(t.loop, stop, NULL, &t.timer), ERR_OK);
    assert_int_equal(loop_watch_open(t.loop, pair[0], wants_nothing_any_more, NULL, &t.watch), ERR_OK);
    loop_watch_set(t.watch, true, false);
    close(pair[1]);
    loop_timer_start(t.timer, 50);
    loop_run(t.loop);
    assert_true(t.len < 10);
    assert_non_null(strchr(t.order, 'h'));
    assert_ptr_equal(strchr(t.order, 'h'), strrchr(t.order, 'h'));
    loop_watch_set(t.watch, true, false); /* and again to who wants something again */
    loop_timer_start(t.timer, 50);
    loop_run(t.loop);
    assert_ptr_not_equal(strchr(t.order, 'h'), strrchr(t.order, 'h'));
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(turn_ends_come_after_the_io_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(at_most_sixteen_turn_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_may_close_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(many_timers_come_in_the_order_of_their_times, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_of_no_delay_is_of_the_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hangup_is_told_once_to_who_wants_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(starting_again_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_may_close_itself_and_its_descriptor_be_watched_again, setup, teardown),
        cmocka_unit_test_setup_teardown(signals_are_callbacks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
