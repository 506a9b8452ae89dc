/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void where_a_header_ends(void **state)
{
    static const struct {
        const char *content;
        bool whole, found;
        size_t len;
    } rows[] = {
        {"To: a\r\n\r\nbody\r\n", false, true, 9},
        {"To: a\r\n b\r\n\tc\r\n\r\n", false, true, 17},
        {"\r\nbody\r\n", false, true, 2},
        {"hello\r\n", false, true, 0},
        {" hello\r\n", false, true, 0},
        {"To: a\r\nno field\r\n", false, true, 7}, /* a body without an empty line in front */
        {"From alice Sat Nov 21\r\n>From bob\r\nTo: a\r\n\r\n", false, true, 43},
        {"To: a\r\n", false, false, 0},
        {"To: a\r\n", true, true, 7},
        {"To: a\r\nCc:", false, false, 0},
        {"", false, false, 0},
        {"", true, true, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = 0;
        assert_int_equal(sendmail_header_find(slice_str(rows[i].content), rows[i].whole, &len), rows[i].found);
        if (rows[i].found)
            assert_int_equal(len, rows[i].len);
    }
}

static void a_long_first_line_is_a_body(void **state)
{
    static char line[5000];
    size_t len = 1;
    (void)state;
    memset(line, 'a', sizeof line);
    assert_true(sendmail_header_find(slice_of(line, sizeof line), false, &len));
    assert_int_equal(len, 0);
    line[20] = ':';
    assert_false(sendmail_header_find(slice_of(line, sizeof line), false, &len));
}

static void print(const struct sendmail_recipients *r, char *out, size_t size)
{
    out[0] = 0;
    for (size_t i = 0; i < r->count; i++)
        (void)snprintf(out + strlen(out), size - strlen(out), "%s%.*s", i > 0 ? " " : "", SLICE_ARG(r->list[i]));
}

static void whom_a_header_names(void **state)
{
    static const struct {
        const char *header, *wanted; /* NULL: an error */
    } rows[] = {
        {"To: a@b.example\r\n", "a@b.example"},
        {"TO: a@b.example,\r\n  c@d.example\r\ncc: e@f.example\r\nBcc: g@h.example\r\n",
         "a@b.example c@d.example e@f.example g@h.example"},
        {"From: x@y.example\r\nReply-To: z@y.example\r\nSubject: To: q@r.example\r\nTo: alice\r\n",
         "alice@origin.example"},
        {"To: a@b.example\r\nCc: a@b.example, A@b.example\r\n", "a@b.example A@b.example"},
        {"To: Friends: a@b.example, \"C, D\" <c@d.example>;, e@f.example\r\n", "a@b.example c@d.example e@f.example"},
        {"To: undisclosed-recipients:;\r\nBcc: a@b.example\r\n", "a@b.example"},
        {"To: (not x@y.example) a@b.example (nor\r\n z@y.example)\r\n", "a@b.example"},
        {"To: =?utf-8?Q?J=C3=BCrgen=2C?= <j@b.example>\r\n", "j@b.example"},
        {"To: J\xc3\xbcrgen <j\xc3\xbc@b.example>\r\n", "j\xc3\xbc@b.example"},
        {"To: \"a b\"@c.example, <@x,@y:d@e.example>\r\n", "\"a b\"@c.example d@e.example"},
        {"To: a@b.example; c@d.example,\r\n", "a@b.example c@d.example"},
        /* what programs write though it is wrong */
        {"To: a@b.example <a@b.example>, Sales [EU] <s@b.example>\r\n", "a@b.example s@b.example"},
        {"To: a@b <c@d.example> e\r\n", NULL},
        {"To: two words\r\n", NULL},
        {"To: \"no end\r\n", NULL},
        {"To: <a@b.example\r\n", NULL},
        {"To: a@-.example\r\n", NULL},
        /* sent again: only to those */
        {"To: a@b.example\r\nResent-To: c@d.example\r\nResent-Bcc: e@f.example\r\nCc: g@h.example\r\n",
         "c@d.example e@f.example"},
        {"Resent-From: x@y.example\r\nTo: a@b.example\r\n", "a@b.example"},
        {"From alice Sat Nov 21\r\nTo: a@b.example\r\n", "a@b.example"},
        {"Subject: nobody\r\n", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        char out[512];
        arena_init(&arena, 1u << 20);
        struct sendmail_recipients r = {.arena = &arena, .origin = SLICE("origin.example")};
        enum err e = sendmail_recipients_add_header(&r, slice_str(rows[i].header));
        assert_int_equal(e, rows[i].wanted ? ERR_OK : ERR_SYNTAX);
        if (rows[i].wanted) {
            print(&r, out, sizeof out);
            assert_string_equal(out, rows[i].wanted);
        } else {
            assert_true(r.bad.len > 0);
        }
        arena_deinit(&arena);
    }
}

static void recipients_have_a_limit(void **state)
{
    struct arena arena;
    char address[32];
    enum err e = ERR_OK;
    (void)state;
    arena_init(&arena, 8u << 20);
    struct sendmail_recipients r = {.arena = &arena, .origin = SLICE("origin.example")};
    for (unsigned i = 0; i <= SENDMAIL_RECIPIENTS_MAX && e == ERR_OK; i++) {
        (void)snprintf(address, sizeof address, "u%u@b.example", i);
        e = sendmail_recipients_add(&r, slice_str(address));
    }
    assert_int_equal(e, ERR_LIMIT);
    assert_int_equal(r.count, SENDMAIL_RECIPIENTS_MAX);
    arena_deinit(&arena);
}

static void senders(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"a@b.example", "a@b.example"},
        {"alice", "alice@origin.example"},
        {"<a@b.example>", "a@b.example"},
        {"Alice <a@b.example>", "a@b.example"},
        {"a@b.example (Alice)", "a@b.example"},
        {"", ""},
        {" ", ""},
        {"<>", ""},
        {"a@b.example, c@d.example", NULL},
        {"a@b.example c", NULL},
        {"a b", NULL},
        {"a@b.example>\r\nRCPT TO:<x@y.example", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        slice sender = SLICE("unset");
        arena_init(&arena, 1u << 16);
        enum err e = sendmail_sender_read(&arena, slice_str(rows[i].text), SLICE("origin.example"), &sender);
        assert_int_equal(e, rows[i].wanted ? ERR_OK : ERR_SYNTAX);
        if (rows[i].wanted)
            assert_true(slice_equal(sender, slice_str(rows[i].wanted)));
        arena_deinit(&arena);
    }
}

#define DATE "Date: Sat, 21 Nov 2026 20:08:35 +0100\r\n"
#define ID "Message-ID: <1.2@mail.example.org>\r\n"

static void what_is_added_and_taken_out(void **state)
{
    static const struct {
        const char *name, *header, *wanted;
    } rows[] = {
        {"Carol", "", "From: Carol <c@example.org>\r\n" DATE ID "\r\n"},
        {"", "To: a\r\n\r\n", "To: a\r\nFrom: c@example.org\r\n" DATE ID "\r\n"},
        {"Carol", "from: x\r\ndate: y\r\nmessage-id: z\r\n", "from: x\r\ndate: y\r\nmessage-id: z\r\n\r\n"},
        {"", "Bcc: a,\r\n b\r\nFrom: x\r\nDate: y\r\nRESENT-BCC: c\r\nMessage-ID: z\r\nBcc:\r\n",
         "From: x\r\nDate: y\r\nMessage-ID: z\r\n\r\n"},
        {"", "From x Sat\r\nFrom: x\r\nDate: y\r\nMessage-ID: z\r\n\r\n",
         "From: x\r\nDate: y\r\nMessage-ID: z\r\n\r\n"},
        {"John Q. Public", "", "From: \"John Q. Public\" <c@example.org>\r\n" DATE ID "\r\n"},
        {"a \"b\" \\c", "", "From: \"a \\\"b\\\" \\\\c\" <c@example.org>\r\n" DATE ID "\r\n"},
        {"\xc3\x84", "", "From: =?utf-8?B?w4Q=?= <c@example.org>\r\n" DATE ID "\r\n"},
        {"x\r\nBcc: y", "", "From: \"x  Bcc: y\" <c@example.org>\r\n" DATE ID "\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sendmail_header_add add = {slice_str(rows[i].name), SLICE("c@example.org"),
                                          SLICE("1.2@mail.example.org"), 1795288115, 60};
        buf out;
        buf_init(&out, 1u << 16);
        sendmail_header_mend(&out, slice_str(rows[i].header), &add);
        buf_append_char(&out, 0);
        assert_true(buf_ok(&out));
        assert_string_equal(out.ptr, rows[i].wanted);
        buf_deinit(&out);
    }
}

static void full_names(void **state)
{
    static const struct {
        const char *gecos, *wanted;
    } rows[] = {{"Carol Example,Room 1,,", "Carol Example"}, {"& the Great", "Carol the Great"}, {"", ""}, {",x", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf out;
        buf_init(&out, 256);
        sendmail_full_name(&out, slice_str(rows[i].gecos), SLICE("carol"));
        assert_true(slice_equal(buf_slice(&out), slice_str(rows[i].wanted)));
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_header_ends),
        cmocka_unit_test(a_long_first_line_is_a_body),
        cmocka_unit_test(whom_a_header_names),
        cmocka_unit_test(recipients_have_a_limit),
        cmocka_unit_test(senders),
        cmocka_unit_test(what_is_added_and_taken_out),
        cmocka_unit_test(full_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
