/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct hash_key key = {11, 22};

static void finds_replaces_and_forgets(void **state)
{
    (void)state;
    struct table t;
    int one, two;
    table_init(&t, key, true, 10);
    assert_null(table_get(&t, SLICE("a")));
    assert_null(table_remove(&t, SLICE("a")));
    assert_int_equal(table_put(&t, SLICE("Example.ORG"), &one), ERR_OK);
    assert_ptr_equal(table_get(&t, SLICE("example.org")), &one);
    assert_int_equal(table_put(&t, SLICE("EXAMPLE.org"), &two), ERR_OK);
    assert_int_equal(t.count, 1);
    assert_ptr_equal(table_get(&t, SLICE("example.org")), &two);
    assert_int_equal(table_put(&t, SLICE(""), &one), ERR_OK);
    assert_ptr_equal(table_get(&t, SLICE_NONE), &one);
    assert_ptr_equal(table_remove(&t, SLICE("Example.Org")), &two);
    assert_null(table_get(&t, SLICE("example.org")));
    table_deinit(&t);

    table_init(&t, key, false, 10);
    assert_int_equal(table_put(&t, SLICE("a"), &one), ERR_OK);
    assert_null(table_get(&t, SLICE("A")));
    assert_ptr_equal(table_get(&t, SLICE("a")), &one);
    table_deinit(&t);
}

static void refuses_more_than_its_maximum(void **state)
{
    (void)state;
    struct table t;
    int value;
    table_init(&t, key, false, 2);
    assert_int_equal(table_put(&t, SLICE("a"), &value), ERR_OK);
    assert_int_equal(table_put(&t, SLICE("b"), &value), ERR_OK);
    assert_int_equal(table_put(&t, SLICE("c"), &value), ERR_LIMIT);
    assert_int_equal(table_put(&t, SLICE("b"), &value), ERR_OK);
    assert_non_null(table_remove(&t, SLICE("a")));
    assert_int_equal(table_put(&t, SLICE("c"), &value), ERR_OK);
    table_deinit(&t);
}

#define NAMES 1000

/* Against a plain array: a long life of random puts and removals. */
static void agrees_with_an_array_over_a_long_life(void **state)
{
    (void)state;
    static char names[NAMES][8];
    static bool present[NAMES];
    struct table t;
    table_init(&t, key, true, NAMES);
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "n%d", i);
    uint32_t x = 7;
    size_t count = 0;
    for (int step = 0; step < 200000; step++) {
        x = x * 1664525 + 1013904223;
        size_t i = (x >> 8) % NAMES;
        bool add = (x >> 30) != 0 ? step < 100000 : step >= 100000;
        slice name = slice_str(names[i]);
        assert_ptr_equal(table_get(&t, name), present[i] ? &present[i] : NULL);
        if (add) {
            assert_int_equal(table_put(&t, name, &present[i]), ERR_OK);
            count += !present[i];
        } else {
            assert_ptr_equal(table_remove(&t, name), present[i] ? &present[i] : NULL);
            count -= present[i];
        }
        present[i] = add;
        assert_int_equal(t.count, count);
    }
    assert_true(t.cap <= 4 * NAMES);
    size_t at = 0, seen = 0;
    slice name;
    void *value;
    while (table_next(&t, &at, &name, &value)) {
        assert_true(*(bool *)value);
        assert_true(slice_equal(name, slice_str(names[(bool *)value - present])));
        seen++;
    }
    assert_int_equal(seen, count);
    assert_false(table_next(&t, &at, &name, &value));
    table_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_replaces_and_forgets),
        cmocka_unit_test(refuses_more_than_its_maximum),
        cmocka_unit_test(agrees_with_an_array_over_a_long_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
