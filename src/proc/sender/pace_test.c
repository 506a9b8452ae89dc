/* SPDX-License-Identifier: ISC */
/* How many sessions are open at once, with destinations and sessions that are played here: a destination that is pumped opens its one session as soon as it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proc/sender/state.h"

#define MANY 3000u
#define AT_ONCE 32u
#define YOUNG_US 10000
#define IDLE_MOST 1200u
#define SESSIONS_MOST 2000u

static struct sender sender;
static struct destination destinations[MANY];
static struct session sessions[MANY];
static unsigned opened[MANY], opened_count, quit[MANY], quit_count;
static unsigned stop_at; /* when so many are open; 0: never */
static struct loop_timer *stop;

static unsigned number_of(const struct destination *d)
{
    return (unsigned)(d - destinations);
}

void sender_destination_pump(struct sender *s, struct destination *d)
{
    unsigned number = number_of(d);
    if (!sender_pace_allows(s, d))
        return;
    assert_in_range(opened_count, 0, MANY - 1);
    opened[opened_count++] = number;
    sessions[number].begun_us = os_now_us();
    s->session_count++;
    sender_pace_begin(s, &sessions[number]);
    if (opened_count == stop_at)
        loop_stop(s->child.loop);
}

static void session_over(unsigned number)
{
    sender_pace_end(&sender, &sessions[number]);
    sender.session_count--;
}

static void session_idle(unsigned number)
{
    sender_pace_idle(&sender, &sessions[number]);
    sender.idle++;
}

void sender_session_quit(struct sender *s, struct session *x)
{
    assert_in_range(quit_count, 0, MANY - 1);
    quit[quit_count++] = (unsigned)(x - sessions);
    s->idle--;
    sender_pace_end(s, x);
}

static void stop_loop(void *ctx)
{
    (void)ctx;
    loop_stop(sender.child.loop);
}

/* The end of a turn of the loop. */
static void turn(void)
{
    loop_timer_start(stop, 0);
    loop_run(sender.child.loop);
}

/* As if they had been open for longer than it takes to count as young. */
static void sessions_age(void)
{
    for (unsigned i = 0; i < MANY; i++)
        sessions[i].begun_us -= YOUNG_US + 1000;
}

static int open_sender(void **state)
{
    (void)state;
    sender = (struct sender){.token = 0};
    opened_count = quit_count = stop_at = 0;
    for (unsigned i = 0; i < MANY; i++) {
        list_init(&destinations[i].opens);
        sessions[i] = (struct session){.begun_us = 0};
        list_init(&sessions[i].pace);
    }
    if (loop_open(&sender.child.loop) != ERR_OK || sender_pace_open(&sender) != ERR_OK)
        return 1;
    return loop_timer_open(sender.child.loop, stop_loop, NULL, &stop) == ERR_OK ? 0 : 1;
}

static int close_sender(void **state)
{
    (void)state;
    loop_timer_close(&stop);
    loop_timer_close(&sender.pace);
    loop_close(&sender.child.loop);
    return 0;
}

/* Each asks twice, as when two mails come: it has one turn. */
static void all_ask(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sender_destination_pump(&sender, &destinations[i]);
        if (!list_empty(&destinations[i].opens))
            sender_destination_pump(&sender, &destinations[i]);
    }
}

static void q5_hosts_that_answer_at_once_are_connected_to_a_few_at_a_time_in_their_order(void **state)
{
    (void)state;
    all_ask(MANY / 2);
    assert_int_equal(opened_count, AT_ONCE);
    for (unsigned done = 0; done < MANY / 2; done++) {
        assert_in_range(sender.young_count, 0, AT_ONCE);
        assert_in_range(opened_count, done + 1, MANY / 2);
        assert_int_equal(opened[done], done);
        session_over(done);
        turn();
    }
    assert_int_equal(opened_count, MANY / 2);
    assert_int_equal(sender.session_count, 0);
}

static void q5_who_comes_later_has_its_turn_later(void **state)
{
    (void)state;
    all_ask(AT_ONCE * 2);
    for (unsigned i = 0; i < AT_ONCE; i++)
        session_over(i);
    sender_destination_pump(&sender, &destinations[AT_ONCE * 2]);
    assert_int_equal(opened_count, AT_ONCE);
    turn();
    for (unsigned i = 0; i < AT_ONCE; i++)
        session_over(AT_ONCE + i);
    turn();
    assert_int_equal(opened_count, AT_ONCE * 2 + 1);
    for (unsigned i = 0; i < opened_count; i++)
        assert_int_equal(opened[i], i);
}

static void q5_hosts_that_are_slow_hold_nobody_up(void **state)
{
    (void)state;
    all_ask(SESSIONS_MOST);
    for (unsigned i = 0; i < SESSIONS_MOST && opened_count < SESSIONS_MOST; i++) {
        unsigned before = opened_count;
        sessions_age();
        turn();
        assert_in_range(opened_count, before + AT_ONCE < SESSIONS_MOST ? before + AT_ONCE : SESSIONS_MOST,
                        SESSIONS_MOST);
    }
    assert_int_equal(opened_count, SESSIONS_MOST);
}

/* Nothing happens on any connection: the loop must wake by itself. */
static void q5_the_next_are_connected_to_without_any_event(void **state)
{
    (void)state;
    all_ask(AT_ONCE * 3);
    stop_at = AT_ONCE * 3;
    loop_timer_start(stop, 20000);
    loop_run(sender.child.loop);
    assert_int_equal(opened_count, AT_ONCE * 3);
}

static void q5_of_idle_sessions_the_oldest_go_when_there_are_too_many(void **state)
{
    (void)state;
    all_ask(IDLE_MOST + 2);
    for (unsigned i = 0; i < IDLE_MOST + 2; i++) {
        assert_in_range(opened_count, i + 1, IDLE_MOST + 2);
        session_idle(i);
        turn();
    }
    assert_int_equal(sender.idle, IDLE_MOST);
    assert_int_equal(quit_count, 2);
    assert_int_equal(quit[0], 0);
    assert_int_equal(quit[1], 1);
}

static void q5_when_all_sessions_are_taken_the_idle_ones_make_room(void **state)
{
    (void)state;
    all_ask(SESSIONS_MOST + 10);
    for (unsigned i = 0; i < SESSIONS_MOST && opened_count < SESSIONS_MOST; i++) {
        sessions_age();
        turn();
    }
    sessions_age();
    turn();
    assert_int_equal(opened_count, SESSIONS_MOST);
    session_idle(7);
    session_idle(8);
    turn();
    assert_int_equal(quit_count, 2);
    session_over(7);
    session_over(8);
    turn();
    assert_int_equal(opened_count, SESSIONS_MOST + 2);
    assert_int_equal(opened[SESSIONS_MOST], SESSIONS_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(q5_hosts_that_answer_at_once_are_connected_to_a_few_at_a_time_in_their_order,
                                        open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_who_comes_later_has_its_turn_later, open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_hosts_that_are_slow_hold_nobody_up, open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_the_next_are_connected_to_without_any_event, open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_of_idle_sessions_the_oldest_go_when_there_are_too_many, open_sender,
                                        close_sender),
        cmocka_unit_test_setup_teardown(q5_when_all_sessions_are_taken_the_idle_ones_make_room, open_sender,
                                        close_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
