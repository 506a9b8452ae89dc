/* SPDX-License-Identifier: ISC */
/* What a client must make of replies that are legal and unusual (RFC 5321 sections 4.2 and 4.5.3), and how long it waits for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/talk_test.h"

#pragma GCC diagnostic ignored "-Wmissing-braces" /* gcc 12 wants them around compound literals */

#define EHLO "EHLO us.example\r\n"
#define BEGIN "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
#define BODY "DATA\r\nhello\r\n.\r\n"
#define QUIT "QUIT\r\n"
#define LONG_TEXT                                                                                                      \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"

static const struct talk_message hello = {SLICE("a@b"), {SLICE("c@d")}, SLICE("hello\r\n"), 0, 0, false};

static void s1_client_reads_unusual_replies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *said[8];
        const char *wire, *log;
    } rows[] = {
        {"codes alone, with and without a space",
         {"220\r\n", "250 \r\n", "250\r\n", "250\r\n", "354\r\n", "250\r\n", "221\r\n"},
         EHLO BEGIN BODY QUIT,
         "rcpt 0 they: 250\ndone\nclosed\n"},
        {"lines of many lines alone",
         {"220-\r\n220\r\n", "250-mx\r\n250-\r\n250\r\n", "250-a\r\n250 b\r\n", "250-\r\n250-\r\n250\r\n",
          "354-go\r\n354 on\r\n", "250-2.0.0 a\r\n250 2.0.0 b\r\n", "221\r\n"},
         EHLO BEGIN BODY QUIT,
         "rcpt 0 they: 250 2.0.0 a b\ndone\nclosed\n"},
        {"codes that nobody knows count by their first digit",
         {"299 mx\r\n", "260 mx\r\n", "201 ok\r\n", "277 ok\r\n", "354 go\r\n", "288 taken\r\n", "299 bye\r\n"},
         EHLO BEGIN BODY QUIT,
         "rcpt 0 they: 288 taken\ndone\nclosed\n"},
        {"so does a temporary one",
         {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "499 hm\r\n", "250 ok\r\n", "221 bye\r\n"},
         EHLO BEGIN "RSET\r\n" QUIT,
         "rcpt 0 they: 499 hm\ndone\nclosed\n"},
        {"and a permanent one",
         {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "599 hm\r\n", "250 ok\r\n", "221 bye\r\n"},
         EHLO BEGIN "RSET\r\n" QUIT,
         "rcpt 0 they: 599 hm\ndone\nclosed\n"},
        {"a line of 512 octets",
         {"220 " LONG_TEXT "\r\n", "250-mx\r\n250 " LONG_TEXT "\r\n", "250 " LONG_TEXT "\r\n", "250 ok\r\n",
          "354 " LONG_TEXT "\r\n", "250 ok\r\n", "221 bye\r\n"},
         EHLO BEGIN BODY QUIT,
         "rcpt 0 they: 250 ok\ndone\nclosed\n"},
        {"the text says nothing: only the code does",
         {"220 554 no\r\n", "250 mx\r\n", "250 550 no such sender\r\n", "250 5.1.1 no such user\r\n",
          "354 250 queued\r\n", "250 550 refused\r\n", "221 bye\r\n"},
         EHLO BEGIN BODY QUIT,
         "rcpt 0 they: 250 550 refused\ndone\nclosed\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk t = {0};
        talk_open(&t, &(struct smtp_client_options){0}, &hello, 1);
        for (size_t k = 0; k < 8 && rows[i].said[k]; k++)
            talk_read(&t, slice_str(rows[i].said[k]));
        smtp_client_lost(t.client, ERR_CLOSED);
        talk_events(&t);
        if (!slice_equal(buf_slice(&t.wire), slice_str(rows[i].wire)) ||
            !slice_equal(buf_slice(&t.log), slice_str(rows[i].log)))
            fail_msg("%s: sent\n%.*sand told\n%.*s", rows[i].name, SLICE_ARG(buf_slice(&t.wire)),
                     SLICE_ARG(buf_slice(&t.log)));
        talk_close(&t);
    }
}

/* RFC 6531 section 3.1: parameters of the keyword mean nothing. */
static void e6_client_ignores_parameters_of_smtputf8(void **state)
{
    (void)state;
    static const struct talk_message utf8 = {SLICE("\xc3\xa9@b"), {SLICE("c@d")}, SLICE("hello\r\n"), 0, 0, false};
    static const char *const said[] = {"220 mx\r\n", "250-mx\r\n250-8BITMIME x\r\n250 SMTPUTF8 a=1 b\r\n",
                                       "250 ok\r\n", "250 ok\r\n",
                                       "354 go\r\n", "250 ok\r\n",
                                       "221 bye\r\n"};
    struct talk t = {0};
    talk_open(&t, &(struct smtp_client_options){0}, &utf8, 1);
    for (size_t k = 0; k < sizeof said / sizeof said[0]; k++)
        talk_read(&t, slice_str(said[k]));
    assert_true(slice_starts(buf_slice(&t.wire), SLICE(EHLO "MAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\nRCPT TO:<c@d>\r\n")));
    talk_close(&t);
}

/* RFC 8689 section 5: a report of REQUIRETLS mail goes with it where that is promised, else without; other mail does not. */
static void e9_client_a_report_goes_without_requiretls(void **state)
{
    (void)state;
    static const struct talk_message messages[] = {
        {SLICE(""), {SLICE("c@d")}, SLICE("hello\r\n"), ENVELOPE_REQUIRETLS | ENVELOPE_BOUNCE, 0, false},
        {SLICE("a@b"), {SLICE("c@d")}, SLICE("hello\r\n"), ENVELOPE_REQUIRETLS, 0, false},
    };
    static const char *const offers[] = {"250 mx\r\n", "250-mx\r\n250 REQUIRETLS\r\n"};
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < 2; i++) {
            struct talk t = {0};
            talk_open(&t, &(struct smtp_client_options){.implicit_tls = true}, &messages[m], 1);
            talk_read(&t, SLICE("220 mx\r\n"));
            talk_read(&t, slice_str(offers[i]));
            bool said = slice_find(buf_slice(&t.wire), SLICE("> REQUIRETLS\r\n")) > 0;
            bool sent = slice_find(buf_slice(&t.wire), SLICE("MAIL FROM:<")) > 0;
            assert_int_equal(said, i == 1);
            assert_int_equal(sent, m == 0 || i == 1);
            talk_close(&t);
        }
    }
}

/* RFC 5321 section 4.5.3.2, and a session that waits for content of ours has no deadline but the host's for a block. */
static void s1_client_waits_as_long_as_it_must(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        int64_t least_ms;
    } rows[] = {
        {"", 300000},           /* the greeting */
        {"220 mx\r\n", 300000}, /* EHLO, which the standard leaves open */
        {"250 mx\r\n", 300000}, /* MAIL */
        {"250 ok\r\n", 300000}, /* RCPT */
        {"250 ok\r\n", 120000}, /* DATA */
        {"354 go\r\n", 600000}, /* the end of data */
    };
    struct talk t = {0};
    talk_open(&t, &(struct smtp_client_options){0}, &hello, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.now += 1000;
        if (rows[i].said[0])
            talk_read(&t, slice_str(rows[i].said));
        else
            t.now = 0;
        if (smtp_client_deadline(t.client) - t.now < rows[i].least_ms)
            fail_msg("after \"%s\": %lld ms", rows[i].said, (long long)(smtp_client_deadline(t.client) - t.now));
    }
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s1_client_reads_unusual_replies),
        cmocka_unit_test(e6_client_ignores_parameters_of_smtputf8),
        cmocka_unit_test(e9_client_a_report_goes_without_requiretls),
        cmocka_unit_test(s1_client_waits_as_long_as_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
