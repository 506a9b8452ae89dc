/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct mailbox {
    const char *name, *address;
};

#define MOST 5

static const struct {
    slice in;
    struct mailbox mailboxes[MOST];
    enum err end;
} rows[] = {
    {SLICE(""), {{0}}, ERR_NOTFOUND},
    {SLICE(" \r\n\t, ,(nobody) ,"), {{0}}, ERR_NOTFOUND},
    {SLICE("bob@example.org"), {{"", "bob@example.org"}}, ERR_NOTFOUND},
    {SLICE(" <bob@example.org> "), {{"", "bob@example.org"}}, ERR_NOTFOUND},
    {SLICE("Bob Smith <bob@example.org>"), {{"Bob Smith", "bob@example.org"}}, ERR_NOTFOUND},
    {SLICE("John  Q.\r\n\tPublic <jqp@x>"), {{"John Q. Public", "jqp@x"}}, ERR_NOTFOUND},
    {SLICE("\"Smith, Bob \\\"B\\\"\" <bob@x>"), {{"Smith, Bob \"B\"", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("\"fol\r\n\tded\"\"x\" y<bob@x>"), {{"fol dedx y", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("=?utf-8?q?B=C3=B6b?= <bob@x>"), {{"=?utf-8?q?B=C3=B6b?=", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("B\xc3\xb6"
           "b \xff <bob@x>"),
     {{"B\xc3\xb6"
       "b \xff",
       "bob@x"}},
     ERR_NOTFOUND},
    {SLICE("bob@x (Bob (the \\) builder))"), {{"Bob (the ) builder)", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("Bob (ignored) <bob@x>"), {{"Bob", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("bob@x ()"), {{"", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("a@x, b@y,\r\n C <c@z>"), {{"", "a@x"}, {"", "b@y"}, {"C", "c@z"}}, ERR_NOTFOUND},
    {SLICE("a@x (A), b@y"), {{"A", "a@x"}, {"", "b@y"}}, ERR_NOTFOUND},
    {SLICE("undisclosed-recipients:;"), {{0}}, ERR_NOTFOUND},
    {SLICE("The Team: a@x, \"B, b\" <b@y>; , c@z"), {{"", "a@x"}, {"B, b", "b@y"}, {"", "c@z"}}, ERR_NOTFOUND},
    {SLICE("root, <admin>"), {{"", "root"}, {"", "admin"}}, ERR_NOTFOUND},
    {SLICE("<@a.example,@b.example:bob@x>"), {{"", "bob@x"}}, ERR_NOTFOUND},
    {SLICE("bob (c) . (d) smith (e) @ (f) x . (g) org (h)"), {{"h", "bob.smith@x.org"}}, ERR_NOTFOUND},
    {SLICE("\"bob smith\"@x, \"bob\".\"s\\mith\"@x, \"a\\\"b\"@x"),
     {{"", "\"bob smith\"@x"}, {"", "bob.smith@x"}, {"", "\"a\\\"b\"@x"}},
     ERR_NOTFOUND},
    {SLICE("bob@[192.0.2.1], bob@[IPv6:2001:db8::1]"),
     {{"", "bob@[192.0.2.1]"}, {"", "bob@[IPv6:2001:db8::1]"}},
     ERR_NOTFOUND},
    {SLICE("zo\xc3\xab@b\xc3\xbc.example"), {{"", "zo\xc3\xab@b\xc3\xbc.example"}}, ERR_NOTFOUND},
    {SLICE("\"\"@x"), {{"", "\"\"@x"}}, ERR_NOTFOUND},
    {SLICE("-oQ/tmp@x, |sh@y"), {{"", "-oQ/tmp@x"}, {"", "|sh@y"}}, ERR_NOTFOUND},
    /* what comes before the fault is good */
    {SLICE("a@x, b@@y"), {{"", "a@x"}}, ERR_SYNTAX},
    {SLICE("Bob Smith"), {{0}}, ERR_SYNTAX},
    {SLICE("<bob@x> junk"), {{0}}, ERR_SYNTAX},
    {SLICE("<bob@x"), {{0}}, ERR_SYNTAX},
    {SLICE("<>"), {{0}}, ERR_SYNTAX},
    {SLICE("bob@"), {{0}}, ERR_SYNTAX},
    {SLICE("@x"), {{0}}, ERR_SYNTAX},
    {SLICE("bob@x (open"), {{0}}, ERR_SYNTAX},
    {SLICE("\"open <bob@x>"), {{0}}, ERR_SYNTAX},
    {SLICE("bob@[192.0.2.1"), {{0}}, ERR_SYNTAX},
    {SLICE("bob..smith@x"), {{0}}, ERR_SYNTAX},
    {SLICE("bob@x..y"), {{0}}, ERR_SYNTAX},
    {SLICE("\"a\0b\"@x"), {{0}}, ERR_SYNTAX},
    {SLICE("zo\xeb@x"), {{0}}, ERR_SYNTAX},
    {SLICE("a@x\0"), {{0}}, ERR_SYNTAX},
    {SLICE("Bob> <bob@x>"), {{0}}, ERR_SYNTAX},
};

static void reads_lists_of_mailboxes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        slice rest = rows[i].in;
        slice name;
        struct address a;
        enum err e;
        size_t n = 0;
        while ((e = address_list_next(&rest, &arena, &name, &a)) == ERR_OK) {
            buf b;
            buf_init(&b, 300);
            address_print(&b, a);
            if (n >= MOST || !slice_equal(buf_slice(&b), slice_str(rows[i].mailboxes[n].address)) ||
                !slice_equal(name, slice_str(rows[i].mailboxes[n].name)))
                fail_msg("%.*s: <%.*s> (%.*s)", SLICE_ARG(rows[i].in), SLICE_ARG(buf_slice(&b)), SLICE_ARG(name));
            buf_deinit(&b);
            n++;
        }
        if (e != rows[i].end || (n < MOST && rows[i].mailboxes[n].address))
            fail_msg("%.*s: %s after %zu", SLICE_ARG(rows[i].in), err_text(e), n);
        arena_deinit(&arena);
    }
}

static void bounds_what_it_reads(void **state)
{
    (void)state;
    static const struct {
        const char *before, *repeated, *after;
        unsigned times;
        enum err err;
    } long_ones[] = {
        {"a@x ", "(", "", 100000, ERR_SYNTAX}, {"a@x ", "()", "", 100000, ERR_OK},
        {"", "a", "@x", 255, ERR_OK},          {"", "a", "@x", 256, ERR_LIMIT},
        {"", "a", "@x", 100000, ERR_LIMIT},    {"\"", "a ", "\"@x", 100000, ERR_LIMIT},
        {"a@", "x.", "y", 100000, ERR_LIMIT},  {"a@[x:", "x", "]", 100000, ERR_LIMIT},
        {"", "word ", "<a@x>", 10000, ERR_OK},
    };
    for (size_t i = 0; i < sizeof(long_ones) / sizeof(long_ones[0]); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        buf b;
        buf_init(&b, 1 << 20);
        buf_append(&b, slice_str(long_ones[i].before));
        for (unsigned j = 0; j < long_ones[i].times; j++)
            buf_append(&b, slice_str(long_ones[i].repeated));
        buf_append(&b, slice_str(long_ones[i].after));
        slice rest = buf_slice(&b);
        struct address a;
        assert_int_equal(address_list_next(&rest, &arena, NULL, &a), long_ones[i].err);
        buf_deinit(&b);
        arena_deinit(&arena);
    }
}

static void the_first_mailbox_is_enough(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    slice name;
    struct address a;
    assert_int_equal(address_parse_mailbox(SLICE(" Bob <bob@x>, other@y"), &arena, &name, &a), ERR_OK);
    assert_true(slice_equal(name, SLICE("Bob")) && slice_equal(a.local, SLICE("bob")));
    assert_int_equal(address_parse_mailbox(SLICE(" , "), &arena, NULL, &a), ERR_SYNTAX);
    assert_int_equal(address_parse_mailbox(SLICE(""), &arena, NULL, &a), ERR_SYNTAX);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lists_of_mailboxes),
        cmocka_unit_test(bounds_what_it_reads),
        cmocka_unit_test(the_first_mailbox_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
