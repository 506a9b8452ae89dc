/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct member {
    int number;
    struct list link;
};

static void keeps_order_and_survives_removal_while_walking(void **state)
{
    (void)state;
    struct list head;
    struct member m[5];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop(&head));
    for (int i = 1; i < 5; i++) {
        m[i].number = i;
        list_push(&head, &m[i].link);
    }
    m[0].number = 0;
    list_push_front(&head, &m[0].link);
    int expected = 0;
    LIST_FOREACH(it, &head) {
        assert_int_equal(LIST_ENTRY(it, struct member, link)->number, expected++);
        if (expected % 2 == 0)
            list_remove(it);
    }
    assert_int_equal(expected, 5);
    list_remove(&m[1].link);
    assert_ptr_equal(list_pop(&head), &m[0].link);
    assert_ptr_equal(list_pop(&head), &m[2].link);
    assert_ptr_equal(list_pop(&head), &m[4].link);
    assert_true(list_empty(&head));
}

static void numbers_are_little_endian_at_any_address(void **state)
{
    (void)state;
    unsigned char bytes[9] = {0};
    put_u64(bytes + 1, UINT64_C(0x0102030405060708));
    assert_memory_equal(bytes + 1, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_int_equal(get_u64(bytes + 1), UINT64_C(0x0102030405060708));
    assert_int_equal(get_u32(bytes + 1), 0x05060708);
    assert_int_equal(get_u16(bytes + 1), 0x0708);
    put_u32(bytes + 1, 0xfffefdfc);
    assert_int_equal(get_u32(bytes + 1), 0xfffefdfc);
    put_u16(bytes + 1, 0xabcd);
    assert_int_equal(get_u16(bytes + 1), 0xabcd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_survives_removal_while_walking),
        cmocka_unit_test(numbers_are_little_endian_at_any_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
