/* SPDX-License-Identifier: ISC */
#include "sched/heap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NAMES 500u

static uint32_t places[NAMES + 1], times[NAMES + 1];

static void moved(void *ctx, uint32_t name, uint32_t at)
{
    (void)ctx;
    places[name] = at;
}

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void check(const struct heap *h)
{
    uint32_t inside = 0;
    for (uint32_t at = 1; at <= h->count; at++) {
        assert_int_equal(places[h->items[at].name], at);
        assert_int_equal(times[h->items[at].name], h->items[at].time_s);
        if (at > 1)
            assert_true(h->items[at / 2].time_s <= h->items[at].time_s);
    }
    for (uint32_t name = 1; name <= NAMES; name++)
        inside += places[name] != 0;
    assert_int_equal(inside, h->count);
}

static void owners_know_their_place_through_any_change(void **state)
{
    (void)state;
    struct heap h;
    uint32_t seed = 1;
    memset(places, 0, sizeof places);
    heap_init(&h, moved, NULL);
    for (int i = 0; i < 20000; i++) {
        uint32_t name = draw(&seed) % NAMES + 1;
        if (places[name]) {
            heap_remove(&h, places[name]);
            assert_int_equal(places[name], 0);
        } else {
            times[name] = draw(&seed) % 50;
            assert_int_equal(heap_push(&h, (struct heap_item){times[name], name}), ERR_OK);
            assert_int_not_equal(places[name], 0);
        }
        if (i % 16 == 0)
            check(&h);
    }
    check(&h);
    heap_deinit(&h);
}

static void the_first_is_always_the_earliest(void **state)
{
    (void)state;
    struct heap h;
    uint32_t seed = 2, last = 0;
    memset(places, 0, sizeof places);
    heap_init(&h, moved, NULL);
    for (uint32_t name = 1; name <= NAMES; name++) {
        times[name] = draw(&seed);
        assert_int_equal(heap_push(&h, (struct heap_item){times[name], name}), ERR_OK);
    }
    for (uint32_t left = NAMES; left > 0; left--) {
        assert_int_equal(h.count, left);
        assert_true(h.items[1].time_s >= last);
        last = h.items[1].time_s;
        heap_remove(&h, 1);
    }
    heap_deinit(&h);
}

static void all_may_become_due_sooner_in_one_walk(void **state)
{
    (void)state;
    struct heap h;
    uint32_t seed = 3;
    memset(places, 0, sizeof places);
    heap_init(&h, moved, NULL);
    for (uint32_t name = 1; name <= NAMES; name++) {
        times[name] = 1000 + draw(&seed) % 1000;
        assert_int_equal(heap_push(&h, (struct heap_item){times[name], name}), ERR_OK);
    }
    for (uint32_t at = 1; at <= h.count; at++) {
        uint32_t name = h.items[at].name;
        if (name % 3 == 0)
            continue;
        assert_true(times[name] >= 1000); /* it was not met before */
        times[name] = draw(&seed) % 1000;
        heap_sooner(&h, at, times[name]);
    }
    for (uint32_t name = 1; name <= NAMES; name++)
        assert_true(times[name] < 1000 || name % 3 == 0);
    check(&h);
    heap_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_know_their_place_through_any_change),
        cmocka_unit_test(the_first_is_always_the_earliest),
        cmocka_unit_test(all_may_become_due_sooner_in_one_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
