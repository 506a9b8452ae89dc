/* SPDX-License-Identifier: ISC */
#include "cmd/queue_print.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1795280915 /* 2026-11-21T17:08:35Z */
#define S(literal)                                                                                                     \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static void expect(buf *out, const char *wanted)
{
    assert_true(buf_ok(out));
    buf_append_char(out, 0);
    assert_string_equal(out->ptr, wanted);
    buf_deinit(out);
}

/* As the design shows it, to the space. */
static void summary(void **state)
{
    static const struct ipc_queue_destination rows[] = {
        {0, S("example.com"), 12, NOW - 14 * 60, NOW + 180, QUEUE_ITEM_DEFERRED, S("421 4.7.28 rate limited")},
        {0, S("example.net"), 1, NOW - 7200, NOW + 41 * 60, QUEUE_ITEM_DEFERRED, S("connect timed out (3 of 3 hosts)")},
    };
    struct columns table;
    buf out;
    (void)state;
    buf_init(&out, 1u << 16);
    columns_init(&table, queue_summary_columns, QUEUE_SUMMARY_COLUMNS, 80);
    for (size_t i = 0; i < 2; i++)
        queue_print_destination_row(&table, &rows[i], NOW);
    columns_print(&table, &out);
    expect(&out, "DESTINATION   MSGS  OLDEST  NEXT TRY  REASON\n"
                 "example.com     12  14m     in 3m     421 4.7.28 rate limited\n"
                 "example.net      1  2h      in 41m    connect timed out (3 of 3 hosts)\n");
    columns_deinit(&table);
}

static const struct ipc_queue_item item = {.id = 7,
                                           .from = S("alice@example.org"),
                                           .to = S("bob@example.com"),
                                           .size = 18 * 1024,
                                           .arrival_s = NOW - 14 * 60,
                                           .tries = 3,
                                           .next_s = NOW + 180,
                                           .state = QUEUE_ITEM_DEFERRED,
                                           .reason = S("421 4.7.28 rate \"limited\""),
                                           .destination = S("example.com")};

static void list(void **state)
{
    struct columns table;
    struct ipc_queue_item other = item;
    char id[QUEUE_ID_TEXT_MAX], wanted[512];
    buf out, b;
    (void)state;
    other.from = SLICE_NONE;
    other.to = SLICE("\"a,b\"@x.example,c@y.example,d@z.example");
    other.state = QUEUE_ITEM_HELD;
    buf_init(&out, 1u << 16);
    columns_init(&table, queue_list_columns, QUEUE_LIST_COLUMNS, 80);
    queue_print_item_row(&table, &item, NOW);
    queue_print_item_row(&table, &other, NOW);
    columns_print(&table, &out);
    size_t n = queue_id_write(id, 7);
    assert_int_equal(n, 8);
    buf_init_fixed(&b, wanted, sizeof wanted);
    buf_printf(&b,
               "ID        AGE  SIZE  FROM               TO                  TRIES  NEXT\n"
               "%.8s  14m  18K   alice@example.org  bob@example.com         3  in 3m\n"
               "%.8s  14m  18K   <>                 \"a,b\"@x.example +2      3  held\n%c",
               id, id, 0);
    expect(&out, wanted);
    columns_deinit(&table);
}

static void long_lists_fit(void **state)
{
    struct columns table;
    struct ipc_queue_item wide = item;
    buf out;
    slice line, rest;
    (void)state;
    wide.from = SLICE("somebody.with.a.very.long.name.indeed@a.very.long.domain.name.example.org");
    wide.to = SLICE("somebody.else.with.a.very.long.name@another.very.long.domain.name.example.com");
    buf_init(&out, 1u << 16);
    columns_init(&table, queue_list_columns, QUEUE_LIST_COLUMNS, 80);
    queue_print_item_row(&table, &wide, NOW);
    columns_print(&table, &out);
    rest = buf_slice(&out);
    assert_true(slice_find(rest, SLICE("...")) > 0);
    while (slice_cut(rest, '\n', &line, &rest))
        assert_in_range(line.len, 1, 80);
    columns_deinit(&table);
    buf_deinit(&out);
}

static void json(void **state)
{
    struct ipc_queue_item other = item;
    char id[QUEUE_ID_TEXT_MAX], wanted[1024];
    buf out, b;
    (void)state;
    other.from = SLICE_NONE;
    other.to = SLICE("\"a,\\\"b\"@x.example,c@y.example");
    other.state = QUEUE_ITEM_HELD;
    other.arrival_s = NOW + 5; /* a clock that went back */
    buf_init(&out, 1u << 16);
    queue_print_item_json(&out, &item, NOW);
    queue_print_item_json(&out, &other, NOW);
    (void)queue_id_write(id, 7);
    buf_init_fixed(&b, wanted, sizeof wanted);
    buf_printf(&b,
               "{\"id\": \"%.8s\", \"from\": \"alice@example.org\", \"to\": [\"bob@example.com\"], \"size\": 18432, "
               "\"age\": 840, \"tries\": 3, \"next\": \"2026-11-21T17:11:35Z\", "
               "\"reason\": \"421 4.7.28 rate \\\"limited\\\"\", \"destination\": \"example.com\", \"state\": "
               "\"deferred\"}\n"
               "{\"id\": \"%.8s\", \"from\": \"\", \"to\": [\"\\\"a,\\\\\\\"b\\\"@x.example\", \"c@y.example\"], "
               "\"size\": 18432, \"age\": 0, \"tries\": 3, \"next\": null, "
               "\"reason\": \"421 4.7.28 rate \\\"limited\\\"\", \"destination\": \"example.com\", \"state\": "
               "\"held\"}\n%c",
               id, id, 0);
    expect(&out, wanted);
}

static void page_is_escaped(void **state)
{
    struct ipc_queue_item hostile = item;
    buf out;
    (void)state;
    hostile.reason = SLICE("\x1b[31mred\nid  FAKE");
    hostile.to = SLICE("a@b.example,c@d.example");
    buf_init(&out, 1u << 16);
    queue_print_item_page(&out, &hostile, NOW);
    assert_true(slice_find_char(buf_slice(&out), 0x1b) < 0);
    assert_true(slice_find(buf_slice(&out), SLICE("\nid ")) < 0);
    assert_true(slice_find(buf_slice(&out), SLICE("\nto         a@b.example\nto         c@d.example\n")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE("\narrived    2026-11-21T16:54:35Z (14m ago)\n")) > 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(summary), cmocka_unit_test(list),
                                       cmocka_unit_test(long_lists_fit), cmocka_unit_test(json),
                                       cmocka_unit_test(page_is_escaped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
