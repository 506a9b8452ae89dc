/* SPDX-License-Identifier: ISC */
/* What a session may do because of who it is: XCLIENT, XFORWARD, ETRN, its mechanisms; and under stress. */
#include "smtp/server.h"

#include "smtp/rows_test.h"

#define DENIED "550 5.7.0 Insufficient authorization\r\n"
#define BAD "501 5.5.4 Syntax error in parameters or arguments\r\n"
#define OK "250 2.0.0 Ok\r\n"
#define OFFERED                                                                                                        \
    "250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER
#define XCLIENT_LINE "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"
#define XFORWARD_LINE "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n"

static void e13_server_xclient(void **state)
{
    (void)state;
    struct row rows[] = {
        {"begins anew", DEFAULTS,
         SLICE("EHLO c\r\nXCLIENT NAME=spike.example ADDR=192.0.2.7\r\nMAIL FROM:<a@b.example>\r\nEHLO c\r\nQUIT\r\n"),
         SLICE(OFFERED XCLIENT_LINE "250 HELP\r\n" GREETING "503 5.5.1 Send HELO or EHLO first\r\n" OFFERED XCLIENT_LINE
                                    "250 HELP\r\n" BYE),
         "quit",
         SLICE("event EHLO c \nevent XCLIENT name=spike.example addr=192.0.2.7 \nevent EHLO c \nevent CLOSE quit \n"),
         SMTP_PERMIT_XCLIENT},
        {"every attribute", DEFAULTS,
         SLICE("XCLIENT name=spike.example addr=IPV6:2001:db8::7 port=2525 proto=esmtp helo=he+20lo+28x "
               "login=J+20D+C3+A9 "
               "destaddr=ipv6:::1 destport=25\r\n"),
         SLICE(GREETING), NULL,
         SLICE("event XCLIENT name=spike.example addr=2001:db8::7 port=2525 proto=esmtp helo=he?lo?x login=J D\xc3\xa9 "
               "destaddr=::1 destport=25 \n"),
         SMTP_PERMIT_XCLIENT},
        {"not known", DEFAULTS,
         SLICE("XCLIENT NAME=[UNAVAILABLE] ADDR=[unavailable] HELO=[TempUnavail] LOGIN=[UNAVAILABLE]\r\n"),
         SLICE(GREETING), NULL, SLICE("event XCLIENT name= addr= helo= login= \n"), SMTP_PERMIT_XCLIENT},
        {"refused", DEFAULTS, SLICE("XCLIENT NAME=bad.example\r\nHELO c\r\n"),
         SLICE("554 5.0.0 Transaction failed\r\n" HELLO), NULL, SLICE_NONE, SMTP_PERMIT_XCLIENT},
        {"malformed", DEFAULTS,
         SLICE("XCLIENT\r\nXCLIENT NAME\r\nXCLIENT NAME=\r\nXCLIENT WHAT=1\r\nXCLIENT IDENT=1\r\nXCLIENT NAME=a "
               "NAME=b\r\n"
               "XCLIENT ADDR=192.0.2\r\nXCLIENT ADDR=[192.0.2.1]\r\nXCLIENT ADDR=2001:db8::1\r\nXCLIENT "
               "ADDR=IPV6:192.0.2.1\r\n"
               "XCLIENT PORT=65536\r\nXCLIENT PORT=x\r\nXCLIENT PROTO=UUCP\r\nXCLIENT NAME=a+0Ab\r\nXCLIENT "
               "HELO=a+0D+0AQUIT\r\n"
               "XCLIENT LOGIN=a+00\r\nXCLIENT NAME=a+20b\r\nXCLIENT NAME=[192.0.2.1]\r\nNOOP\r\n"),
         SLICE("501 5.5.4 An argument is missing\r\n" BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD
                   BAD OK),
         NULL, SLICE_NONE, SMTP_PERMIT_XCLIENT},
        {"in a transaction", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "XCLIENT NAME=a.example\r\nRSET\r\nXCLIENT NAME=a.example\r\n"),
         SLICE(HELLO BEGUN
               "503 5.5.1 XCLIENT is not possible during a mail transaction\r\n250 2.0.0 Reset state\r\n" GREETING),
         NULL, SLICE_NONE, SMTP_PERMIT_XCLIENT},
        {"not permitted", DEFAULTS, SLICE("XCLIENT NAME=a.example\r\nXCLIENT x\r\nEHLO c\r\n"),
         SLICE(DENIED DENIED OFFERED XFORWARD_LINE "250 HELP\r\n"), NULL, SLICE_NONE, SMTP_PERMIT_XFORWARD},
    };
    RUN(rows);
}

/* Who was trusted or signed in before XCLIENT is somebody else after it; TLS stays. */
static void e13_server_xclient_forgets_the_login(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_required = true, .starttls = true));
    smtp_server_start_secured(d.server);
    smtp_server_permit(d.server, SMTP_PERMIT_XCLIENT);
    drive_read(&d, SLICE("HELO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nXCLIENT NAME=a.example\r\nHELO c\r\n"));
    buf_clear(&d.replies);
    drive_read(
        &d, SLICE("MAIL FROM:<a@b.example>\r\nXCLIENT NAME=a.example\r\nSTARTTLS\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"
                  "MAIL FROM:<a@b.example>\r\n"));
    assert_true(slice_equal(buf_slice(&d.replies),
                            SLICE("530 5.7.0 Authentication required\r\n" DENIED "503 5.5.1 TLS is active already\r\n"
                                  "235 2.7.0 Authentication succeeded\r\n" SENDER)));
    drive_close(&d);
}

static void e13_server_xforward(void **state)
{
    (void)state;
    struct row rows[] = {
        {"repeated", DEFAULTS,
         SLICE(
             "EHLO c\r\nXFORWARD NAME=spike.example ADDR=192.0.2.7 PROTO=ESMTP\r\nXFORWARD HELO=any+20thing IDENT=ABC "
             "SOURCE=REMOTE\r\n" BEGIN),
         SLICE(OFFERED XFORWARD_LINE "250 HELP\r\n" OK OK BEGUN), NULL,
         SLICE("event EHLO c \nevent XFORWARD name=spike.example addr=192.0.2.7 proto=ESMTP \n"
               "event XFORWARD helo=any?thing ident=ABC source=REMOTE \nevent MAIL a@b.example \nevent RCPT "
               "c@d.example \n"),
         SMTP_PERMIT_XFORWARD},
        {"not known", DEFAULTS,
         SLICE("HELO c\r\nXFORWARD NAME=[UNAVAILABLE] SOURCE=[UNAVAILABLE] PORT=[UNAVAILABLE]\r\n"), SLICE(HELLO OK),
         NULL, SLICE("event HELO c \nevent XFORWARD name= port= source= \n"), SMTP_PERMIT_XFORWARD},
        {"malformed", DEFAULTS,
         SLICE(
             "HELO c\r\nXFORWARD LOGIN=a\r\nXFORWARD SOURCE=else\r\nXFORWARD HELO=a+0Ab\r\nXFORWARD IDENT=a IDENT=b\r\n"
             "XFORWARD PROTO=01234567890123456789012345678901234567890123456789012345678901234\r\n"),
         SLICE(HELLO BAD BAD BAD BAD BAD), NULL, SLICE_NONE, SMTP_PERMIT_XFORWARD},
        {"out of place", DEFAULTS, SLICE("XFORWARD IDENT=a\r\nHELO c\r\n" BEGIN "XFORWARD IDENT=a\r\n"),
         SLICE("503 5.5.1 Send HELO or EHLO first\r\n" HELLO BEGUN
               "503 5.5.1 XFORWARD is not possible during a mail transaction\r\n"),
         NULL, SLICE_NONE, SMTP_PERMIT_XFORWARD},
        {"not permitted", DEFAULTS, SLICE("HELO c\r\nXFORWARD IDENT=a\r\n"), SLICE(HELLO DENIED), NULL, SLICE_NONE,
         SMTP_PERMIT_XCLIENT},
    };
    RUN(rows);
}

/* RFC 1985 section 5 */
static void e15_server_etrn(void **state)
{
    (void)state;
    struct smtp_server_options o = {.etrn = true};
    struct row rows[] = {
        {"a domain, those below, a queue", o,
         SLICE("ETRN example.org\r\nEHLO c\r\nETRN example.org\r\netrn @example.org\r\nETRN #slow\r\nETRN "
               "bad.example\r\n"),
         SLICE("503 5.5.1 Send HELO or EHLO first\r\n" OFFERED "250-ETRN\r\n250 HELP\r\n"
               "253 2.0.0 Pending messages are started\r\n253 2.0.0 Pending messages are started\r\n"
               "253 2.0.0 Pending messages are started\r\n459 4.7.0 Not allowed for this destination\r\n"),
         NULL,
         SLICE("event EHLO c \nevent ETRN example.org \nevent ETRN @example.org \nevent ETRN #slow \nevent ETRN "
               "bad.example \n")},
        {"malformed", o, SLICE("HELO c\r\nETRN\r\nETRN @\r\nETRN #\r\nETRN a b\r\nETRN -x-\r\nETRN #a b\r\n"),
         SLICE(
             HELLO
             "501 5.5.4 An argument is missing\r\n501 5.5.4 Syntax: ETRN domain, @domain or #queue\r\n501 5.5.4 "
             "Syntax: "
             "ETRN domain, @domain or #queue\r\n501 5.5.4 Syntax: ETRN domain, @domain or #queue\r\n501 5.5.4 Syntax: "
             "ETRN domain, @domain or #queue\r\n501 5.5.4 Syntax: ETRN domain, @domain or #queue\r\n"),
         NULL},
        {"in a transaction", o, SLICE("HELO c\r\n" BEGIN "ETRN example.org\r\n"),
         SLICE(HELLO BEGUN "503 5.5.1 ETRN is not possible during a mail transaction\r\n"), NULL},
        {"not offered", DEFAULTS, SLICE("HELO c\r\nETRN example.org\r\n"),
         SLICE(HELLO "502 5.5.1 Command not implemented\r\n"), NULL},
    };
    RUN(rows);
}

static void e11_server_mechanisms_of_one_session(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true));
    smtp_server_mechanisms(d.server, SLICE("EXTERNAL LOGIN"));
    drive_read(&d, SLICE("EHLO c\r\nAUTH PLAIN =\r\nAUTH LOGIN\r\n*\r\n"));
    assert_true(slice_find(buf_slice(&d.replies), SLICE("250-AUTH EXTERNAL LOGIN\r\n")) > 0);
    assert_true(slice_ends_nocase(buf_slice(&d.replies),
                                  SLICE("504 5.5.4 Unrecognized authentication mechanism\r\n334 VXNlcm5hbWU6\r\n"
                                        "501 5.7.0 Authentication cancelled\r\n")));
    smtp_server_mechanisms(d.server, SLICE(""));
    buf_clear(&d.replies);
    drive_read(&d, SLICE("EHLO c\r\nAUTH LOGIN\r\n"));
    assert_true(slice_find(buf_slice(&d.replies), SLICE("AUTH")) < 0);
    assert_true(slice_ends_nocase(buf_slice(&d.replies), SLICE("502 5.5.1 Command not implemented\r\n")));
    drive_close(&d);
}

/* Under stress all the timeouts are shorter; the least rate is what it was. */
static void g3_server_timeouts_under_stress(void **state)
{
    (void)state;
    struct drive d;
    drive_open(&d, &OPTIONS(.command_timeout_ms = 300000, .data_timeout_ms = 180000, .data_grace_ms = 60000));
    smtp_server_hurry(d.server, 10);
    drive_read(&d, SLICE("HELO c\r\n"));
    assert_int_equal(smtp_server_deadline(d.server), 30000);
    drive_read(&d, SLICE(BEGIN "DATA\r\nx"));
    assert_int_equal(smtp_server_deadline(d.server), 18000);
    smtp_server_hurry(d.server, 100);
    assert_int_equal(smtp_server_deadline(d.server), 180000);
    smtp_server_hurry(d.server, 10);
    d.now = 18000;
    smtp_server_tick(d.server, d.now);
    drive_events(&d);
    assert_string_equal(d.why, "timeout");
    drive_close(&d);
    drive_open(&d, &OPTIONS(.data_grace_ms = 60000, .min_rate = 1));
    smtp_server_hurry(d.server, 10);
    drive_read(&d, SLICE("HELO c\r\n" BEGIN "DATA\r\n"));
    assert_int_equal(smtp_server_deadline(d.server), 6000);
    drive_close(&d);
}

/* Every verb and extension that is offered can be asked about. */
static void help_of_every_verb_and_extension(void **state)
{
    (void)state;
    static const char *const topics[] = {"BDAT",          "LHLO",
                                         "ETRN",          "XCLIENT",
                                         "XFORWARD",      "CHUNKING",
                                         "BINARYMIME",    "DSN",
                                         "SMTPUTF8",      "DELIVERBY",
                                         "FUTURERELEASE", "MT-PRIORITY",
                                         "REQUIRETLS",    "LIMITS",
                                         "XTAG",          "PIPELINING",
                                         "SIZE",          "8BITMIME",
                                         "STARTTLS",      "AUTH",
                                         "HELP",          "ENHANCEDSTATUSCODES"};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        struct drive d;
        char text[100];
        buf in;
        drive_open(&d, &OPTIONS(.lmtp = i == 1));
        drive_events(&d);
        buf_clear(&d.replies);
        buf_init_fixed(&in, text, sizeof text);
        buf_printf(&in, "HELP %s\r\n", topics[i]);
        drive_read(&d, buf_slice(&in));
        buf_clear(&in);
        buf_printf(&in, "214-2.0.0 %s", topics[i]);
        if (!slice_starts(buf_slice(&d.replies), buf_slice(&in)))
            fail_msg("%s: %.*s", topics[i], SLICE_ARG(buf_slice(&d.replies)));
        drive_close(&d);
    }
    struct drive d;
    drive_open(&d, &OPTIONS(.etrn = true));
    drive_read(&d, SLICE("HELP\r\n"));
    assert_true(slice_find(buf_slice(&d.replies),
                           SLICE("Commands: MAIL RCPT DATA BDAT EHLO HELO QUIT RSET NOOP VRFY EXPN ETRN HELP\r\n")) >
                0);
    assert_true(
        slice_find(buf_slice(&d.replies), SLICE("Extensions: PIPELINING SIZE ENHANCEDSTATUSCODES 8BITMIME CHUNKING "
                                                "BINARYMIME SMTPUTF8 DSN DELIVERBY MT-PRIORITY ETRN HELP\r\n")) > 0);
    drive_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e13_server_xclient),
        cmocka_unit_test(e13_server_xclient_forgets_the_login),
        cmocka_unit_test(e13_server_xforward),
        cmocka_unit_test(e15_server_etrn),
        cmocka_unit_test(e11_server_mechanisms_of_one_session),
        cmocka_unit_test(g3_server_timeouts_under_stress),
        cmocka_unit_test(help_of_every_verb_and_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
