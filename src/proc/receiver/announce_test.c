/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct receiver r;

static int begin(void **state)
{
    (void)state;
    r = (struct receiver){0};
    return loop_open(&r.child.loop) == ERR_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    loop_close(&r.child.loop);
    return 0;
}

static void announce(size_t bytes)
{
    struct spool_done done = {.kind = SPOOL_DONE_COMMITTED, .head = {"", bytes}};
    announce_message(&r, &done);
}

static void a_silent_queue_stops_new_mail(void **state)
{
    (void)state;
    assert_false(announce_queue_busy(&r));
    r.unacked_since_ms = receiver_now_ms(&r) - 3600000; /* nothing is owed: silence means nothing */
    assert_false(announce_queue_busy(&r));
    announce(300);
    assert_false(announce_queue_busy(&r));
    r.unacked_since_ms -= 30001;
    assert_true(announce_queue_busy(&r));
}

static void an_acknowledgement_opens_again(void **state)
{
    (void)state;
    struct hub_peer queue = {.kind = PROCESS_QUEUE}, other = {.kind = PROCESS_QUEUE};
    announce(300);
    announce(300);
    r.queue = &queue;
    r.unacked_since_ms -= 30001;
    announce_ack(&r, &other, 728);
    assert_true(announce_queue_busy(&r));
    announce_ack(&r, &queue, 364);
    assert_false(announce_queue_busy(&r));
    r.unacked_since_ms -= 30001;
    assert_true(announce_queue_busy(&r));
    announce_ack(&r, &queue, 364);
    assert_false(announce_queue_busy(&r));
}

static void too_much_unacknowledged_stops_new_mail(void **state)
{
    (void)state;
    for (int i = 0; i < 65; i++)
        announce(1 << 20);
    assert_true(announce_queue_busy(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_silent_queue_stops_new_mail, begin, end),
        cmocka_unit_test_setup_teardown(an_acknowledgement_opens_again, begin, end),
        cmocka_unit_test_setup_teardown(too_much_unacknowledged_stops_new_mail, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
