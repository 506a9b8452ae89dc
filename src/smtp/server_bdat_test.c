/* SPDX-License-Identifier: ISC */
/* CHUNKING and BINARYMIME (RFC 3030), the server's side. */
#include "smtp/server.h"

#include "smtp/rows_test.h"

#define OCTETS(n) "250 2.0.0 " n " octets received\r\n"
#define MAIL_BINARY "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<c@d.example>\r\n"
#define SYNTAX "501 5.5.4 Syntax: BDAT size [LAST]\r\n"
#define NEED_MAIL "503 5.5.1 Need MAIL command first\r\n"
#define NEED_RCPT "503 5.5.1 Need RCPT command first\r\n"
#define FAILED "503 5.5.1 The message has failed already, send RSET\r\n"
#define TOO_BIG "552 5.3.4 Message too big\r\n"
#define NOTHING_VALID "554 5.5.1 No valid recipients\r\n"
#define OK "250 2.0.0 Ok\r\n"
#define EVENTS "event HELO c \nevent MAIL a@b.example \nevent RCPT c@d.example \n"

static void e4_server_messages_in_chunks(void **state)
{
    (void)state;
    struct row rows[] = {
        {"one chunk", DEFAULTS, SLICE("HELO c\r\n" BEGIN "BDAT 8 LAST\r\nhello!\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN QUEUED OK), NULL, SLICE(EVENTS "event DATA chunks \nevent BODY hello!\\x0d\\x0a \n")},
        {"some, the last empty", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 4\r\nhellBDAT 4\r\no!\r\nBDAT 0 LAST\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("4") OCTETS("4") QUEUED OK), NULL,
         SLICE(EVENTS "event DATA chunks \nevent BODY hello!\\x0d\\x0a \n")},
        {"nothing at all", DEFAULTS, SLICE("HELO c\r\n" BEGIN "BDAT 0 LAST\r\nNOOP\r\n"), SLICE(HELLO BEGUN QUEUED OK),
         NULL, SLICE(EVENTS "event DATA chunks \nevent BODY  \n")},
        {"an empty one first", DEFAULTS, SLICE("HELO c\r\n" BEGIN "BDAT 0\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("0") QUEUED OK), NULL, SLICE(EVENTS "event DATA chunks \nevent BODY \\x0d\\x0a \n")},
        {"dots are nothing special", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 15 LAST\r\n.\r\n..\r\n\r\n.\r\nx\r\nNOOP\r\n"), SLICE(HELLO BEGUN QUEUED OK),
         NULL,
         SLICE(EVENTS "event DATA chunks \nevent BODY .\\x0d\\x0a..\\x0d\\x0a\\x0d\\x0a.\\x0d\\x0ax\\x0d\\x0a \n")},
        {"spaces and case", DEFAULTS, SLICE("HELO c\r\n" BEGIN "bdat  02   last \r\n\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN QUEUED OK), NULL},
        {"NOOP and RSET between", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 4\r\nhellNOOP\r\nRSET\r\n" BEGIN "BDAT 3 LAST\r\nx\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("4") OK "250 2.0.0 Reset state\r\n" BEGUN QUEUED OK), NULL,
         SLICE(EVENTS "event DATA chunks \nevent RESET  \nevent MAIL a@b.example \nevent RCPT c@d.example \n"
                      "event DATA chunks \nevent BODY x\\x0d\\x0a \n")},
        {"HELO between is RSET", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 4\r\nhellHELO c\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("4") HELLO NEED_MAIL OK), NULL},
        {"two messages", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 2 LAST\r\n\r\n" BEGIN "DATA\r\n.\r\n" BEGIN "BDAT 2 LAST\r\n\r\n"),
         SLICE(HELLO BEGUN QUEUED BEGUN GO_AHEAD QUEUED BEGUN QUEUED), NULL},
    };
    RUN(rows);
}

/* The octets of a chunk are never commands, whatever is wrong with it. */
static void e4_server_refused_chunks_are_swallowed(void **state)
{
    (void)state;
    struct row rows[] = {
        {"before HELO", DEFAULTS, SLICE("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
         SLICE("503 5.5.1 Send HELO or EHLO first\r\n" OK), NULL},
        {"before MAIL", DEFAULTS, SLICE("HELO c\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
         SLICE(HELLO NEED_MAIL NEED_MAIL OK), NULL},
        {"before RCPT", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nBDAT 6\r\nQUIT\r\nRCPT TO:<c@d.example>\r\nBDAT 6 "
               "LAST\r\nQUIT\r\n" BEGIN "BDAT 2 LAST\r\n\r\n"),
         SLICE(HELLO SENDER NEED_RCPT NEED_MAIL FAILED BEGUN QUEUED), NULL},
        {"after refused recipients", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bad@d.example>\r\nBDAT 6 LAST\r\nQUIT\r\nBDAT 6 "
               "LAST\r\nQUIT\r\n"
               "RSET\r\nBDAT 6 LAST\r\nQUIT\r\n"),
         SLICE(HELLO SENDER "550 5.1.1 User unknown\r\n" NOTHING_VALID FAILED "250 2.0.0 Reset state\r\n" NEED_MAIL),
         NULL},
        {"refused by the caller", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<nodata@d.example>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 "
               "LAST\r\nQUIT\r\n" BEGIN "BDAT 2 LAST\r\n\r\n"),
         SLICE(HELLO SENDER
               "250 2.1.5 <nodata@d.example>... Recipient ok\r\n452 4.3.1 Queue is busy, try again later\r\n" FAILED
                   BEGUN QUEUED),
         NULL,
         SLICE("event HELO c \nevent MAIL a@b.example \nevent RCPT nodata@d.example \nevent DATA chunks \n"
               "event MAIL a@b.example \nevent RCPT c@d.example \nevent DATA chunks \nevent BODY \\x0d\\x0a \n")},
        {"the message refused", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 11 LAST\r\nrefuse me\r\n" BEGIN "BDAT 2 LAST\r\n\r\n"),
         SLICE(HELLO BEGUN "554 5.0.0 Transaction failed\r\n" BEGUN QUEUED), NULL},
        {"no chunk of a message that has failed is one more error", OPTIONS(.max_errors = 2),
         SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nBDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nxBDAT 1 LAST\r\nxNOOP\r\n"),
         SLICE(HELLO SENDER NEED_RCPT FAILED FAILED FAILED OK), NULL},
    };
    RUN(rows);
}

/* Hostile: BDAT with a wrapped, negative, 26-digit or malformed size */
static void threat_bdat_with_a_bad_size(void **state)
{
    (void)state;
    static const char *const sizes[] = {"",
                                        " -1",
                                        " +1",
                                        " 18446744073709551616",
                                        " 18446744073709551617 LAST",
                                        " 9223372036854775808",
                                        " 00000000000000000000000002",
                                        " 99999999999999999999999999",
                                        " 0x2",
                                        " 1e3",
                                        " LAST",
                                        " 2 LASTS",
                                        " 2 LAST LAST",
                                        " 2,LAST",
                                        " 2\tLAST",
                                        " 2 \x80"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[300];
        bool control = strpbrk(sizes[i], "\t\x80") != NULL;
        int len = snprintf(text, sizeof text, "HELO c\r\n" BEGIN "BDAT%s\r\nRSET\r\n" BEGIN, sizes[i]);
        struct row row = {sizes[i],
                          DEFAULTS,
                          slice_of(text, (size_t)len),
                          control ? SLICE(HELLO BEGUN "501 5.5.4 Control or 8-bit characters in the command\r\n")
                                  : SLICE(HELLO BEGUN SYNTAX),
                          "BDAT without a size",
                          SLICE(EVENTS "event RESET  \nevent CLOSE BDAT without a size \n")};
        row_run(&row);
    }
    struct row rows[] = {
        {"before MAIL", DEFAULTS, SLICE("HELO c\r\nBDAT x\r\nNOOP\r\n"), SLICE(HELLO SYNTAX), "BDAT without a size"},
        {"in the middle of a message", DEFAULTS, SLICE("HELO c\r\n" BEGIN "BDAT 2\r\n\r\nBDAT x\r\nQUIT\r\nDATA\r\n"),
         SLICE(HELLO BEGUN OCTETS("2") SYNTAX), "BDAT without a size",
         SLICE(EVENTS "event DATA chunks \nevent RESET  \nevent CLOSE BDAT without a size \n")},
        {"beyond any line", OPTIONS(.max_line = 40),
         SLICE("HELO c\r\n" BEGIN "bdat 6                                        LAST\r\nQUIT\r\n"),
         SLICE(HELLO BEGUN "500 5.5.6 Line too long\r\n"), "BDAT without a size",
         SLICE(EVENTS "event RESET  \nevent CLOSE BDAT without a size \n")},
    };
    RUN(rows);
}

static void e4_server_the_size_limit_holds_over_all_chunks(void **state)
{
    (void)state;
    struct smtp_server_options o = {.max_size = 10};
    struct row rows[] = {
        {"just so", o, SLICE("HELO c\r\n" BEGIN "BDAT 6\r\n1234\r\nBDAT 4 LAST\r\n56\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("6") QUEUED OK), NULL},
        {"one too many", o,
         SLICE("HELO c\r\n" BEGIN "BDAT 6\r\n1234\r\nBDAT 5\r\nQUIT\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("6") TOO_BIG FAILED OK), NULL,
         SLICE(EVENTS "event DATA chunks \nevent REFUSED Message too big \nevent RESET  \n")},
        {"at once", o, SLICE("HELO c\r\n" BEGIN "BDAT 12 LAST\r\nQUIT\r\nQUIT\r\n" BEGIN "BDAT 2 LAST\r\n\r\n"),
         SLICE(HELLO BEGUN TOO_BIG BEGUN QUEUED), NULL},
        {"only once mended", o, SLICE("HELO c\r\n" BEGIN "BDAT 6\r\n\n\n\n\n\n\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN TOO_BIG FAILED OK), NULL},
        {"only with the end of its last line", o, SLICE("HELO c\r\n" BEGIN "BDAT 9 LAST\r\n123456789NOOP\r\n"),
         SLICE(HELLO BEGUN TOO_BIG OK), NULL},
        {"huge", o, SLICE("HELO c\r\n" BEGIN "BDAT 9223372036854775807\r\nQUIT\r\nNOOP\r\n"), SLICE(HELLO BEGUN), NULL},
        {"no limit, and then one more that would wrap", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 2\r\n\r\nBDAT 9223372036854775807 LAST\r\nQUIT\r\n"),
         SLICE(HELLO BEGUN OCTETS("2")), NULL},
        {"hops", OPTIONS(.hops = 1),
         SLICE("HELO c\r\n" BEGIN "BDAT 8\r\nReceivedBDAT 17 LAST\r\n: 1\r\nReceived: \r\nNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("8") "554 5.4.6 Too many hops\r\n" OK), NULL},
    };
    RUN(rows);
}

static void g1_server_bare_newlines_in_chunks(void **state)
{
    (void)state;
    struct row rows[] = {
        {"mended, over the border of chunks too", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "BDAT 3\r\na\nbBDAT 2\r\nc\rBDAT 3\r\n\nd\rBDAT 2 LAST\r\ne\rNOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("3") OCTETS("2") OCTETS("3") QUEUED OK), NULL,
         SLICE(EVENTS "event DATA chunks \nevent BODY a\\x0d\\x0abc\\x0d\\x0ad e \\x0d\\x0a \n")},
        {"refused; where the message ends is clear all the same", OPTIONS(.bare_newline_reject = true),
         SLICE("HELO c\r\n" BEGIN "BDAT 3\r\na\nbBDAT 6 LAST\r\nQUIT\r\n" BEGIN "BDAT 1 LAST\r\n\r" BEGIN
               "BDAT 2 LAST\r\n\r\n"),
         SLICE(HELLO BEGUN "550 5.6.0 Bare CR or LF in the message\r\n" FAILED BEGUN
                           "550 5.6.0 Bare CR or LF in the message\r\n" BEGUN QUEUED),
         NULL},
        {"a last line without an end gets one", OPTIONS(.bare_newline_reject = true),
         SLICE("HELO c\r\n" BEGIN "BDAT 1 LAST\r\nxNOOP\r\n"), SLICE(HELLO BEGUN QUEUED OK), NULL,
         SLICE(EVENTS "event DATA chunks \nevent BODY x\\x0d\\x0a \n")},
    };
    RUN(rows);
}

static void e5_server_binary_content_stays_as_it_is(void **state)
{
    (void)state;
    struct row rows[] = {
        {"every octet", OPTIONS(.bare_newline_reject = true),
         SLICE("HELO c\r\n" MAIL_BINARY "BDAT 6\r\n\n\r\0\xff.\rBDAT 4 LAST\r\n\n\n\r.NOOP\r\n"),
         SLICE(HELLO BEGUN OCTETS("6") QUEUED OK), NULL,
         SLICE("event HELO c \nevent MAIL a@b.example binary\nevent RCPT c@d.example \nevent DATA chunks \n"
               "event BODY \\x0a\\x0d\\x00\\xff.\\x0d\\x0a\\x0a\\x0d. \n")},
        {"needs BDAT", DEFAULTS, SLICE("HELO c\r\n" MAIL_BINARY "DATA\r\nBDAT 1 LAST\r\n\n"),
         SLICE(HELLO BEGUN "503 5.5.1 BINARYMIME needs BDAT\r\n" QUEUED), NULL},
        {"the next message is text again", DEFAULTS,
         SLICE("HELO c\r\n" MAIL_BINARY "BDAT 1 LAST\r\n\n" BEGIN "BDAT 1 LAST\r\n\n"),
         SLICE(HELLO BEGUN QUEUED BEGUN QUEUED), NULL,
         SLICE("event HELO c \nevent MAIL a@b.example binary\nevent RCPT c@d.example \nevent DATA chunks \n"
               "event BODY \\x0a \nevent MAIL a@b.example \nevent RCPT c@d.example \nevent DATA chunks \n"
               "event BODY \\x0d\\x0a \n")},
    };
    RUN(rows);
}

static void e4_server_data_and_bdat_do_not_mix(void **state)
{
    (void)state;
    struct row rows[] = {
        {"DATA, RCPT and MAIL after a chunk", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN
               "BDAT 2\r\n\r\nDATA\r\nRCPT TO:<c@d.example>\r\nMAIL FROM:<a@b.example>\r\nBDAT 0 LAST\r\n"),
         SLICE(
             HELLO BEGUN OCTETS("2") "503 5.5.1 The message has begun with BDAT\r\n503 5.5.1 The message has begun\r\n"
                                     "503 5.5.1 Sender already specified\r\n" QUEUED),
         NULL},
    };
    RUN(rows);
}

/* Hostile: TLS close_notify in the middle of BDAT, then plaintext: session over, nothing delivered */
static void threat_lost_in_a_chunk(void **state)
{
    (void)state;
    static const slice starts[] = {SLICE("BDAT 10 LAST\r\nhello\r\n"), SLICE("BDAT 7\r\nhello\r\n"),
                                   SLICE("BDAT 7\r\nhello\r\nBDAT 3"), SLICE("BDAT 10 LAST\r\n")};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct drive d;
        drive_open(&d, &DEFAULTS);
        drive_read(&d, SLICE("HELO c\r\n" BEGIN));
        drive_read(&d, starts[i]);
        smtp_server_lost(d.server);
        drive_events(&d);
        assert_int_equal(d.resets, 1);
        assert_string_equal(d.why, "lost");
        drive_read(&d, SLICE("123\r\nNOOP\r\n"));
        assert_int_equal(d.messages, 0);
        drive_close(&d);
    }
}

static void e4_server_shutdown_waits_for_the_last_chunk(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "BDAT 7\r\nhel"));
    smtp_server_shutdown(d.server, 0);
    drive_read(&d, SLICE("lo\r\n"));
    assert_false(d.closed);
    drive_read(&d, SLICE("BDAT 0 LAST\r\nNOOP\r\n"));
    assert_int_equal(d.messages, 1);
    assert_string_equal(d.why, "shutdown");
    assert_true(slice_ends_nocase(buf_slice(&d.replies),
                                  SLICE(OCTETS("7") QUEUED "421 4.3.2 Service shutting down, try again later\r\n")));
    drive_close(&d);
}

static void wait_until_closed(struct drive *d, slice byte, int64_t step_ms)
{
    for (int i = 0; i < 1000 && !d->closed; i++) {
        d->now += step_ms;
        if (byte.len > 0)
            drive_read(d, byte);
        smtp_server_tick(d->server, d->now);
        drive_events(d);
    }
}

/* Hostile: one byte a second, in every phase: in a chunk, in a chunk that is swallowed, and from chunk to chunk */
static void threat_slow_chunks(void **state)
{
    (void)state;
    struct smtp_server_options o = {
        .command_timeout_ms = 300000, .data_timeout_ms = 180000, .data_grace_ms = 60000, .min_rate = 100};
    static const struct {
        slice start, byte;
        int64_t step_ms, end_ms;
        const char *why;
    } rows[] = {
        {SLICE("HELO c\r\n" BEGIN "BDAT 1000 LAST\r\n"), SLICE("x"), 1000, 60000, "too slow"},
        {SLICE("HELO c\r\nBDAT 1000 LAST\r\n"), SLICE("x"), 1000, 60000, "too slow"},
        {SLICE("HELO c\r\n" BEGIN), SLICE("BDAT 1\r\nx"), 10000, 60000, "too slow"},
        {SLICE("HELO c\r\n" BEGIN "BDAT 0\r\n"), SLICE(""), 1000, 60000, "too slow"},
        {SLICE("HELO c\r\n" BEGIN "BDAT 30\r\n"), SLICE(""), 1000, 60000, "too slow"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct drive d;
        drive_open(&d, &o);
        drive_read(&d, rows[i].start);
        wait_until_closed(&d, rows[i].byte, rows[i].step_ms);
        assert_string_equal(d.why, rows[i].why);
        assert_in_range(d.now, rows[i].end_ms, rows[i].end_ms + 10000);
        assert_int_equal(d.messages, 0);
        drive_close(&d);
    }
    o.min_rate = 0;
    struct drive d;
    drive_open(&d, &o);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "BDAT 3\r\nx"));
    assert_int_equal(smtp_server_deadline(d.server), 180000);
    drive_read(&d, SLICE("yz"));
    assert_int_equal(smtp_server_deadline(d.server), 300000);
    drive_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e4_server_messages_in_chunks),
        cmocka_unit_test(e4_server_refused_chunks_are_swallowed),
        cmocka_unit_test(threat_bdat_with_a_bad_size),
        cmocka_unit_test(e4_server_the_size_limit_holds_over_all_chunks),
        cmocka_unit_test(g1_server_bare_newlines_in_chunks),
        cmocka_unit_test(e5_server_binary_content_stays_as_it_is),
        cmocka_unit_test(e4_server_data_and_bdat_do_not_mix),
        cmocka_unit_test(threat_lost_in_a_chunk),
        cmocka_unit_test(e4_server_shutdown_waits_for_the_last_chunk),
        cmocka_unit_test(threat_slow_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
