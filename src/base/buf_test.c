/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void grows_to_its_maximum_and_not_beyond(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        buf_append(&b, SLICE("0123456789"));
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 1000);
    buf_append_char(&b, 'x');
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 1000);
    buf_consume(&b, 500);
    buf_append_char(&b, 'x');
    assert_int_equal(b.len, 500);
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_append(&b, SLICE("fresh"));
    assert_true(slice_equal(buf_slice(&b), SLICE("fresh")));
    buf_release(&b);
    assert_null(b.ptr);
    buf_append(&b, SLICE("again"));
    assert_true(slice_equal(buf_slice(&b), SLICE("again")));
    buf_deinit(&b);
    buf_deinit(&b);
}

static void a_piece_too_long_is_left_out_whole(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 8);
    buf_append(&b, SLICE("12345"));
    buf_append(&b, SLICE("6789"));
    buf_append(&b, SLICE("6"));
    assert_false(buf_ok(&b));
    assert_true(slice_equal(buf_slice(&b), SLICE("12345")));
    assert_null(buf_reserve(&b, 1));
    buf_deinit(&b);
}

static void fixed_memory_is_never_left(void **state)
{
    (void)state;
    char memory[8];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    buf_append(&b, SLICE("12345678"));
    assert_true(buf_ok(&b));
    assert_ptr_equal(b.ptr, memory);
    buf_append_char(&b, '9');
    assert_false(buf_ok(&b));
    assert_memory_equal(memory, "12345678", 8);
    buf_clear(&b);
    buf_release(&b);
    assert_ptr_equal(b.ptr, memory);
    buf_deinit(&b);
}

static void reserve_gives_room_to_write_into(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 100);
    assert_non_null(buf_reserve(&b, 0));
    char *to = buf_reserve(&b, 100);
    assert_non_null(to);
    memset(to, 'x', 100);
    buf_grown(&b, 60);
    assert_int_equal(b.len, 60);
    assert_null(buf_reserve(&b, 41));
    assert_false(buf_ok(&b));
    buf_deinit(&b);
}

static void consume_moves_the_rest_down(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 100);
    buf_consume(&b, 0);
    buf_append(&b, SLICE("hello world"));
    buf_consume(&b, 6);
    assert_true(slice_equal(buf_slice(&b), SLICE("world")));
    buf_consume(&b, 5);
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
}

static void prints_numbers_and_formats(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 200);
    buf_append_u64(&b, 0);
    buf_append_char(&b, ' ');
    buf_append_u64(&b, UINT64_MAX);
    buf_printf(&b, " %d %.*s|", -5, SLICE_ARG(SLICE("abc")));
    buf_printf(&b, "%70s", "x");
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 1 + 1 + 20 + 8 + 70);
    assert_memory_equal(b.ptr, "0 18446744073709551615 -5 abc|  ", 32);
    buf_deinit(&b);
}

static void a_format_may_fill_the_last_byte(void **state)
{
    (void)state;
    for (size_t max = 1; max < 70; max++) {
        buf b;
        buf_init(&b, max);
        buf_printf(&b, "%*s", (int)max, "x");
        assert_true(buf_ok(&b));
        assert_int_equal(b.len, max);
        assert_int_equal(b.ptr[max - 1], 'x');
        buf_clear(&b);
        buf_printf(&b, "%*s", (int)max + 1, "x");
        assert_false(buf_ok(&b));
        assert_int_equal(b.len, 0);
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_maximum_and_not_beyond), cmocka_unit_test(a_piece_too_long_is_left_out_whole),
        cmocka_unit_test(fixed_memory_is_never_left),          cmocka_unit_test(reserve_gives_room_to_write_into),
        cmocka_unit_test(consume_moves_the_rest_down),         cmocka_unit_test(prints_numbers_and_formats),
        cmocka_unit_test(a_format_may_fill_the_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
