/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { COUNT = 20000, LONG = 300 };

/* Bytes of a head with these recipients. */
static size_t head_len(const struct part *p)
{
    const struct envelope e = {.recipient_count = p->count, .recipients = p->recipients};
    const struct spool_head head = {.id = 1, .envelope_count = 1, .envelopes = &e};
    buf b;
    buf_init(&b, 64u << 20);
    spool_head_encode(&b, &head);
    assert_true(buf_ok(&b));
    size_t len = b.len;
    buf_deinit(&b);
    return len;
}

static void a_head_too_long_becomes_several_messages(void **state)
{
    (void)state;
    static char text[LONG];
    static struct recipient recipients[COUNT];
    static const struct route_list list;
    struct transaction t = {.rcpt_count = 1};
    arena_init(&t.arena, 1u << 20);
    memset(text, 'x', sizeof text);
    for (uint32_t i = 0; i < COUNT; i++)
        recipients[i] =
            (struct recipient){.address = slice_of(text, LONG), .original = slice_of(text, LONG), .index = i};
    struct part parts[2] = {{.recipients = recipients, .count = 1, .cap = 1},
                            {.list = &list, .recipients = recipients, .count = COUNT, .cap = COUNT}};
    t.parts = parts;
    t.part_count = t.part_cap = 2;
    assert_int_equal(parts_split(&t), ERR_OK);
    assert_in_range(t.part_count, 6, 8); /* 12 MiB in heads of 3 */
    assert_int_equal(t.parts[0].count, 1);
    uint32_t next = 0;
    for (uint32_t i = 1; i < t.part_count; i++) {
        const struct part *p = &t.parts[i];
        assert_true(p->list == &list);
        assert_in_range(head_len(p), 1, SPOOL_HEAD_MAX - 4096);
        for (uint32_t n = 0; n < p->count; n++)
            assert_int_equal(p->recipients[n].index, next++);
    }
    assert_int_equal(next, COUNT);
    arena_deinit(&t.arena);
}

static void what_fits_stays_one_message(void **state)
{
    (void)state;
    static const struct recipient one = {.address = SLICE("a@b.example")};
    struct recipient r[2] = {one, one};
    struct part p = {.recipients = r, .count = 2, .cap = 2};
    struct transaction t = {.parts = &p, .part_count = 1, .part_cap = 1};
    arena_init(&t.arena, 1u << 20);
    assert_int_equal(parts_split(&t), ERR_OK);
    assert_int_equal(t.part_count, 1);
    assert_int_equal(p.count, 2);
    arena_deinit(&t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_too_long_becomes_several_messages),
        cmocka_unit_test(what_fits_stays_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
