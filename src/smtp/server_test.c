/* SPDX-License-Identifier: ISC */
#include "smtp/server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "smtp/rows_test.h"

static void test_session_by_the_textbook(void **state)
{
    (void)state;
    struct row rows[] = {
        {"textbook", DEFAULTS,
         SLICE("HELO client.example.com\r\nMAIL FROM: sender@example.com\r\nRCPT TO: recipient@example.com\r\nDATA\r\n"
               "Subject: hi\r\n\r\nHello.\r\n.\r\nQUIT\r\n"),
         SLICE("250 mx.example.org Hello client.example.com\r\n250 2.1.0 <sender@example.com>... Sender ok\r\n"
               "250 2.1.5 <recipient@example.com>... Recipient ok\r\n" GO_AHEAD QUEUED BYE),
         "quit"},
        {"EHLO", OPTIONS(.max_size = 1000, .starttls = true, .auth_mechanisms = SLICE("PLAIN LOGIN")),
         SLICE("ehlo c\r\n"),
         SLICE("250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE "
               "1000\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n"
               "250-8BITMIME\r\n" OFFER "250 HELP\r\n"),
         NULL},
        {"EHLO with AUTH", OPTIONS(.auth_mechanisms = SLICE("PLAIN LOGIN"), .auth_plaintext_ok = true),
         SLICE("EHLO c\r\n"),
         SLICE("250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE\r\n250-AUTH PLAIN "
               "LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n"
               "250-8BITMIME\r\n" OFFER "250 HELP\r\n"),
         NULL},
        {"identities", DEFAULTS,
         SLICE("HELO [192.0.2.1]\r\nHELO 192.0.2.1\r\nHELO [IPv6:2001:db8::1]\r\nHELO under_score\r\nHELO c  \r\n"
               "HELO localhost.\r\nHELO -my..pc-\r\nHELO [fe80::1%eth0]\r\n"),
         SLICE("250 mx.example.org Hello [192.0.2.1]\r\n250 mx.example.org Hello 192.0.2.1\r\n"
               "250 mx.example.org Hello [IPv6:2001:db8::1]\r\n250 mx.example.org Hello under_score\r\n" HELLO
               "250 mx.example.org Hello localhost.\r\n250 mx.example.org Hello -my..pc-\r\n"
               "250 mx.example.org Hello [fe80::1%eth0]\r\n"),
         NULL},
        {"HELO refused", DEFAULTS,
         SLICE("HELO\r\nHELO \r\nEHLO <a>\r\nHELO a b\r\nHELO a(b\r\nHELO a\\\r\nHELO bad.example\r\nMAIL "
               "FROM:<a@b.example>\r\n"),
         SLICE("501 An argument is missing\r\n501 An argument is missing\r\n501 Bad hostname\r\n501 Bad hostname\r\n"
               "501 Bad hostname\r\n501 Bad hostname\r\n554 Transaction "
               "failed\r\n"
               "503 5.5.1 Send HELO or EHLO first\r\n"),
         NULL},
        {"any case, spaces at the end", DEFAULTS,
         SLICE("helo c\t \r\nmail from:<a@b.example>  \r\nRcpt To:<c@d.example> \r\nnoop \r\nquit \r\n"),
         SLICE(HELLO BEGUN "250 2.0.0 Ok\r\n" BYE), "quit"},
        {"commands ended by LF", DEFAULTS, SLICE("HELO c\nNOOP\nQUIT\n"), SLICE(HELLO "250 2.0.0 Ok\r\n" BYE), "quit"},
        {"commands ended by LF, refused", OPTIONS(.bare_newline_reject = true), SLICE("HELO c\nNOOP\r\nNOOP x\r\n"),
         SLICE("501 Control or 8-bit characters in the command\r\n250 2.0.0 Ok\r\n"), NULL},
        {"null reverse-path, postmaster", DEFAULTS, SLICE("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n"),
         SLICE(HELLO "250 2.1.0 <>... Sender ok\r\n250 2.1.5 <postmaster>... Recipient ok\r\n"), NULL},
        {"strict paths", OPTIONS(.strict_paths = true),
         SLICE("HELO c\r\nMAIL FROM: a@b.example\r\nMAIL FROM:<a@b.example>\r\n"),
         SLICE(HELLO "501 5.1.7 Bad sender address syntax\r\n" SENDER), NULL},
        {"VRFY, EXPN", DEFAULTS, SLICE("VRFY alice\r\nEXPN staff\r\nVRFY\r\n"),
         SLICE("252 2.5.0 Cannot VRFY user, but will accept message and attempt delivery\r\n"
               "250-2.0.0 Alice <alice@example.org>\r\n250 2.0.0 <bob@example.org>\r\n501 5.5.4 An argument is "
               "missing\r\n"),
         NULL},
        {"RSET keeps the session", DEFAULTS, SLICE("HELO c\r\n" BEGIN "RSET\r\nRCPT TO:<c@d.example>\r\n" BEGIN),
         SLICE(HELLO BEGUN "250 2.0.0 Reset state\r\n503 5.5.1 Need MAIL command first\r\n" BEGUN), NULL},
        {"HELO again is RSET", DEFAULTS, SLICE("HELO c\r\n" BEGIN "HELO c\r\nDATA\r\n"),
         SLICE(HELLO BEGUN HELLO "503 5.5.1 Need MAIL command first\r\n"), NULL},
        {"parameters", OPTIONS(.max_size = 1000),
         SLICE("EHLO c\r\nMAIL FROM:<a@b.example> SIZE=1001\r\n"
               "MAIL FROM:<a@b.example> SIZE=99999999999999999999\r\nMAIL FROM:<a@b.example> SIZE=x\r\nMAIL "
               "FROM:<a@b.example> FOO=1\r\n"
               "MAIL FROM:<a@b.example> AUTH=<>\r\nMAIL FROM:<a@b.example> SIZE=1 SIZE=1\r\nMAIL FROM:<a@b.example> "
               "BODY=x\r\n"
               "MAIL FROM:<a@b.example> size=1000 body=8bitmime\r\nRCPT TO:<c@d.example> XNOTIFY=NEVER\r\n"),
         SLICE("250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE "
               "1000\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER "250 HELP\r\n"
               "552 5.3.4 Message too big\r\n552 5.3.4 Message too big\r\n501 5.5.4 Syntax error in parameters or "
               "arguments: SIZE\r\n"
               "555 5.5.4 Unsupported MAIL or RCPT parameter\r\n555 5.5.4 Unsupported MAIL or RCPT parameter\r\n"
               "501 5.5.4 Syntax error in parameters or arguments: SIZE\r\n501 5.5.4 Syntax error in parameters or "
               "arguments: BODY\r\n" SENDER "555 5.5.4 Unsupported MAIL or RCPT parameter\r\n"),
         NULL},
    };
    RUN(rows);
}

static void test_wrong_commands_get_their_code(void **state)
{
    (void)state;
    struct row rows[] = {
        {"unknown and not implemented", DEFAULTS, SLICE("\r\nXYZZY\r\nTURN\r\nSEND FROM:<a@b>\r\nSOML\r\nSAML\r\n"),
         SLICE("500 5.5.2 Command not recognized\r\n500 5.5.2 Command not recognized\r\n502 5.5.1 Command not "
               "implemented\r\n"
               "502 5.5.1 Command not implemented\r\n502 5.5.1 Command not implemented\r\n502 5.5.1 Command not "
               "implemented\r\n"),
         NULL},
        {"not offered", DEFAULTS, SLICE("STARTTLS\r\nHELO c\r\nAUTH PLAIN\r\n"),
         SLICE("502 5.5.1 Command not implemented\r\n" HELLO "502 5.5.1 Command not implemented\r\n"), NULL},
        {"out of order", DEFAULTS,
         SLICE("MAIL FROM:<a@b.example>\r\nHELO c\r\nRCPT TO:<c@d.example>\r\nDATA\r\nMAIL FROM:<a@b.example>\r\n"
               "MAIL FROM:<a@b.example>\r\nDATA\r\nRCPT TO:<bad@d.example>\r\nDATA\r\n"),
         SLICE("503 5.5.1 Send HELO or EHLO first\r\n" HELLO
               "503 5.5.1 Need MAIL command first\r\n503 5.5.1 Need MAIL command first\r\n" SENDER
               "503 5.5.1 Sender already specified\r\n503 5.5.1 Need RCPT command first\r\n550 5.1.1 User unknown\r\n"
               "554 5.5.1 No valid recipients\r\n"),
         NULL},
        {"bad arguments", DEFAULTS,
         SLICE("HELO c\r\nMAIL\r\nMAIL TO:<a@b.example>\r\nMAIL FROM:<a@b\r\nMAIL FROM:a b\r\nRSET x\r\nQUIT now\r\n"
               "MAIL FROM:<a@b.example>\r\nRCPT FROM:<c@d.example>\r\nRCPT TO:<>\r\nRCPT TO:<@>\r\nDATA now\r\n"),
         SLICE(HELLO "501 5.5.4 An argument is missing\r\n501 5.5.4 Syntax: MAIL FROM:<address>\r\n501 5.1.7 Bad "
                     "sender address syntax\r\n"
                     "555 5.5.4 Unsupported MAIL or RCPT parameter\r\n501 5.5.4 This command takes no argument\r\n"
                     "501 5.5.4 This command takes no argument\r\n" SENDER "501 5.5.4 Syntax: RCPT TO:<address>\r\n"
                     "501 5.1.3 Bad recipient address syntax\r\n501 5.1.3 Bad recipient address syntax\r\n501 5.5.4 "
                     "This command takes no argument\r\n"),
         NULL},
        {"too many recipients, each answered, none an error", OPTIONS(.max_recipients = 1, .max_errors = 2),
         SLICE("HELO c\r\n" BEGIN
               "RCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n.\r\n"),
         SLICE(HELLO BEGUN "452 4.5.3 Too many recipients\r\n452 4.5.3 Too many recipients\r\n452 4.5.3 Too many "
                           "recipients\r\n" GO_AHEAD QUEUED),
         NULL},
        {"errors end the session", OPTIONS(.max_errors = 2), SLICE("X\r\nX\r\nNOOP\r\n"),
         SLICE("500 5.5.2 Command not recognized\r\n421 4.7.0 Too many errors, closing connection\r\n"),
         "too many errors"},
        {"a message's verdict is told all the same", OPTIONS(.max_errors = 1),
         SLICE("HELO c\r\n" BEGIN "DATA\r\nrefuse me\r\n.\r\n"),
         SLICE(HELLO BEGUN GO_AHEAD
               "554 5.0.0 Transaction failed\r\n421 4.7.0 Too many errors, closing connection\r\n"),
         "too many errors"},
        {"a message taken forgives", OPTIONS(.max_errors = 2),
         SLICE("HELO c\r\nX\r\n" BEGIN "DATA\r\n.\r\nX\r\nNOOP\r\n"),
         SLICE(HELLO "500 5.5.2 Command not recognized\r\n" BEGUN GO_AHEAD QUEUED
                     "500 5.5.2 Command not recognized\r\n250 2.0.0 Ok\r\n"),
         NULL},
        {"too many messages", OPTIONS(.max_messages = 1),
         SLICE("HELO c\r\n" BEGIN "DATA\r\n.\r\nMAIL FROM:<a@b.example>\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN GO_AHEAD QUEUED "421 4.7.0 Too many messages in this session, connect again\r\n"),
         "too many messages"},
        {"a browser", DEFAULTS, SLICE("GET / HTTP/1.1\r\nHost: x\r\nHELO c\r\n"),
         SLICE("554 5.5.1 This is a mail server, not a web server\r\n"), "HTTP instead of SMTP"},
        {"a browser with a long line", OPTIONS(.max_line = 16),
         SLICE("POST /01234567890123456789 HTTP/1.1\r\nHELO c\r\n"),
         SLICE("554 5.5.1 This is a mail server, not a web server\r\n"), "HTTP instead of SMTP"},
    };
    RUN(rows);
}

/* Hostile: NUL and control characters, 8-bit without SMTPUTF8: kept whole or refused, never truncated */
static void threat_nul_and_control_characters_in_commands(void **state)
{
    (void)state;
    struct row rows[] = {
        {"NUL", DEFAULTS,
         SLICE("HELO c\r\nNO\0OP\r\nNOOP \0\r\nMAIL FROM:<a@b.example>\0\r\nMAIL FROM:<a\0@b.example>\r\nMAIL "
               "FROM:<a@b.example>\rX\r\n"),
         SLICE(HELLO "500 5.5.2 Command not recognized\r\n501 5.5.4 Control or 8-bit characters in the command\r\n"
                     "501 5.5.4 Control or 8-bit characters in the command\r\n501 5.5.4 Control or 8-bit characters in "
                     "the command\r\n"
                     "501 5.5.4 Control or 8-bit characters in the command\r\n"),
         NULL},
        {"8-bit", DEFAULTS,
         SLICE("\xff\xfe\r\nHELO \xc3\xa9\r\nHELO c\r\nMAIL FROM:<\xc3\xa9@b.example>\r\nMAIL FROM:<\xe9@b.example>\r\n"
               "MAIL FROM:<\xc2\x85@b.example>\r\n"),
         SLICE("500 5.5.2 Command not recognized\r\n501 Control or 8-bit characters in the command\r\n" HELLO
               "553 5.6.7 This address needs SMTPUTF8\r\n501 5.5.4 Control or 8-bit characters in the command\r\n"
               "501 5.5.4 Control or 8-bit characters in the command\r\n"),
         NULL},
        {"in content", DEFAULTS, SLICE("HELO c\r\n" BEGIN "DATA\r\na\0b\xff\r\n.\r\n"),
         SLICE(HELLO BEGUN GO_AHEAD QUEUED), NULL},
    };
    RUN(rows);
    struct drive d;
    drive_open(&d, &DEFAULTS);
    drive_read(&d, rows[2].in);
    assert_true(slice_equal(buf_slice(&d.taken), SLICE("a\0b\xff\r\n\n--\n")));
    assert_true(d.facts.nul && d.facts.eight_bit);
    drive_close(&d);
}

/* Hostile: xtext that decodes to CR, LF, NUL (ORCPT, ENVID, AUTH=): decode, then refuse */
static void threat_xtext_in_parameters(void **state)
{
    (void)state;
    static const struct {
        slice value;
        bool good;
    } rows[] = {{SLICE("<>"), true},     {SLICE("e+3Dmc2@example.com"), true},
                {SLICE("a+0Db"), false}, {SLICE("a+0Ab"), false},
                {SLICE("a+00"), false},  {SLICE("a+7F"), false},
                {SLICE("a+4"), false},   {SLICE("a+"), false},
                {SLICE("a+4g"), false},  {SLICE("a+3d"), false},
                {SLICE("a=b"), false},   {SLICE(""), false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct drive d;
        char line[100];
        buf in;
        drive_open(&d, &OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true));
        drive_read(&d, SLICE("HELO c\r\n"));
        buf_clear(&d.replies);
        buf_init_fixed(&in, line, sizeof line);
        buf_append(&in, SLICE("MAIL FROM:<a@b.example> AUTH="));
        buf_append(&in, rows[i].value);
        buf_append(&in, SLICE("\r\n"));
        drive_read(&d, buf_slice(&in));
        if (slice_starts(buf_slice(&d.replies), SLICE("250 2.1.0 ")) != rows[i].good)
            fail_msg("%.*s%.*s", SLICE_ARG(buf_slice(&in)), SLICE_ARG(buf_slice(&d.replies)));
        drive_close(&d);
    }
}

/* Hostile: shell or expansion syntax in an address: 5xx or taken literally */
static void threat_shell_syntax_in_an_address_stays_as_it_is(void **state)
{
    (void)state;
    static const slice paths[] = {SLICE("|/bin/sh@d.example"),   SLICE("$(id)@d.example"),
                                  SLICE("${run{id}}@d.example"), SLICE("`id`@d.example"),
                                  SLICE("\"; id;\"@d.example"),  SLICE("../../x@d.example"),
                                  SLICE("-oQ/tmp@d.example")};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct drive d;
        char memory[300];
        buf in, event;
        drive_open(&d, &DEFAULTS);
        buf_init(&in, 1000);
        buf_append(&in, SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<"));
        buf_append(&in, paths[i]);
        buf_append(&in, SLICE(">\r\n"));
        drive_read(&d, buf_slice(&in));
        buf_init_fixed(&event, memory, sizeof memory);
        buf_append(&event, SLICE("event RCPT "));
        buf_append_escaped(&event, paths[i]);
        buf_append(&event, SLICE(" \n"));
        bool literally = slice_ends_nocase(buf_slice(&d.log), buf_slice(&event));
        bool refused = slice_find(buf_slice(&d.replies), SLICE("\r\n501 5.1.3 ")) > 0;
        if (literally == refused)
            fail_msg("%.*s", SLICE_ARG(buf_slice(&d.log)));
        drive_close(&d);
        buf_deinit(&in);
    }
}

static void append_run(buf *b, char c, size_t n)
{
    char *room = buf_reserve(b, n);
    assert_non_null(room);
    memset(room, c, n);
    buf_grown(b, n);
}

/* Hostile: 64 KiB to 1 MiB command line: one 500 or a close, the tail never a command */
static void threat_long_lines(void **state)
{
    (void)state;
    static const size_t lengths[] = {2047 - 1, 2048 - 1, 2049, 65536, (1 << 20) - 2, (1 << 20) + 1, 3 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t piece = 1000; piece < 5 << 20; piece *= 17) {
            struct drive d;
            buf in;
            buf_init(&in, 8 << 20);
            append_run(&in, 'N', lengths[i] - 5);
            buf_append(&in, SLICE(" QUIT\r\nNOOP\r\n"));
            drive_open(&d, &DEFAULTS);
            drive_read_cut(&d, buf_slice(&in), piece);
            slice wanted = lengths[i] <= 2046 ? SLICE(GREETING "500 5.5.2 Command not recognized\r\n250 2.0.0 Ok\r\n")
                           : lengths[i] <= (1 << 20) - 2
                               ? SLICE(GREETING "500 5.5.6 Line too long\r\n250 2.0.0 Ok\r\n")
                               : SLICE(GREETING "421 4.7.0 Line too long, closing connection\r\n");
            if (!slice_equal(buf_slice(&d.replies), wanted))
                fail_msg("%zu in %zu: %.*s", lengths[i], piece, SLICE_ARG(buf_slice(&d.replies)));
            drive_close(&d);
            buf_deinit(&in);
        }
    }
}

/* Hostile: a million RCPTs; 1,500 pipelined commands: 452 past the limit, every command answered */
static void threat_floods_of_commands_are_all_answered(void **state)
{
    (void)state;
    struct drive d;
    buf in;
    buf_init(&in, 8 << 20);
    buf_append(&in, SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\n"));
    for (int i = 0; i < 100000; i++)
        buf_append(&in, SLICE("RCPT TO:<c@d.example>\r\n"));
    for (int i = 0; i < 1500; i++)
        buf_append(&in, SLICE("NOOP\r\n"));
    drive_open(&d, &OPTIONS(.max_recipients = 100, .max_errors = 20));
    drive_read(&d, buf_slice(&in));
    size_t lines = 0;
    for (size_t i = 0; i < d.replies.len; i++)
        lines += d.replies.ptr[i] == '\n';
    assert_int_equal(lines, 1 + 1 + 1 + 100000 + 1500);
    assert_false(d.closed);
    drive_close(&d);
    buf_deinit(&in);
}

/* Hostile: end of data written with bare LF or CR, then commands: normalise */
static void g1_server_smuggling_normalised_or_refused(void **state)
{
    (void)state;
    static const slice ends[] = {
        SLICE("\n.\n"),   SLICE("\n.\r\n"),     SLICE("\r\n.\n"),     SLICE("\r.\r"),       SLICE("\r\n.\r"),
        SLICE("\r.\r\n"), SLICE("\r\n\0.\r\n"), SLICE("\r\n.\0\r\n"), SLICE("\n\n.\r\r\n"), SLICE("\r\0\n.\r\0\n")};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct drive d;
        buf in;
        buf_init(&in, 4096);
        buf_append(&in, SLICE("HELO c\r\n" BEGIN "DATA\r\nhello"));
        buf_append(&in, ends[i]);
        buf_append(&in,
                   SLICE("MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nsmuggled\r\n.\r\nQUIT\r\n"));
        drive_open(&d, &DEFAULTS);
        drive_read(&d, buf_slice(&in));
        assert_true(slice_equal(buf_slice(&d.replies), SLICE(GREETING HELLO BEGUN GO_AHEAD QUEUED BYE)));
        assert_int_equal(d.messages, 1);
        drive_close(&d);

        /* or refuse and close, never refuse and read the rest as commands; a NUL alone is no bare newline */
        drive_open(&d, &OPTIONS(.bare_newline_reject = true));
        drive_read(&d, buf_slice(&in));
        if (slice_find(ends[i], SLICE("\r\n\0")) != 0 && slice_find(ends[i], SLICE("\r\n.\0")) != 0) {
            assert_true(slice_equal(buf_slice(&d.replies),
                                    SLICE(GREETING HELLO BEGUN GO_AHEAD "550 5.6.0 Bare CR or LF in the message\r\n")));
            assert_int_equal(d.messages, 0);
            assert_int_equal(d.resets, 1);
            assert_string_equal(d.why, "bare newline");
        } else {
            assert_int_equal(d.messages, 1);
        }
        drive_close(&d);
        buf_deinit(&in);
    }
}

/* A line that is a dot only after normalisation is counted as a leading dot, so that it is stuffed on its way out. */
static void g1_server_facts_are_those_of_the_normalised_content(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\nReceived: x\r\n\r\na\n.\r\n..b\r\n.\r\n"));
    assert_true(slice_equal(buf_slice(&d.taken), SLICE("Received: x\r\n\r\na\r\n.\r\n.b\r\n\n--\n")));
    assert_int_equal(d.facts.leading_dots, 2);
    assert_int_equal(d.facts.received, 1);
    assert_int_equal(d.facts.header_len, 15);
    assert_true(d.facts.ends_in_crlf);
    drive_close(&d);
}

static void g3_server_refused_content_is_swallowed_to_its_end(void **state)
{
    (void)state;
    struct row rows[] = {
        {"too big", OPTIONS(.max_size = 10),
         SLICE("HELO c\r\n" BEGIN "DATA\r\n0123456789\r\nQUIT\r\n.\r\nNOOP\r\n" BEGIN "DATA\r\n12345678\r\n.\r\n"),
         SLICE(HELLO BEGUN GO_AHEAD "552 5.3.4 Message too big\r\n250 2.0.0 Ok\r\n" BEGUN GO_AHEAD QUEUED), NULL},
        {"loop", OPTIONS(.hops = 2),
         SLICE("HELO c\r\n" BEGIN "DATA\r\nReceived: 1\r\nReceived: 2\r\n.\r\n" BEGIN
               "DATA\r\nReceived: 1\r\nreceived: 2\r\nRECEIVED: 3\r\n.\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN GO_AHEAD QUEUED BEGUN GO_AHEAD "554 5.4.6 Too many hops\r\n250 2.0.0 Ok\r\n"), NULL},
        {"by the caller", DEFAULTS, SLICE("HELO c\r\n" BEGIN "DATA\r\nrefuse me\r\n.\r\n" BEGIN),
         SLICE(HELLO BEGUN GO_AHEAD "554 5.0.0 Transaction failed\r\n" BEGUN), NULL},
    };
    RUN(rows);
}

/* Whoever keeps the log hears of each limit, once a transaction. */
static void g3_server_limits_are_told(void **state)
{
    (void)state;
    struct drive d;
    struct smtp_server_options o = {.max_size = 10, .max_recipients = 1, .hops = 1};
    drive_open(&d, &o);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "RCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\n"));
    assert_int_equal(d.refused, 1);
    drive_read(&d, SLICE("DATA\r\n0123456789\r\n0123456789\r\n.\r\n"));
    assert_int_equal(d.refused, 2);
    assert_int_equal(d.resets, 1);
    drive_close(&d);
    drive_open(&d, &o);
    drive_read(&d, SLICE("EHLO c\r\nMAIL FROM:<a@b.example> SIZE=11\r\n"));
    assert_int_equal(d.refused, 1);
    drive_close(&d);
    o.max_size = 0;
    drive_open(&d, &o);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\nReceived: 1\r\nReceived: 2\r\n\r\n.\r\n"));
    assert_int_equal(d.refused, 1);
    drive_close(&d);
}

/* Hostile: commands in the same packet after STARTTLS: discarded, state reset (CVE-2011-0411) */
static void g2_server_starttls_forgets_and_discards(void **state)
{
    (void)state;
    struct smtp_server_options o = {.starttls = true, .auth_mechanisms = SLICE("PLAIN"), .auth_required = true};
    for (int cut = 0; cut < 2; cut++) {
        struct drive d;
        drive_open(&d, &o);
        drive_read(&d, SLICE("EHLO c\r\n"));
        buf_clear(&d.replies);
        slice injected = SLICE("STARTTLS\r\nRSET\r\nMAIL FROM:<evil@b.example>\r\n");
        size_t used = 0;
        assert_int_equal(smtp_server_feed(d.server, 0, injected, &used), ERR_OK);
        assert_int_equal(used, injected.len);
        drive_events(&d);
        assert_true(d.tls);
        if (cut) { /* a second packet before the handshake */
            assert_int_equal(smtp_server_feed(d.server, 0, SLICE("NOOP\r\n"), &used), ERR_OK);
            assert_int_equal(used, 6);
        }
        assert_true(slice_equal(buf_slice(&d.replies), SLICE("220 2.0.0 Ready to start TLS\r\n")));
        drive_secured(&d);
        assert_true(smtp_server_is_secured(d.server));
        buf_clear(&d.replies);
        drive_read(&d, SLICE("MAIL FROM:<a@b.example>\r\nSTARTTLS\r\nEHLO c\r\nMAIL FROM:<a@b.example>\r\n"));
        assert_true(slice_equal(
            buf_slice(&d.replies),
            SLICE(
                "503 5.5.1 Send HELO or EHLO first\r\n503 5.5.1 TLS is active already\r\n250-mx.example.org Hello c\r\n"
                "250-PIPELINING\r\n250-SIZE\r\n250-AUTH PLAIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER_TLS
                "250 "
                "HELP\r\n"
                "530 5.7.0 Authentication required\r\n")));
        drive_close(&d);
    }
}

/* RFC 3207 section 4: 454, and the session is what it was; it may ask again. */
static void g2_server_starttls_is_454_while_tls_is_away(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &OPTIONS(.starttls = true, .tls_away = true));
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "STARTTLS\r\nRCPT TO:<c@d.example>\r\n"));
    assert_true(slice_ends_nocase(buf_slice(&d.replies),
                                  SLICE(BEGUN "454 4.7.0 TLS is not available for the moment\r\n" RECIPIENT)));
    assert_int_equal(d.resets, 0);
    assert_false(d.tls);
    d.options.tls_away = false;
    drive_read(&d, SLICE("STARTTLS\r\n"));
    assert_true(slice_ends_nocase(buf_slice(&d.replies), SLICE("220 2.0.0 Ready to start TLS\r\n")));
    assert_true(d.tls);
    drive_close(&d);
}

/* RFC 3207 section 4.2: who signed in before the handshake has not signed in after it. */
static void g2_server_starttls_forgets_the_login(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &OPTIONS(.starttls = true, .auth_mechanisms = SLICE("PLAIN"), .auth_required = true,
                            .auth_plaintext_ok = true));
    drive_read(&d, SLICE("HELO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n" BEGIN "STARTTLS\r\n"));
    assert_true(slice_ends_nocase(buf_slice(&d.replies), SLICE(BEGUN "220 2.0.0 Ready to start TLS\r\n")));
    assert_int_equal(d.resets, 1);
    drive_secured(&d);
    drive_read(
        &d,
        SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<a@b.example>\r\n"));
    assert_true(slice_ends_nocase(
        buf_slice(&d.replies),
        SLICE(HELLO "530 5.7.0 Authentication required\r\n235 2.7.0 Authentication succeeded\r\n" SENDER)));
    drive_close(&d);
}

/* Hostile: AUTH before TLS, `*`, bad base64, thousands of guesses, an unknown user: 530/538, 501 */
static void e11_server_login(void **state)
{
    (void)state;
    struct smtp_server_options plain = {
        .auth_mechanisms = SLICE("PLAIN LOGIN"), .auth_plaintext_ok = true, .auth_required = true};
    struct row rows[] = {
        {"before TLS", OPTIONS(.auth_mechanisms = SLICE("PLAIN")),
         SLICE("HELO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
         SLICE(HELLO "538 5.7.11 Encryption required for requested authentication mechanism\r\n"), NULL},
        {"before TLS which is required",
         OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_required = true, .starttls = true),
         SLICE("HELO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<a@b.example>\r\nVRFY a\r\n"),
         SLICE(HELLO
               "530 5.7.0 Must issue a STARTTLS command first\r\n530 5.7.0 Must issue a STARTTLS command first\r\n"
               "530 5.7.0 Must issue a STARTTLS command first\r\n"),
         NULL},
        {"PLAIN at once", plain,
         SLICE("HELO c\r\nMAIL FROM:<a@b.example>\r\nauth plain AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<a@b.example>\r\n"),
         SLICE(HELLO "530 5.7.0 Authentication required\r\n235 2.7.0 Authentication succeeded\r\n" SENDER), NULL},
        {"PLAIN by challenge", plain, SLICE("HELO c\r\nAUTH PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\nAUTH PLAIN\r\n"),
         SLICE(HELLO "334 \r\n235 2.7.0 Authentication succeeded\r\n503 5.5.1 Already authenticated\r\n"), NULL},
        {"LOGIN", plain, SLICE("HELO c\r\nAUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n"),
         SLICE(HELLO "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 Authentication succeeded\r\n"), NULL},
        {"wrong in each way", plain,
         SLICE("HELO c\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN !!!\r\nAUTH PLAIN\r\n!\r\nAUTH SCRAM-SHA-1 x\r\nAUTH PLAIN "
               "=\r\nAUTH\r\n"
               "AUTH PLAIN\r\n=\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nNOOP\r\n"),
         SLICE(HELLO "334 \r\n501 5.7.0 Authentication cancelled\r\n501 5.5.2 Cannot decode the response\r\n334 \r\n"
                     "501 5.5.2 Cannot decode the response\r\n504 5.5.4 Unrecognized authentication mechanism\r\n"
                     "535 5.7.8 Authentication credentials invalid\r\n501 5.5.4 An argument is missing\r\n"
                     "334 \r\n501 5.5.2 Cannot decode the response\r\n"
                     "535 5.7.8 Authentication credentials invalid\r\n250 2.0.0 Ok\r\n"),
         NULL},
        {"what needs no login", plain, SLICE("HELO c\r\nRSET\r\nNOOP\r\nVRFY a\r\nQUIT\r\n"),
         SLICE(HELLO "250 2.0.0 Reset state\r\n250 2.0.0 Ok\r\n530 5.7.0 Authentication required\r\n" BYE), "quit"},
        {"in a transaction", OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true),
         SLICE("HELO c\r\n" BEGIN "AUTH PLAIN\r\n"),
         SLICE(HELLO BEGUN "503 5.5.1 AUTH is not possible during a mail transaction\r\n"), NULL},
        {"guesses", OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true, .max_errors = 2),
         SLICE("HELO c\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH PLAIN "
               "AGFsaWNlAHNlY3JldA==\r\n"),
         SLICE(HELLO "535 5.7.8 Authentication credentials invalid\r\n"
                     "421 4.7.0 Too many errors, closing connection\r\n"),
         "too many errors"},
    };
    RUN(rows);
}

static void e11_server_long_login_response(void **state)
{
    (void)state;
    struct drive d;
    buf in;
    buf_init(&in, 1 << 20);
    drive_open(&d, &OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true));
    buf_append(&in, SLICE("HELO c\r\nAUTH PLAIN\r\n"));
    append_run(&in, 'A', 12284);
    buf_append(&in, SLICE("\r\nAUTH PLAIN\r\n"));
    append_run(&in, 'A', 13000);
    buf_append(&in, SLICE("\r\nNOOP\r\n"));
    drive_read(&d, buf_slice(&in));
    assert_true(slice_equal(buf_slice(&d.replies),
                            SLICE(GREETING HELLO "334 \r\n535 5.7.8 Authentication credentials invalid\r\n334 \r\n500 "
                                                 "5.5.6 Line too long\r\n250 2.0.0 Ok\r\n")));
    drive_close(&d);
    buf_deinit(&in);
}

static void test_help(void **state)
{
    (void)state;
    static const slice topics[] = {SLICE("HELP\r\n"),          SLICE("HELP MAIL\r\n"), SLICE("help size\r\n"),
                                   SLICE("HELP STARTTLS\r\n"), SLICE("HELP AUTH\r\n"), SLICE("HELP PIPELINING\r\n"),
                                   SLICE("HELP GET\r\n"),      SLICE("HELP foo\r\n")};
    static const slice starts[] = {SLICE("214-2.0.0 Commands: MAIL RCPT DATA"),
                                   SLICE("214-2.0.0 MAIL FROM:<sender>"),
                                   SLICE("214-2.0.0 SIZE\r\n"),
                                   SLICE("214-2.0.0 STARTTLS\r\n"),
                                   SLICE("214-2.0.0 AUTH mechanism"),
                                   SLICE("214-2.0.0 PIPELINING"),
                                   SLICE("504 5.5.4"),
                                   SLICE("504 5.5.4")};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        struct drive d;
        drive_open(&d, &OPTIONS(.help_url = SLICE("https://mail.example.org/")));
        drive_read(&d, topics[i]);
        slice got = slice_skip(buf_slice(&d.replies), sizeof GREETING - 1);
        if (!slice_starts(got, starts[i]))
            fail_msg("%.*s%.*s", SLICE_ARG(topics[i]), SLICE_ARG(got));
        if (i == 0)
            assert_true(slice_ends_nocase(got, SLICE("\r\n214 2.0.0 https://mail.example.org/\r\n")));
        drive_close(&d);
    }
}

/* Hostile: one byte a second, in every phase: a deadline for each request and a least data rate */
static void threat_one_byte_a_second(void **state)
{
    (void)state;
    struct smtp_server_options o = {
        .command_timeout_ms = 300000, .data_timeout_ms = 180000, .data_grace_ms = 60000, .min_rate = 100};
    struct drive d;
    drive_open(&d, &o);
    assert_int_equal(smtp_server_deadline(d.server), INT64_MAX); /* the greeting is the caller's to decide */
    drive_events(&d);
    assert_int_equal(smtp_server_deadline(d.server), 300000);
    for (int i = 0; i < 299; i++) { /* a byte a second moves nothing */
        d.now += 1000;
        drive_read(&d, SLICE("N"));
        smtp_server_tick(d.server, d.now);
        drive_events(&d);
        assert_false(d.closed);
    }
    d.now += 1000;
    smtp_server_tick(d.server, d.now);
    drive_events(&d);
    assert_string_equal(d.why, "timeout");
    assert_true(slice_equal(buf_slice(&d.replies), SLICE(GREETING "421 4.4.2 Timeout, closing connection\r\n")));
    assert_int_equal(smtp_server_deadline(d.server), INT64_MAX);
    drive_close(&d);

    drive_open(&d, &o);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\n"));
    for (int i = 0; i < 100 && !d.closed; i++) {
        d.now += 1000;
        drive_read(&d, SLICE("x"));
        smtp_server_tick(d.server, d.now);
        drive_events(&d);
    }
    assert_string_equal(d.why, "too slow");
    assert_int_equal(d.now, 60000);
    assert_int_equal(d.resets, 1);
    assert_int_equal(d.messages, 0);
    drive_close(&d);

    o.min_rate = 0;
    drive_open(&d, &o);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\nx"));
    assert_int_equal(smtp_server_deadline(d.server), 180000);
    d.now = 180000;
    smtp_server_tick(d.server, d.now);
    drive_events(&d);
    assert_string_equal(d.why, "timeout");
    drive_close(&d);
}

static void test_shutdown_between_commands(void **state)
{
    (void)state;
    struct drive d;
    slice bye = SLICE("421 4.3.2 Service shutting down, try again later\r\n");
    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\n"));
    smtp_server_shutdown(d.server, 0); /* idle: at once */
    drive_events(&d);
    assert_string_equal(d.why, "shutdown");
    assert_true(slice_ends_nocase(buf_slice(&d.replies), bye));
    drive_close(&d);

    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\nhello\r\n"));
    smtp_server_shutdown(d.server, 0); /* a message is finished first */
    drive_events(&d);
    assert_false(d.closed);
    drive_read(&d, SLICE(".\r\nNOOP\r\n"));
    assert_int_equal(d.messages, 1);
    assert_true(
        slice_ends_nocase(buf_slice(&d.replies), SLICE(QUEUED "421 4.3.2 Service shutting down, try again later\r\n")));
    assert_string_equal(d.why, "shutdown");
    drive_close(&d);

    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\nNO"));
    smtp_server_shutdown(d.server, 0); /* a command is finished first */
    drive_events(&d);
    assert_false(d.closed);
    drive_read(&d, SLICE("OP\r\n"));
    assert_true(slice_ends_nocase(buf_slice(&d.replies),
                                  SLICE("250 2.0.0 Ok\r\n421 4.3.2 Service shutting down, try again later\r\n")));
    drive_close(&d);
}

/* Hostile: TLS close_notify in the middle of DATA, then plaintext: session over, nothing delivered */
static void threat_lost_in_the_middle(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\nhello\r\n"));
    smtp_server_lost(d.server);
    drive_events(&d);
    assert_int_equal(d.resets, 1);
    assert_string_equal(d.why, "lost");
    drive_read(&d, SLICE(".\r\nNOOP\r\n"));
    assert_int_equal(d.messages, 0);
    drive_close(&d);
}

/* A message that was handed over is the caller's to finish; the late answer finds nobody and does no harm. */
static void test_lost_while_the_message_is_written(void **state)
{
    (void)state;
    struct drive d;
    struct smtp_server_event e;
    size_t used;
    drive_open(&d, &DEFAULTS);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\n"));
    assert_int_equal(smtp_server_feed(d.server, 0, SLICE("hello\r\n.\r\nNOOP\r\n"), &used), ERR_OK);
    assert_int_equal(used, 10);
    assert_true(smtp_server_next(d.server, &e));
    assert_int_equal(e.kind, SMTP_SERVER_BODY);
    assert_false(smtp_server_waits(d.server));
    assert_true(smtp_server_next(d.server, &e));
    assert_int_equal(e.kind, SMTP_SERVER_BODY_END);
    assert_true(smtp_server_waits(d.server));
    assert_int_equal(smtp_server_feed(d.server, 0, SLICE("NOOP\r\n"), &used), ERR_OK);
    assert_int_equal(used, 0); /* nothing is read while an answer is awaited */
    smtp_server_lost(d.server);
    assert_true(smtp_server_next(d.server, &e));
    assert_int_equal(e.kind, SMTP_SERVER_CLOSE);
    assert_false(smtp_server_next(d.server, &e));
    drive_answer(&d, status_verdict(STATUS_QUEUED));
    assert_int_equal(smtp_server_output(d.server).len, 0);
    drive_close(&d);
}

static void test_greeting_refused(void **state)
{
    (void)state;
    struct drive d;
    struct smtp_server_event e;
    drive_open(&d, &DEFAULTS);
    assert_true(smtp_server_next(d.server, &e));
    assert_int_equal(e.kind, SMTP_SERVER_CONNECT);
    drive_answer(&d, status_verdict(STATUS_TOO_MANY_SESSIONS));
    drive_events(&d);
    assert_true(d.closed);
    assert_true(
        slice_equal(buf_slice(&d.replies), SLICE("421 mx.example.org Too many connections, try again later\r\n")));
    drive_close(&d);
}

/* Whatever a text holds, it cannot make a reply of its own, and one that is too long for the output is not half a reply. */
static void test_reply_texts_cannot_break_out(void **state)
{
    (void)state;
    struct drive d;
    struct smtp_server_event e;
    size_t used;
    buf many;
    buf_init(&many, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_append(&many, SLICE("<somebody@example.org>\n"));
    struct {
        slice text, wanted;
    } rows[] = {
        {SLICE("a\r\xff\0b"), SLICE("250 2.0.0 a???b\r\n")},
        {SLICE("a\n250 x"), SLICE("250-2.0.0 a\r\n250 2.0.0 250 x\r\n")},
        {buf_slice(&many), SLICE("451 4.3.0 Reply too long\r\n")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        drive_open(&d, &DEFAULTS);
        drive_events(&d);
        buf_clear(&d.replies);
        assert_int_equal(smtp_server_feed(d.server, 0, SLICE("EXPN x\r\n"), &used), ERR_OK);
        assert_true(smtp_server_next(d.server, &e));
        drive_answer(&d, status_verdict_text(STATUS_OK, rows[i].text));
        drive_flush(&d);
        assert_true(slice_equal(buf_slice(&d.replies), rows[i].wanted));
        drive_close(&d);
    }
    buf_deinit(&many);
}

/* A client that sends and never reads stops being read. */
static void test_unsent_output_stops_reading(void **state)
{
    (void)state;
    struct drive d;
    size_t used = 1, total = 0;
    buf in;
    buf_init(&in, 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_append(&in, SLICE("NOOP\r\n"));
    drive_open(&d, &DEFAULTS);
    drive_events(&d);
    while (used > 0) {
        assert_int_equal(smtp_server_feed(d.server, 0, slice_skip(buf_slice(&in), total), &used), ERR_OK);
        total += used;
    }
    assert_true(smtp_server_output(d.server).len <= 64 << 10);
    assert_true(total < in.len);
    drive_flush(&d);
    drive_read(&d, slice_skip(buf_slice(&in), total));
    assert_int_equal(d.replies.len, sizeof GREETING - 1 + 20000 * (sizeof "250 2.0.0 Ok\r\n" - 1));
    drive_close(&d);
    buf_deinit(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_by_the_textbook),
        cmocka_unit_test(test_wrong_commands_get_their_code),
        cmocka_unit_test(threat_nul_and_control_characters_in_commands),
        cmocka_unit_test(threat_xtext_in_parameters),
        cmocka_unit_test(threat_shell_syntax_in_an_address_stays_as_it_is),
        cmocka_unit_test(threat_long_lines),
        cmocka_unit_test(threat_floods_of_commands_are_all_answered),
        cmocka_unit_test(g1_server_smuggling_normalised_or_refused),
        cmocka_unit_test(g1_server_facts_are_those_of_the_normalised_content),
        cmocka_unit_test(g3_server_refused_content_is_swallowed_to_its_end),
        cmocka_unit_test(g3_server_limits_are_told),
        cmocka_unit_test(g2_server_starttls_forgets_and_discards),
        cmocka_unit_test(g2_server_starttls_is_454_while_tls_is_away),
        cmocka_unit_test(g2_server_starttls_forgets_the_login),
        cmocka_unit_test(e11_server_login),
        cmocka_unit_test(e11_server_long_login_response),
        cmocka_unit_test(test_help),
        cmocka_unit_test(threat_one_byte_a_second),
        cmocka_unit_test(test_shutdown_between_commands),
        cmocka_unit_test(threat_lost_in_the_middle),
        cmocka_unit_test(test_lost_while_the_message_is_written),
        cmocka_unit_test(test_greeting_refused),
        cmocka_unit_test(test_reply_texts_cannot_break_out),
        cmocka_unit_test(test_unsent_output_stops_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
