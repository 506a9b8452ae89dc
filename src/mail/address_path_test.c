/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STRICT ADDRESS_STRICT
#define BARE ADDRESS_BARE_PATH
#define ALONE ADDRESS_NO_DOMAIN
#define UTF8 ADDRESS_UTF8
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LOCAL_255 FIFTY FIFTY FIFTY FIFTY FIFTY "01234"
#define DOMAIN_253 LABEL_60 "." LABEL_60 "." LABEL_60 "." LABEL_60 ".123456789"
#define LABEL_60 TEN TEN TEN TEN TEN TEN

static const struct {
    slice in;
    unsigned rules;
    enum err err;
    slice local, domain, rest;
} rows[] = {
    {SLICE("<bob@example.org>"), STRICT, ERR_OK, SLICE("bob"), SLICE("example.org"), SLICE("")},
    {SLICE("<Bob@Example.ORG> SIZE=1"), STRICT, ERR_OK, SLICE("Bob"), SLICE("Example.ORG"), SLICE(" SIZE=1")},
    {SLICE("<a.b+c@x>"), STRICT, ERR_OK, SLICE("a.b+c"), SLICE("x"), SLICE("")},
    {SLICE("<!#$%&'*+-/=?^_`{|}~@x>"), STRICT, ERR_OK, SLICE("!#$%&'*+-/=?^_`{|}~"), SLICE("x"), SLICE("")},
    {SLICE("<-oQ/tmp@x>"), STRICT, ERR_OK, SLICE("-oQ/tmp"), SLICE("x"), SLICE("")},
    {SLICE("<|/bin/sh@x>"), STRICT, ERR_OK, SLICE("|/bin/sh"), SLICE("x"), SLICE("")},
    {SLICE("<${run{x}}@x>"), STRICT, ERR_OK, SLICE("${run{x}}"), SLICE("x"), SLICE("")},
    {SLICE("<bob@[192.0.2.1]>"), STRICT, ERR_OK, SLICE("bob"), SLICE("[192.0.2.1]"), SLICE("")},
    {SLICE("<bob@[IPv6:2001:db8::1]>"), STRICT, ERR_OK, SLICE("bob"), SLICE("[IPv6:2001:db8::1]"), SLICE("")},
    /* quoted strings: unquoted where the quotes do nothing */
    {SLICE("<\"bob\"@x>"), STRICT, ERR_OK, SLICE("bob"), SLICE("x"), SLICE("")},
    {SLICE("<\"b\\ob\"@x>"), STRICT, ERR_OK, SLICE("bob"), SLICE("x"), SLICE("")},
    {SLICE("<\"bob smith\"@x>"), STRICT, ERR_OK, SLICE("\"bob smith\""), SLICE("x"), SLICE("")},
    {SLICE("<\"a@b\"@x>"), STRICT, ERR_OK, SLICE("\"a@b\""), SLICE("x"), SLICE("")},
    {SLICE("<\"a>b\"@x>"), STRICT, ERR_OK, SLICE("\"a>b\""), SLICE("x"), SLICE("")},
    {SLICE("<\"a\\\"b\"@x>"), STRICT, ERR_OK, SLICE("\"a\\\"b\""), SLICE("x"), SLICE("")},
    {SLICE("<\"a..b\"@x>"), STRICT, ERR_OK, SLICE("\"a..b\""), SLICE("x"), SLICE("")},
    {SLICE("<\"\"@x>"), STRICT, ERR_OK, SLICE("\"\""), SLICE("x"), SLICE("")},
    {SLICE("<\"a\\\rb\"@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<\"a\tb\"@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<\"a@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<\"a\\"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<\"a\"b@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    /* source routes are dropped */
    {SLICE("<@a.example,@b.example:bob@x>"), STRICT, ERR_OK, SLICE("bob"), SLICE("x"), SLICE("")},
    {SLICE("<@a.example:bob@x> R"), STRICT, ERR_OK, SLICE("bob"), SLICE("x"), SLICE(" R")},
    {SLICE("<@a.example,b.example:bob@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<@a.example bob@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<@a.example:>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    /* rules */
    {SLICE("<>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<>"), ADDRESS_NULL, ERR_OK, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<> BODY=8BITMIME"), ADDRESS_NULL, ERR_OK, SLICE(""), SLICE(""), SLICE(" BODY=8BITMIME")},
    {SLICE(""), ADDRESS_NULL | BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<postmaster>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<postmaster>"), ALONE, ERR_OK, SLICE("postmaster"), SLICE(""), SLICE("")},
    {SLICE("<bob@>"), ALONE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("bob@x"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE(" <bob@x>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE(" <bob@x>"), BARE, ERR_OK, SLICE("bob"), SLICE("x"), SLICE("")},
    {SLICE(" \tsender@example.com"), BARE, ERR_OK, SLICE("sender"), SLICE("example.com"), SLICE("")},
    {SLICE("sender@example.com SIZE=3"), BARE, ERR_OK, SLICE("sender"), SLICE("example.com"), SLICE(" SIZE=3")},
    {SLICE("\"a b\"@x SIZE=3"), BARE, ERR_OK, SLICE("\"a b\""), SLICE("x"), SLICE(" SIZE=3")},
    {SLICE("sender@example.com>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<sender@example.com"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    /* garbage */
    {SLICE("<a@b>SIZE=1"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@b>\tSIZE=1"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<<a@b>>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("< a@b>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@b >"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a b@c>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@b@c>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<.a@b>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a.@b>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a..b@c>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<@b>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@b\0>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a\0@b>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@b\r\nRCPT TO:<c@d>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a\n@b>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@[192.0.2.1>"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<"), BARE, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    /* UTF-8 only where it is asked for, and only well-formed */
    {SLICE("<zo\xc3\xab@example.org>"), STRICT, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<zo\xc3\xab@example.org>"), UTF8, ERR_OK, SLICE("zo\xc3\xab"), SLICE("example.org"), SLICE("")},
    {SLICE("<\"zo\xc3\xab x\"@b\xc3\xbc.example>"), UTF8, ERR_OK, SLICE("\"zo\xc3\xab x\""), SLICE("b\xc3\xbc.example"),
     SLICE("")},
    {SLICE("<zo\xeb@example.org>"), UTF8, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<zo\xc2\x9b@example.org>"), UTF8, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<\"\\\xc3\xab\"@example.org>"), UTF8, ERR_SYNTAX, SLICE(""), SLICE(""), SLICE("")},
    /* limits, above those of RFC 5321 section 4.5.3.1 for the sake of VERP and SRS */
    {SLICE("<" LOCAL_255 "@x>"), STRICT, ERR_OK, SLICE(LOCAL_255), SLICE("x"), SLICE("")},
    {SLICE("<" LOCAL_255 "5@x>"), STRICT, ERR_LIMIT, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<\"" LOCAL_255 "5\"@x>"), STRICT, ERR_LIMIT, SLICE(""), SLICE(""), SLICE("")},
    {SLICE("<a@" LABEL_60 "." LABEL_60 "." LABEL_60 "." LABEL_60 ".0123456789ab>"), STRICT, ERR_LIMIT, SLICE(""),
     SLICE(""), SLICE("")},
    {SLICE("<" LOCAL_255 "@" DOMAIN_253 "f>"), STRICT, ERR_OK, SLICE(LOCAL_255), SLICE(DOMAIN_253 "f"), SLICE("")},
    {SLICE("<" LOCAL_255 "@" DOMAIN_253 "fg>"), STRICT, ERR_LIMIT, SLICE(""), SLICE(""), SLICE("")},
};

static void reads_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct address a = {SLICE("was"), SLICE("here")};
        slice rest = SLICE("before");
        enum err e = address_parse_path(rows[i].in, rows[i].rules, &arena, &a, &rest);
        if (e != rows[i].err)
            fail_msg("%.*s: %s", SLICE_ARG(rows[i].in), err_text(e));
        if (e == ERR_OK) {
            assert_true(slice_equal(a.local, rows[i].local));
            assert_true(slice_equal(a.domain, rows[i].domain));
            assert_true(slice_equal(rest, rows[i].rest));
        } else {
            assert_true(slice_equal(a.local, SLICE("was")) && slice_equal(rest, SLICE("before")));
        }
        arena_deinit(&arena);
    }
}

static void what_is_printed_is_a_path_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct address a, again;
        slice rest;
        if (address_parse_path(rows[i].in, rows[i].rules, &arena, &a, &rest) == ERR_OK) {
            buf b;
            buf_init(&b, 600);
            address_print(&b, a);
            assert_int_equal(address_parse(buf_slice(&b), rows[i].rules, &arena, &again), ERR_OK);
            assert_true(address_equal(a, again));
            buf_deinit(&b);
        }
        arena_deinit(&arena);
    }
}

static void reads_one_mailbox_and_nothing_more(void **state)
{
    (void)state;
    static const struct {
        slice in;
        unsigned rules;
        enum err err;
    } mailboxes[] = {
        {SLICE("bob@example.org"), STRICT, ERR_OK},
        {SLICE("bob"), ALONE, ERR_OK},
        {SLICE("bob"), STRICT, ERR_SYNTAX},
        {SLICE(""), ADDRESS_NULL, ERR_OK},
        {SLICE(""), STRICT, ERR_SYNTAX},
        {SLICE("<bob@example.org>"), STRICT, ERR_SYNTAX},
        {SLICE("bob@example.org "), STRICT, ERR_SYNTAX},
        {SLICE(" bob@example.org"), STRICT, ERR_SYNTAX},
        {SLICE("a@b,c@d"), STRICT, ERR_SYNTAX},
        {SLICE("a@b>"), STRICT, ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct address a;
        assert_int_equal(address_parse(mailboxes[i].in, mailboxes[i].rules, &arena, &a), mailboxes[i].err);
        arena_deinit(&arena);
    }
}

static void says_when_the_arena_is_full(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1);
    struct address a;
    slice rest;
    assert_int_equal(address_parse_path(SLICE("<\"b\\ob\"@x>"), STRICT, &arena, &a, &rest), ERR_NOMEM);
    assert_int_equal(address_parse_path(SLICE("<bob@x>"), STRICT, &arena, &a, &rest), ERR_OK);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_paths),
        cmocka_unit_test(what_is_printed_is_a_path_again),
        cmocka_unit_test(reads_one_mailbox_and_nothing_more),
        cmocka_unit_test(says_when_the_arena_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
