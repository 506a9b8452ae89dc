/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_first_line_tells_whether_there_is_a_header(void **state)
{
    (void)state;
    static const struct {
        slice content;
        enum header_first_line wanted;
    } rows[] = {
        {SLICE("Subject: x\r\n"), HEADER_FIELD},
        {SLICE("Subject : x\r\n"), HEADER_FIELD},
        {SLICE("X:"), HEADER_FIELD},
        {SLICE("\r\ntext"), HEADER_FIELD},
        {SLICE("Hello there\r\n"), HEADER_NONE},
        {SLICE(" : x\r\n"), HEADER_NONE},
        {SLICE(":x\r\n"), HEADER_NONE},
        {SLICE("Gr\xc3\xbc\xc3\x9f: x\r\n"), HEADER_NONE},
        {SLICE("Sub"), HEADER_UNDECIDED},
        {SLICE("Sub "), HEADER_UNDECIDED},
        {SLICE(""), HEADER_UNDECIDED},
        {SLICE("word\r\n"), HEADER_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(header_first_line(rows[i].content), rows[i].wanted);
}

/* Cut anywhere, a decision is never taken back. */
static void more_content_changes_no_decision(void **state)
{
    (void)state;
    static const slice lines[] = {SLICE("Subject: x\r\n"), SLICE("Hello there\r\n"), SLICE("a b: c\r\n"),
                                  SLICE("name  : v\r\n")};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        for (size_t n = 1; n < lines[i].len; n++) {
            enum header_first_line early = header_first_line(slice_sub(lines[i], 0, n));
            if (early != HEADER_UNDECIDED)
                assert_int_equal(early, header_first_line(lines[i]));
        }
}

static void trusted_mail_is_mended(void **state)
{
    (void)state;
    static const struct header_added add = {
        .from = SLICE("a@b.example"), .hostname = SLICE("mx.example"), .id = 1, .unix_s = 1795292165};
    static const struct {
        const char *content, *wanted;
    } rows[] = {
        {"From: x@y\r\nDate: now\r\nMessage-ID: <1@y>\r\n\r\nDate: text\r\n",
         "From: x@y\r\nDate: now\r\nMessage-ID: <1@y>\r\n\r\nDate: text\r\n"},
        {"bcc: s@y,\r\n t@y\r\nFrom: x@y\r\nDate: now\r\nMessage-ID: <1@y>\r\nBCC: u@y\r\n\r\n",
         "From: x@y\r\nDate: now\r\nMessage-ID: <1@y>\r\n\r\n"},
        {"Return-Path: <old@y>\r\nFrom: x@y\r\nDate: now\r\nMessage-ID: <1@y>\r\n\r\n",
         "From: x@y\r\nDate: now\r\nMessage-ID: <1@y>\r\n\r\n"},
        {"Date: now\r\nMessage-ID: <1@y>\r\nno field\r\n",
         "Date: now\r\nMessage-ID: <1@y>\r\nFrom: a@b.example\r\n\r\nno field\r\n"},
        {"From: x@y\r\nMessage-ID: <1@y>\r\n\r\n",
         "From: x@y\r\nMessage-ID: <1@y>\r\nDate: Sat, 21 Nov 2026 20:16:05 +0000\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf out;
        buf_init(&out, 4096);
        header_mend(&out, slice_str(rows[i].content), &add);
        buf_append_char(&out, 0);
        assert_string_equal(out.ptr, rows[i].wanted);
        buf_deinit(&out);
    }
}

/* RFC 6409 sections 4.2, 8.2, 8.3. */
static void an_authors_mail_is_mended_further(void **state)
{
    (void)state;
    static const struct header_added add = {.from = SLICE("a@b.example"),
                                            .hostname = SLICE("mx.example"),
                                            .origin = SLICE("b.example"),
                                            .authors = true,
                                            .id = 1,
                                            .unix_s = 1795292165};
#define OUR_DATE "Date: Sat, 21 Nov 2026 20:16:05 +0000\r\n"
#define OUR_ID "Message-ID: <1795292165.TXVQZH8B@mx.example>\r\n"
#define GOOD OUR_DATE "Message-ID: <1@y>\r\n"
    static const struct {
        const char *content, *wanted;
    } rows[] = {
        {GOOD "From: Root <root>\r\nTo: bob (Bob), x@y.example,\r\n \"b c\" , < d >, g: e;\r\ncc:f\r\n\r\nTo: g\r\n",
         GOOD "From: Root <root@b.example>\r\nTo: bob@b.example (Bob), x@y.example,\r\n \"b c\"@b.example , < "
              "d@b.example >, "
              "g: e@b.example;\r\ncc:f@b.example\r\n\r\nTo: g\r\n"},
        /* of several authors, a bare one is half of a name that lacks its quotes */
        {GOOD "From: Doe, John <jd@y.example>\r\nReply-To: doe\r\n\r\n",
         GOOD "From: Doe, John <jd@y.example>\r\nReply-To: doe@b.example\r\n\r\n"},
        {GOOD "Resent-From: Doe, John <jd@y.example>\r\nFrom: doe\r\n\r\n",
         GOOD "Resent-From: Doe, John <jd@y.example>\r\nFrom: doe@b.example\r\n\r\n"},
        /* what cannot be read stays, but for what came before it */
        {GOOD "From: x@y\r\nTo: a, b c, d\r\nSubject: e\r\n\r\n",
         GOOD "From: x@y\r\nTo: a@b.example, b c, d\r\nSubject: e\r\n\r\n"},
        {GOOD "From: x@y\r\nTo: undisclosed-recipients:;\r\nCc:\r\n\r\n",
         GOOD "From: x@y\r\nTo: undisclosed-recipients:;\r\nCc:\r\n\r\n"},
        {"Message-ID: <1@y>\r\nDate: now\r\nFrom: x@y\r\n\r\n", "Message-ID: <1@y>\r\nFrom: x@y\r\n" OUR_DATE "\r\n"},
        {OUR_DATE "Message-ID: 1@y\r\nFrom: x@y\r\n\r\n", OUR_DATE "From: x@y\r\n" OUR_ID "\r\n"},
        {OUR_DATE "Message-ID: <1>\r\nFrom: x@y\r\n\r\n", OUR_DATE "From: x@y\r\n" OUR_ID "\r\n"},
        {OUR_DATE "Message-ID: <1 2@y>\r\nFrom: x@y\r\n\r\n", OUR_DATE "From: x@y\r\n" OUR_ID "\r\n"},
        {OUR_DATE "Message-ID: (c) <1@y>\r\nFrom: x@y\r\n\r\n", OUR_DATE "Message-ID: (c) <1@y>\r\nFrom: x@y\r\n\r\n"},
        {OUR_DATE "Message-ID:\r\n <1@[y]> (c)\r\nFrom: x@y\r\n\r\n",
         OUR_DATE "Message-ID:\r\n <1@[y]> (c)\r\nFrom: x@y\r\n\r\n"},
        /* what is signed stays as it is */
        {"DKIM-Signature: v=1\r\nDate: now\r\nMessage-ID: 1\r\nFrom: x\r\n\r\n",
         "DKIM-Signature: v=1\r\nDate: now\r\nMessage-ID: 1\r\nFrom: x\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf out;
        buf_init(&out, 4096);
        header_mend(&out, slice_str(rows[i].content), &add);
        buf_append_char(&out, 0);
        assert_string_equal(out.ptr, rows[i].wanted);
        buf_deinit(&out);
    }
}

static void the_end_of_a_header_is_found_across_pieces(void **state)
{
    (void)state;
    slice content = SLICE("A: b\r\n\r\ntext");
    assert_false(header_has_end(slice_sub(content, 0, 7), 0));
    assert_true(header_has_end(slice_sub(content, 0, 8), 7));
    assert_true(header_has_end(SLICE("\r\ntext"), 0));
    assert_false(header_has_end(SLICE("A: b\r\n"), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_tells_whether_there_is_a_header),
        cmocka_unit_test(more_content_changes_no_decision),
        cmocka_unit_test(trusted_mail_is_mended),
        cmocka_unit_test(an_authors_mail_is_mended_further),
        cmocka_unit_test(the_end_of_a_header_is_found_across_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
