/* SPDX-License-Identifier: ISC */
#include "sched/slab.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct thing {
    uint32_t first;
    uint32_t live;
    uint64_t value;
};

static struct thing *at(const struct slab *s, uint32_t handle)
{
    return slab_at(s, handle);
}

static void handles_name_what_was_put_there(void **state)
{
    (void)state;
    enum { COUNT = SLAB_CHUNK * 3 + 7 };
    static uint32_t handles[COUNT];
    struct slab s;
    slab_init(&s, sizeof(struct thing));
    for (uint32_t i = 0; i < COUNT; i++) {
        handles[i] = slab_alloc(&s);
        assert_int_not_equal(handles[i], 0);
        at(&s, handles[i])->value = i;
    }
    assert_int_equal(s.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(at(&s, handles[i])->value, i);
    slab_deinit(&s);
}

static void freed_ones_come_back_zeroed_before_new_ones(void **state)
{
    (void)state;
    struct slab s;
    slab_init(&s, sizeof(struct thing));
    uint32_t a = slab_alloc(&s), b = slab_alloc(&s), c = slab_alloc(&s);
    *at(&s, a) = *at(&s, b) = *at(&s, c) = (struct thing){7, 7, 7};
    slab_free(&s, a);
    slab_free(&s, c);
    assert_int_equal(s.count, 1);
    /* Whoever walks over all handles must see that these are free, whatever the free list keeps in them. */
    assert_int_equal(at(&s, a)->live, 0);
    assert_int_equal(at(&s, c)->live, 0);
    assert_int_equal(at(&s, c)->value, 0);
    assert_int_equal(at(&s, b)->live, 7);
    uint32_t x = slab_alloc(&s), y = slab_alloc(&s);
    assert_true((x == a && y == c) || (x == c && y == a));
    assert_int_equal(at(&s, x)->first + at(&s, y)->first, 0);
    assert_int_equal(s.used, 3);
    slab_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_name_what_was_put_there),
        cmocka_unit_test(freed_ones_come_back_zeroed_before_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
