/* SPDX-License-Identifier: ISC */
/* LMTP (RFC 2033), the server's side. */
#include "smtp/server.h"

#include "smtp/rows_test.h"

#define LMTP ((struct smtp_server_options){.lmtp = true})
#define LMTP_GREETING "220 mx.example.org LMTP Thurn\r\n"
#define LHELLO                                                                                                         \
    "250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER    \
    "250-LIMITS RCPTMAX=1000\r\n250 HELP\r\n"
#define TWO "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<bad@d.example>\r\nRCPT TO:<c@d.example>\r\n"
#define TWO_TAKEN SENDER RECIPIENT "550 5.1.1 User unknown\r\n" RECIPIENT

/* The greeting is another than rows know: the same runs, the reply compared from the greeting on. */
static void lmtp_run(const char *name, struct smtp_server_options o, slice in, slice replies)
{
    for (size_t piece = 1; piece <= in.len + 1; piece += piece < 20 ? 1 : in.len) {
        struct drive d;
        drive_open(&d, &o);
        drive_read_cut(&d, in, piece);
        slice got = buf_slice(&d.replies);
        if (!slice_starts(got, SLICE(LMTP_GREETING)))
            fail_msg("%s: %.*s", name, SLICE_ARG(got));
        got = slice_skip(got, sizeof LMTP_GREETING - 1);
        if (!slice_equal(got, replies))
            fail_msg("%s, in pieces of %zu: wanted\n%.*s\ngot\n%.*s", name, piece, SLICE_ARG(replies), SLICE_ARG(got));
        drive_close(&d);
    }
}

/* RFC 2033 section 4.1 */
static void e14_server_lmtp_introduces_itself(void **state)
{
    (void)state;
    lmtp_run("LHLO only", LMTP,
             SLICE("HELO c\r\nEHLO c\r\nMAIL FROM:<a@b.example>\r\nLHLO\r\nLHLO c\r\nMAIL FROM:<a@b.example>\r\n"),
             SLICE("500 5.5.2 Command not recognized\r\n500 5.5.2 Command not recognized\r\n"
                   "503 5.5.1 Send LHLO first\r\n501 An argument is missing\r\n" LHELLO SENDER));
    struct row rows[] = {
        {"no LHLO in SMTP", DEFAULTS, SLICE("LHLO c\r\n"), SLICE("500 5.5.2 Command not recognized\r\n"), NULL},
    };
    RUN(rows);
}

/* RFC 2033 section 4.2 */
static void e14_server_lmtp_replies_for_each_recipient(void **state)
{
    (void)state;
    lmtp_run("two taken, one refused", LMTP,
             SLICE("LHLO c\r\n" TWO "DATA\r\nhello\r\n.\r\nNOOP\r\n" TWO "DATA\r\nrefuse me\r\n.\r\nNOOP\r\n"),
             SLICE(LHELLO TWO_TAKEN GO_AHEAD QUEUED QUEUED
                   "250 2.0.0 Ok\r\n" TWO_TAKEN GO_AHEAD
                   "554 5.0.0 Transaction failed\r\n554 5.0.0 Transaction failed\r\n250 2.0.0 Ok\r\n"));
    lmtp_run("refused by the engine", OPTIONS(.lmtp = true, .hops = 1),
             SLICE("LHLO c\r\n" TWO "DATA\r\nReceived: 1\r\nReceived: 2\r\n.\r\nNOOP\r\n"),
             SLICE(LHELLO TWO_TAKEN GO_AHEAD "554 5.4.6 Too many hops\r\n554 5.4.6 Too many hops\r\n250 2.0.0 Ok\r\n"));
    lmtp_run("none taken", LMTP,
             SLICE("LHLO c\r\nMAIL FROM:<a@b.example>\r\nDATA\r\nRCPT TO:<bad@d.example>\r\nDATA\r\nNOOP\r\n"),
             SLICE(LHELLO SENDER "503 5.5.1 Need RCPT command first\r\n550 5.1.1 User unknown\r\n"
                                 "503 5.5.1 Need RCPT command first\r\n250 2.0.0 Ok\r\n"));
    lmtp_run("errors are counted once a message", OPTIONS(.lmtp = true, .max_errors = 3),
             SLICE("LHLO c\r\n" TWO "DATA\r\nrefuse me\r\n.\r\nNOOP\r\n" BEGIN "DATA\r\nrefuse me\r\n.\r\nNOOP\r\n"),
             SLICE(LHELLO TWO_TAKEN GO_AHEAD
                   "554 5.0.0 Transaction failed\r\n554 5.0.0 Transaction failed\r\n250 2.0.0 Ok\r\n" BEGUN GO_AHEAD
                   "554 5.0.0 Transaction failed\r\n421 4.7.0 Too many errors, closing connection\r\n"));
}

/* RFC 2033 section 4.3 */
static void e14_server_lmtp_with_chunks(void **state)
{
    (void)state;
    lmtp_run("the last chunk is answered for each", LMTP,
             SLICE("LHLO c\r\n" TWO "BDAT 4\r\nhellBDAT 3 LAST\r\no\r\nNOOP\r\n"),
             SLICE(LHELLO TWO_TAKEN "250 2.0.0 4 octets received\r\n" QUEUED QUEUED "250 2.0.0 Ok\r\n"));
    lmtp_run("none taken: nothing is said to the last chunk", LMTP,
             SLICE("LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bad@d.example>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"
                   "MAIL FROM:<a@b.example>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
             SLICE(LHELLO SENDER "550 5.1.1 User unknown\r\n250 2.0.0 Ok\r\n" SENDER
                                 "503 5.5.1 Need RCPT command first\r\n"
                                 "250 2.0.0 Ok\r\n"));
    lmtp_run(
        "a chunk that failed, and then the last", OPTIONS(.lmtp = true, .max_size = 10),
        SLICE("LHLO c\r\n" TWO
              "BDAT 6\r\nQUIT\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\nBDAT 2 LAST\r\n\r\nRSET\r\nBDAT "
              "2 LAST\r\n\r\n"),
        SLICE(
            "250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE "
            "10\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER
            "250-LIMITS RCPTMAX=1000\r\n250 HELP\r\n" TWO_TAKEN
            "250 2.0.0 6 octets received\r\n552 5.3.4 Message too big\r\n"
            "503 5.5.1 The message has failed already, send RSET\r\n503 5.5.1 The message has failed already, send "
            "RSET\r\n250 2.0.0 Ok\r\n503 5.5.1 The message has failed already, send RSET\r\n503 5.5.1 The message has "
            "failed already, send RSET\r\n250 2.0.0 Reset state\r\n503 5.5.1 Need MAIL command first\r\n"));
    lmtp_run("too big at once", OPTIONS(.lmtp = true, .max_size = 4),
             SLICE("LHLO c\r\n" TWO "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
             SLICE("250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE "
                   "4\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER
                   "250-LIMITS RCPTMAX=1000\r\n250 HELP\r\n" TWO_TAKEN
                   "552 5.3.4 Message too big\r\n552 5.3.4 Message too big\r\n250 2.0.0 Ok\r\n"));
}

static size_t count_lines(slice text, slice start)
{
    size_t n = 0;
    slice line;
    while (text.len > 0) {
        (void)slice_cut(text, '\n', &line, &text);
        n += slice_starts(line, start);
    }
    return n;
}

/* 8 recipients, 8 replies; and as many as may be, each with its reply, however long that is */
static void e14_server_lmtp_many_recipients(void **state)
{
    (void)state;
    static const size_t wanted[] = {8, 1000};
    for (size_t i = 0; i < 2; i++) {
        struct drive d;
        struct smtp_server_event e;
        size_t used = 0;
        char text[480];
        memset(text, 'x', sizeof text);
        drive_open(&d, &LMTP);
        drive_read(&d, SLICE("LHLO c\r\nMAIL FROM:<a@b.example>\r\n"));
        for (size_t k = 0; k < wanted[i] + (i == 1); k++)
            drive_read(&d, SLICE("RCPT TO:<c@d.example>\r\n"));
        assert_int_equal(count_lines(buf_slice(&d.replies), SLICE("452 4.5.3")), i);
        drive_read(&d, SLICE("DATA\r\n"));
        buf_clear(&d.replies);
        assert_int_equal(smtp_server_feed(d.server, 0, SLICE(".\r\nNOOP\r\n"), &used), ERR_OK);
        assert_true(smtp_server_next(d.server, &e));
        assert_int_equal(e.kind, SMTP_SERVER_BODY_END);
        drive_answer(&d, status_verdict_text(STATUS_QUEUED, slice_of(text, sizeof text)));
        drive_flush(&d);
        assert_int_equal(count_lines(buf_slice(&d.replies), SLICE("250 2.0.0 xxxx")), wanted[i]);
        drive_read(&d, SLICE("NOOP\r\n"));
        assert_true(slice_ends_nocase(buf_slice(&d.replies), SLICE("\r\n250 2.0.0 Ok\r\n")));
        drive_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e14_server_lmtp_introduces_itself),
        cmocka_unit_test(e14_server_lmtp_replies_for_each_recipient),
        cmocka_unit_test(e14_server_lmtp_with_chunks),
        cmocka_unit_test(e14_server_lmtp_many_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
