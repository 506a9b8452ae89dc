/* SPDX-License-Identifier: ISC */
#include "route/mx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define V4(n)                                                                                                          \
    {                                                                                                                  \
        {192, 0, 2, n}, 4                                                                                              \
    }
#define V6(n)                                                                                                          \
    {                                                                                                                  \
        {0x20, 0x01, 0x0d, 0xb8, [15] = n}, 16                                                                         \
    }
#define S(text)                                                                                                        \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct mx_address a1[] = {V4(1), V6(1), V4(2)}, a3[] = {V4(3)}, a4[] = {V4(4)},
                               many[] = {V4(10), V4(11), V4(12), V4(13), V4(14), V4(15)},
                               nowhere[] = {{{127, 0, 0, 1}, 4}, {{0}, 4}, {{[15] = 1}, 16}}, own[] = {V4(99)};
static const struct mx_self self = {S("mail.example.org"), own, 1};

/* Names and last octets, in order. */
static void order(const struct mx_host *hosts, size_t count, size_t max, enum status expected, const char *text)
{
    struct mx_target targets[16];
    struct mx_order got = {.targets = targets, .max = max, .count = 77};
    char space[500];
    buf b;
    buf_init_fixed(&b, space, sizeof(space));
    enum status status = mx_order(hosts, count, &self, 5, &got);
    assert_int_equal(status, expected);
    for (size_t i = 0; status == STATUS_OK && i < got.count; i++)
        buf_printf(&b, "%.*s/%d.%d ", SLICE_ARG(targets[i].name), targets[i].address.ip_len,
                   targets[i].address.ip[targets[i].address.ip_len - 1]);
    buf_append_char(&b, 0);
    assert_string_equal(space, text);
    if (status != STATUS_OK)
        assert_int_equal(got.count, 77);
}

static void test_preference_and_families(void **state)
{
    (void)state;
    const struct mx_host hosts[] = {
        {S("b.example"), 20, a3, 1}, {S("a.example."), 10, a1, 3}, {S("c.example"), 30, a4, 1}};
    order(hosts, 3, 16, STATUS_OK, "a.example/16.1 a.example/4.1 a.example/4.2 b.example/4.3 c.example/4.4 ");
    order(hosts, 3, 2, STATUS_OK, "a.example/16.1 b.example/4.3 ");
}

static void test_first_host_leaves_room(void **state)
{
    (void)state;
    const struct mx_host hosts[] = {{S("a.example"), 1, many, 6}, {S("b.example"), 2, a3, 1}};
    order(hosts, 2, 4, STATUS_OK, "a.example/4.10 a.example/4.11 b.example/4.3 ");
}

static void test_null_mx(void **state)
{
    (void)state;
    const struct mx_host null = {S("."), 0, NULL, 0};
    order(&null, 1, 16, STATUS_NULL_MX, "");
    const struct mx_host two[] = {{S("."), 0, a3, 1}, {S("b.example"), 5, a4, 1}};
    order(two, 2, 16, STATUS_OK, "b.example/4.4 ");
}

static void test_ourselves(void **state)
{
    (void)state;
    const struct mx_host hosts[] = {{S("a.example"), 10, a1, 1},
                                    {S("MAIL.example.org."), 20, a3, 1},
                                    {S("same.example"), 20, a4, 1},
                                    {S("worse.example"), 30, a4, 1}};
    order(hosts, 4, 16, STATUS_OK, "a.example/4.1 ");
    order(hosts + 1, 3, 16, STATUS_LOOPS_BACK, "");
    const struct mx_host by_address[] = {{S("alias.example"), 5, own, 1}, {S("b.example"), 5, a4, 1}};
    order(by_address, 2, 16, STATUS_LOOPS_BACK, "");
}

static void test_nowhere(void **state)
{
    (void)state;
    const struct mx_host hosts[] = {{S("a.example"), 10, nowhere, 3}, {S("b.example"), 20, a4, 1}};
    order(hosts, 2, 16, STATUS_OK, "b.example/4.4 ");
    order(hosts, 1, 16, STATUS_HOST_UNKNOWN, "");
    order(NULL, 0, 16, STATUS_HOST_UNKNOWN, "");
}

static void test_equal_ones_are_shuffled(void **state)
{
    (void)state;
    const struct mx_host hosts[] = {
        {S("a.example"), 10, a1, 1}, {S("b.example"), 10, a3, 1}, {S("c.example"), 10, a4, 1}};
    unsigned first[3] = {0};
    for (uint32_t seed = 0; seed < 300; seed++) {
        struct mx_target targets[4];
        struct mx_order got = {.targets = targets, .max = 4};
        assert_int_equal(mx_order(hosts, 3, &self, seed, &got), STATUS_OK);
        assert_int_equal(got.count, 3);
        first[targets[0].name.ptr[0] - 'a']++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], 50, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preference_and_families),
        cmocka_unit_test(test_first_host_leaves_room),
        cmocka_unit_test(test_null_mx),
        cmocka_unit_test(test_ourselves),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_equal_ones_are_shuffled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
