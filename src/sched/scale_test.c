/* SPDX-License-Identifier: ISC */
/* That the cost of a mail does not depend on how many others there are, without a clock: the room is compiled once more with each of its functions' calls counted, and the calls a mail are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched/sched.h"

#define NOW 1800000000
#define MAILS 2000u
#define PLAIN __attribute__((no_instrument_function))

static uint64_t steps;

void __cyg_profile_func_enter(void *function, void *caller) PLAIN;
void __cyg_profile_func_exit(void *function, void *caller) PLAIN;

void __cyg_profile_func_enter(void *function, void *caller)
{
    (void)function;
    (void)caller;
    steps++;
}

void __cyg_profile_func_exit(void *function, void *caller)
{
    (void)function;
    (void)caller;
}

static const int64_t retry_s[] = {60, 300, 900};
static const struct sched_options options = {retry_s, 3, 20, 4096};

static struct sched *open_index(void)
{
    struct sched *s = NULL;
    assert_int_equal(sched_open(&options, (struct hash_key){3, 4}, &s), ERR_OK);
    return s;
}

static uint32_t destination(struct sched *s, unsigned number)
{
    char key[32];
    uint32_t handle = 0;
    int len = snprintf(key, sizeof key, "smtp:d%u.test", number);
    assert_int_equal(sched_destination_get(s, slice_of(key, (size_t)len), 1, &handle), ERR_OK);
    return handle;
}

static uint64_t next_id;

static uint32_t add(struct sched *s, unsigned to)
{
    static const uint32_t zero = 0;
    const struct sched_message m = {.id = ++next_id, .arrival_s = NOW};
    uint32_t message = 0, part = 0;
    assert_int_equal(sched_message_add(s, &m, &message), ERR_OK);
    assert_int_equal(sched_part_add(s, message, destination(s, to), (struct sched_recipients){&zero, 1}, &part),
                     ERR_OK);
    return part;
}

/* Mails come, are given out and are delivered, for so many destinations in turn: the calls that each costs. */
static uint64_t steps_a_mail(struct sched *s, unsigned first, unsigned destinations)
{
    uint64_t before = steps;
    for (unsigned i = 0; i < MAILS; i++)
        (void)add(s, first + i % destinations);
    for (unsigned i = 0; i < MAILS; i++) {
        uint32_t part = sched_dispatch(s);
        assert_int_not_equal(part, 0);
        uint32_t message = sched_part(s, part)->message;
        sched_destination_ok(s, sched_part(s, part)->destination);
        assert_true(sched_part_finish(s, part));
        sched_message_remove(s, message);
        if (i % 64 == 0) /* a turn of the loop takes many */
            (void)sched_tick(s, NOW);
    }
    return (steps - before) / MAILS;
}

static void defer_many(struct sched *s, unsigned to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t part = add(s, to);
        sched_part_restore(s, part, 1, NOW + 1000 + i % 997, SLICE("451 4.4.1 nobody answers"));
    }
}

static void within(uint64_t steps_many, uint64_t steps_few, unsigned percent)
{
    assert_in_range(steps_many, 1, steps_few + steps_few * percent / 100 + 1);
}

static void q5_a_mail_costs_the_same_for_one_destination_and_for_ten_thousand(void **state)
{
    (void)state;
    struct sched *s = open_index();
    uint64_t few = steps_a_mail(s, 0, 1);
    for (unsigned i = 0; i < 10000; i++)
        (void)add(s, 100 + i);
    for (unsigned i = 0; i < 10000; i++)
        sched_part_restore(s, i + 1, 1, NOW + 1000, SLICE("451 4.4.1 nobody answers"));
    /* one that is alone at its destination brings it into the ring, and out of it again */
    within(steps_a_mail(s, 100, MAILS), few, 25);
    sched_close(&s);
}

static void q5_a_mail_costs_the_same_beside_an_empty_queue_and_beside_deferred_mail(void **state)
{
    (void)state;
    struct sched *s = open_index();
    uint64_t empty = steps_a_mail(s, 0, 10);
    defer_many(s, 50, 300000);
    within(steps_a_mail(s, 0, 10), empty, 10);
    sched_close(&s);
}

/* Parts that wait each for itself stand in a heap: one more level for twice as many, and no more. */
static void q5_what_waits_becomes_due_in_order_at_a_heaps_price(void **state)
{
    (void)state;
    struct sched *s = open_index();
    uint64_t before = steps;
    defer_many(s, 1, 2000);
    uint64_t few = (steps - before) / 2000;
    before = steps;
    (void)sched_tick(s, NOW + 2000);
    uint64_t few_due = (steps - before) / 2000;
    defer_many(s, 2, 100000);
    before = steps;
    defer_many(s, 2, 2000);
    assert_in_range((steps - before) / 2000, 1, few * 2);
    before = steps;
    (void)sched_tick(s, NOW + 2000);
    assert_in_range((steps - before) / 102000, 1, few_due * 2);
    sched_close(&s);
}

/* So many for one that never answers: what it may have under way is bounded, and the next mail for another goes out at once. */
static void q5_a_burst_for_a_slow_destination_does_not_delay_the_others(void **state)
{
    (void)state;
    struct sched *s = open_index();
    for (unsigned i = 0; i < 100000; i++)
        (void)add(s, 1);
    uint32_t out = 0;
    while (sched_dispatch(s))
        out++;
    assert_in_range(out, 1, 20 * 8);
    uint32_t part = add(s, 2);
    uint64_t before = steps;
    assert_int_equal(sched_dispatch(s), part);
    assert_in_range(steps - before, 1, 50);
    sched_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q5_a_mail_costs_the_same_for_one_destination_and_for_ten_thousand),
        cmocka_unit_test(q5_a_mail_costs_the_same_beside_an_empty_queue_and_beside_deferred_mail),
        cmocka_unit_test(q5_what_waits_becomes_due_in_order_at_a_heaps_price),
        cmocka_unit_test(q5_a_burst_for_a_slow_destination_does_not_delay_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
