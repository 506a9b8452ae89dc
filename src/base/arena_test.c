/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    unsigned char *all[200];
    for (size_t i = 0; i < 200; i++) {
        all[i] = arena_alloc(&a, i * 7);
        assert_non_null(all[i]);
        assert_int_equal((uintptr_t)all[i] % sizeof(max_align_t) % 16, 0);
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(all[i][j], 0);
        memset(all[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(all[i][j], i);
    }
    arena_deinit(&a);
}

static void ends_at_its_maximum(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    assert_null(arena_alloc(&a, 4097));
    assert_null(arena_alloc(&a, SIZE_MAX));
    size_t count = 0;
    while (arena_alloc(&a, 64))
        count++;
    assert_int_equal(count, 64);
    slice copy = SLICE("untouched");
    assert_int_equal(arena_copy(&a, SLICE("x"), &copy), ERR_NOMEM);
    assert_int_equal(arena_printf(&a, &copy, "%d", 1), ERR_NOMEM);
    assert_true(slice_equal(copy, SLICE("untouched")));
    arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 4096));
    assert_null(arena_alloc(&a, 1));
    arena_deinit(&a);
}

static void arrays_do_not_wrap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_array(&a, (SIZE_MAX >> 4) + 2, 16));
    assert_non_null(arena_array(&a, 10, 16));
    assert_null(arena_alloc(&a, SIZE_MAX - 100));
    arena_deinit(&a);
}

static void texts_end_in_nul(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    slice s;
    assert_int_equal(arena_copy(&a, SLICE_NONE, &s), ERR_OK);
    assert_string_equal(s.ptr, "");
    assert_int_equal(arena_copy(&a, slice_sub(SLICE("hello world"), 0, 5), &s), ERR_OK);
    assert_string_equal(s.ptr, "hello");
    assert_int_equal(s.len, 5);
    assert_int_equal(arena_printf(&a, &s, "%s-%05d", "id", 42), ERR_OK);
    assert_string_equal(s.ptr, "id-00042");
    assert_int_equal(s.len, 8);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(ends_at_its_maximum),
        cmocka_unit_test(arrays_do_not_wrap),
        cmocka_unit_test(texts_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
