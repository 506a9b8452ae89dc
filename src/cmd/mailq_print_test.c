/* SPDX-License-Identifier: ISC */
#include "cmd/mailq_print.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* By the formats of Postfix's postqueue: "%-11s %7ld %20.20s %s", the reason to the right up to column 78, recipients at column 42. */
static const char wanted[] =
    "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
    "7K3QX2M9*       600 Sat Nov 21 19:08:35  alice@example.org\n"
    "                                         bob@example.com\n"
    "\n"
    "7K3QX2M9       2048 Sun Nov  1 00:00:00  MAILER-DAEMON\n"
    "                                                     (421 4.7.28 rate limited)\n"
    "                                         bob@example.com\n"
    "                                         \"a,b\"@example.com\n"
    "\n"
    "7K3QX2M9!   12345678 Sat Nov 21 19:08:35  alice@example.org\n"
    "(a reason that is longer than what there is room for to the left of the last column of a line)\n"
    "                                         bob@example.com\n"
    "\n"
    "-- 12058 Kbytes in 3 Requests.\n";

static void three_mails(void **state)
{
    uint64_t id = 0;
    struct mailq_sum sum = {0};
    buf out;
    (void)state;
    assert_int_equal(queue_id_read(SLICE("7K3QX2M9"), &id), ERR_OK);
    const struct ipc_queue_item items[] = {
        {.id = id,
         .size = 600,
         .arrival_s = 1795288115,
         .state = QUEUE_ITEM_ACTIVE,
         .from = SLICE("alice@example.org"),
         .to = SLICE("bob@example.com")},
        {.id = id,
         .size = 2048,
         .arrival_s = 1793491200,
         .state = QUEUE_ITEM_DEFERRED,
         .to = SLICE("bob@example.com,\"a,b\"@example.com"),
         .reason = SLICE("421 4.7.28 rate limited")},
        {.id = id,
         .size = 12345678,
         .arrival_s = 1795284515,
         .state = QUEUE_ITEM_HELD,
         .from = SLICE("alice@example.org"),
         .to = SLICE("bob@example.com"),
         .reason =
             SLICE("a reason that is longer than what there is room for to the left of the last column of a line")},
    };
    buf_init(&out, 1u << 16);
    mailq_print_item(&out, &items[0], 0, &sum);
    mailq_print_item(&out, &items[1], 0, &sum);
    mailq_print_item(&out, &items[2], 60, &sum);
    mailq_print_end(&out, &sum);
    buf_append_char(&out, 0);
    assert_string_equal(out.ptr, wanted);
    buf_deinit(&out);
}

static void sums(void **state)
{
    static const struct {
        uint64_t bytes, messages;
        const char *text;
    } rows[] = {{0, 0, "Mail queue is empty\n"},
                {1000, 1, "\n-- 0 Kbytes in 1 Request.\n"},
                {2047, 2, "\n-- 1 Kbytes in 2 Requests.\n"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mailq_sum sum = {rows[i].bytes, rows[i].messages};
        buf out;
        buf_init(&out, 256);
        mailq_print_end(&out, &sum);
        assert_true(slice_equal(buf_slice(&out), slice_str(rows[i].text)));
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(three_mails), cmocka_unit_test(sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
