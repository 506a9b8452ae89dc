/* SPDX-License-Identifier: ISC */
#include "cmd/compose.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DATE "Date: Sat, 21 Nov 2026 18:08:35 +0100\r\n"
#define ID "Message-ID: <1.2@mail.example.org>\r\n"
#define FROM "From: bob@example.org\r\n"
#define TO "To: alice@example.org,\r\n zoe@example.org\r\n"

static void messages(void **state)
{
    static const struct {
        const char *subject, *text, *wanted;
    } rows[] = {
        /* bodies */
        {"", "hello\nworld\n", FROM TO DATE ID "\r\nhello\r\nworld\r\n"},
        {"Hi", "first\n.\nlast\n", FROM TO "Subject: Hi\r\n" DATE ID "\r\nfirst\r\n.\r\nlast\r\n"},
        {"", "no end", FROM TO DATE ID "\r\nno end\r\n"},
        {"", "already\r\nCRLF\r\n", FROM TO DATE ID "\r\nalready\r\nCRLF\r\n"},
        {"", "", FROM TO DATE ID "\r\n"},
        {"", "\nbelow an empty line\n", FROM TO DATE ID "\r\n\r\nbelow an empty line\r\n"},
        {"", "Note: this is no header\nbut a text\n", FROM TO DATE ID "\r\nNote: this is no header\r\nbut a text\r\n"},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "\xc3\xa9\n",
         FROM TO "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n" DATE ID "MIME-Version: 1.0\r\n"
                 "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n"},
        /* headers */
        {"Ignored", "From: x@y.example\nTo: all\nSubject: In the file\n\nhello\n",
         DATE ID "From: x@y.example\r\nTo: all\r\nSubject: In the file\r\n\r\nhello\r\n"},
        {"", "subject: folded\n more\n\nhello\n", FROM TO DATE ID "subject: folded\r\n more\r\n\r\nhello\r\n"},
        {"", "Cc: c@d.example\nDate: now\nmessage-id: <a@b>\n\nx\n",
         FROM "Cc: c@d.example\r\nDate: now\r\nmessage-id: <a@b>\r\n\r\nx\r\n"},
        {"", "Subject: a header alone\n", FROM TO DATE ID "Subject: a header alone\r\n\r\n"},
    };
    static const slice to[] = {{"alice@example.org", 17}, {"zoe@example.org", 15}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compose c = {SLICE("bob@example.org"),      to,         2, slice_str(rows[i].subject),
                            SLICE("1.2@mail.example.org"), 1795280915, 60};
        buf out;
        buf_init(&out, 1u << 16);
        compose_message(&out, &c, slice_str(rows[i].text));
        assert_true(buf_ok(&out));
        buf_append_char(&out, 0);
        assert_string_equal(out.ptr, rows[i].wanted);
        buf_deinit(&out);
    }
}

/* Encoded-words are at most 75 characters and never end inside a character (RFC 2047 sections 2 and 5). */
static void long_subjects_are_divided(void **state)
{
    static const slice to[] = {{"a@b", 3}};
    char subject[300];
    struct compose c = {.from = SLICE("c@d"), .to = to, .to_count = 1, .message_id = SLICE("e@f")};
    struct header_field field;
    buf out, back;
    slice word, rest;
    (void)state;
    for (size_t i = 0; i < sizeof subject; i += 3)
        memcpy(subject + i, "\xe2\x82\xac", 3);
    c.subject = slice_of(subject, sizeof subject);
    buf_init(&out, 1u << 16);
    buf_init(&back, 1u << 16);
    compose_message(&out, &c, SLICE("x\n"));
    assert_true(header_find(buf_slice(&out), SLICE("Subject"), &field));
    rest = field.value;
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &word, &rest);
        word = slice_trim(word);
        assert_in_range(word.len, 13, 75);
        slice base64 = slice_sub(word, 10, word.len - 2);
        size_t before = back.len;
        assert_int_equal(buf_append_base64_decoded(&back, base64), ERR_OK);
        assert_int_equal((back.len - before) % 3, 0);
    }
    assert_true(slice_equal(buf_slice(&back), c.subject));
    buf_deinit(&out);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages), cmocka_unit_test(long_subjects_are_divided)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
