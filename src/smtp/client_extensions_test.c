/* SPDX-License-Identifier: ISC */
/* What the client says of a message to a host, by what the host offers: a row each, named by the extension's row in the map of features. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/talk_test.h"

#pragma GCC diagnostic ignored "-Wmissing-braces" /* gcc 12 wants them around compound literals */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define EHLO "EHLO us.example\r\n"
#define QUIT "QUIT\r\n"
#define HOST(...) "220 mx ESMTP\r\n", "250-mx\r\n" __VA_ARGS__ "250 OK\r\n"
#define BYE "221 bye\r\n"
#define TAKEN "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n", BYE
#define HELLO                                                                                                          \
    {                                                                                                                  \
        .from = SLICE("a@b"), .to = {SLICE("c@d")}, .content = SLICE("hello\r\n")                                      \
    }
#define BODY "DATA\r\nhello\r\n.\r\n" QUIT
#define EIGHT                                                                                                          \
    {                                                                                                                  \
        .from = SLICE("a@b"), .to = {SLICE("c@d")}, .content = SLICE("\r\n\xc3\xa9\r\n")                               \
    }
#define EIGHT_BODY "DATA\r\n\r\n\xc3\xa9\r\n.\r\n" QUIT

struct row {
    const char *name;
    struct smtp_client_options options;
    struct talk_message message;
    struct talk_extra extra;
    const char *host[12]; /* each when all before is answered */
    const char *wire, *log;
    bool unverified;
};

static void run_row(const struct row *row)
{
    for (size_t piece = 1; piece < 400; piece = piece * 5 + 1) {
        struct talk t = {.extras = &row->extra};
        talk_open(&t, &row->options, &row->message, 1);
        t.unverified = row->unverified;
        for (size_t i = 0; i < 12 && row->host[i]; i++) {
            slice said = slice_str(row->host[i]);
            for (size_t from = 0; from < said.len; from += piece)
                talk_read(&t, slice_sub(said, from, from + piece < said.len ? from + piece : said.len));
            talk_handshake(&t);
        }
        if (!slice_equal(buf_slice(&t.wire), slice_str(row->wire)))
            fail_msg("%s: wanted on the wire\n%s\ngot\n%.*s", row->name, row->wire, SLICE_ARG(buf_slice(&t.wire)));
        if (!slice_equal(buf_slice(&t.log), slice_str(row->log)))
            fail_msg("%s: wanted events\n%s\ngot\n%.*s", row->name, row->log, SLICE_ARG(buf_slice(&t.log)));
        talk_close(&t);
    }
}

#define RUN(rows)                                                                                                      \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                                      \
    run_row(&(rows)[i])

#define OK_LOG "rcpt 0 they: 250 taken\ndone\nclosed\n"

static void e1_client_pipelines_only_where_it_is_offered(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "offered",
         .message = HELLO,
         .host = {HOST("250-PIPELINING\r\n"), "250 ok\r\n250 ok\r\n354 go\r\n", "250 taken\r\n", BYE},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "the replies of all commands of a group are read in their order",
         .message = {.from = SLICE("a@b"), .to = {SLICE("c@d"), SLICE("e@f")}, .content = SLICE("hello\r\n")},
         .host = {HOST("250-pipelining\r\n"), "250 ok\r\n550 one\r\n", "450 two\r\n554 none left\r\n", "250 reset\r\n",
                  BYE},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nRSET\r\n" QUIT,
         .log = "rcpt 0 they: 550 one\nrcpt 1 they: 450 two\ndone\nclosed\n"},
    };
    RUN(rows);
    /* Without it each command waits for its reply. */
    struct talk t = {0};
    struct talk_message m = HELLO;
    talk_open(&t, &(struct smtp_client_options){0}, &m, 1);
    talk_read(&t, SLICE("220 mx\r\n250 mx\r\n"));
    assert_true(slice_equal(buf_slice(&t.wire), SLICE(EHLO "MAIL FROM:<a@b>\r\n")));
    talk_read(&t, SLICE("250 ok\r\n"));
    assert_true(slice_ends_nocase(buf_slice(&t.wire), SLICE("RCPT TO:<c@d>\r\n")));
    talk_close(&t);
}

static void e2_client_8bitmime(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "declared to who offers it",
         .message = EIGHT,
         .host = {HOST("250-8BITMIME\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<c@d>\r\n" EIGHT_BODY,
         .log = OK_LOG},
        {.name = "never to others: converted by the caller",
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_BODY_8BIT}, .converted = true},
         .host = {HOST(), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "converted for another reason: not declared any more",
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_BODY_8BIT}, .converted = true},
         .host = {HOST("250-8BITMIME\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "signed: as it is, by choice",
         .message = EIGHT,
         .extra = {.envelope = {.flags = ENVELOPE_BODY_8BIT}, .as_it_is = true},
         .host = {HOST(), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" EIGHT_BODY,
         .log = OK_LOG},
        {.name = "neither: refused without a word to the host",
         .message = EIGHT,
         .extra = {.envelope = {.flags = ENVELOPE_BODY_8BIT}},
         .host = {HOST(), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: 554 5.6.3 The next host cannot take 8-bit content\ndone\nclosed\n"},
    };
    RUN(rows);
}

static void e3_client_enhanced_codes_are_read_where_they_fit(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "of the reply's class",
         .message = HELLO,
         .host = {HOST("250-ENHANCEDSTATUSCODES\r\n"), "250 2.1.0 ok\r\n", "450 4.2.1 later\r\n", "250 reset\r\n", BYE},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRSET\r\n" QUIT,
         .log = "rcpt 0 they: 450 4.2.1 later\ndone\nclosed\n"},
        {.name = "of another class it is text, and the reply code rules",
         .message = HELLO,
         .host = {HOST("250-ENHANCEDSTATUSCODES\r\n"), "250 ok\r\n", "450 5.1.1 who\r\n", "250 reset\r\n", BYE},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRSET\r\n" QUIT,
         .log = "rcpt 0 they: 450 5.1.1 who\ndone\nclosed\n"},
    };
    RUN(rows);
}

#define BINARY                                                                                                         \
    {                                                                                                                  \
        .from = SLICE("a@b"), .to = {SLICE("c@d")}, .content = SLICE("x: y\r\n\r\n\0\n.\r\n.\r\nz"), .piece = 3        \
    }
#define BINARY_OFFER "250-CHUNKING\r\n250-BINARYMIME\r\n250-SIZE 1000\r\n"

static void e4_client_text_goes_with_data_also_to_hosts_with_chunking(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "text",
         .message = HELLO,
         .host = {HOST(BINARY_OFFER), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

/* RFC 3030: the octets as they are, in one chunk, no dot-stuffing, no end but the count. */
static void run_binary(const char *host, const char *after_ehlo, slice wire, const char *log)
{
    struct talk t = {.extras = &(struct talk_extra){.envelope = {.flags = ENVELOPE_BODY_BINARY}}};
    struct talk_message m = BINARY;
    talk_open(&t, &(struct smtp_client_options){0}, &m, 1);
    talk_read(&t, SLICE("220 mx\r\n"));
    talk_read(&t, slice_str(host));
    for (slice rest = slice_str(after_ehlo), line; rest.len > 0;) {
        (void)slice_cut(rest, '|', &line, &rest);
        talk_read(&t, line);
    }
    if (!slice_equal(buf_slice(&t.wire), wire))
        fail_msg("got\n%.*s", SLICE_ARG(buf_slice(&t.wire)));
    assert_string_equal(log, t.log.ptr ? (buf_append_char(&t.log, 0), t.log.ptr) : "");
    talk_close(&t);
}

static void e4_client_bdat(void **state)
{
    (void)state;
    run_binary("250-mx\r\n250-CHUNKING\r\n250 BINARYMIME\r\n", "250 ok\r\n|250 ok\r\n|250 taken\r\n|221 bye\r\n",
               SLICE(EHLO "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 17 LAST\r\n"
                          "x: y\r\n\r\n\0\n.\r\n.\r\nzQUIT\r\n"),
               OK_LOG);
    /* pipelined: MAIL and RCPT together, the content only when somebody was taken */
    run_binary("250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n",
               "250 ok\r\n550 5.1.1 no\r\n|250 reset\r\n|221 bye\r\n",
               SLICE(EHLO "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nRSET\r\nQUIT\r\n"),
               "rcpt 0 they: 550 5.1.1 no\ndone\nclosed\n");
    /* RFC 3030 section 2: after a chunk was refused, RSET */
    run_binary("250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n",
               "250 ok\r\n250 ok\r\n|452 4.3.1 full\r\n|250 reset\r\n|221 bye\r\n",
               SLICE(EHLO "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 17 LAST\r\n"
                          "x: y\r\n\r\n\0\n.\r\n.\r\nzRSET\r\nQUIT\r\n"),
               "rcpt 0 they: 452 4.3.1 full\ndone\nclosed\n");
}

/* The caller's content is not of the size that was declared: the session is cut, so that the host never takes it for whole. */
static void e4_client_bdat_that_falls_short_is_cut(void **state)
{
    (void)state;
    struct talk t = {.extras = &(struct talk_extra){.envelope = {.flags = ENVELOPE_BODY_BINARY}}};
    struct talk_message m = BINARY;
    struct smtp_client_event e;
    size_t used;
    talk_open(&t, &(struct smtp_client_options){0}, &m, 1);
    talk_read(&t, SLICE("220 mx\r\n"));
    talk_read(&t, SLICE("250-mx\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"));
    talk_read(&t, SLICE("250 ok\r\n"));
    assert_int_equal(smtp_client_feed(t.client, 0, SLICE("250 ok\r\n"), &used), ERR_OK);
    assert_true(smtp_client_next(t.client, &e));
    assert_int_equal(e.kind, SMTP_CLIENT_BODY);
    smtp_client_body(t.client, 0, SLICE("x: y\r\n"), &t.out);
    smtp_client_body_end(t.client, 0, &t.out);
    talk_events(&t);
    assert_true(t.over);
    assert_true(slice_find(buf_slice(&t.log), SLICE("rcpt 0 we: 451 4.3.0")) >= 0);
    talk_close(&t);
}

static void e5_client_binarymime_needs_both_keywords(void **state)
{
    (void)state;
    static const char *const hosts[] = {"250 mx\r\n", "250-mx\r\n250-8BITMIME\r\n250 CHUNKING\r\n",
                                        "250-mx\r\n250 BINARYMIME\r\n"};
    for (size_t i = 0; i < 3; i++)
        run_binary(hosts[i], "221 bye\r\n", SLICE(EHLO "QUIT\r\n"),
                   "rcpt 0 we: 554 5.6.1 The next host cannot take binary content\ndone\nclosed\n");
    const struct row rows[] = {
        {.name = "converted by the caller it is text",
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_BODY_BINARY}, .converted = true},
         .host = {HOST("250-8BITMIME\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

#define UTF8_OFFER "250-8BITMIME\r\n250-SMTPUTF8\r\n"

static void e6_client_smtputf8_is_asked_for_only_where_it_is_needed(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "a sender's address needs it",
         .message = {.from = SLICE("\xc3\xa9@b"), .to = {SLICE("c@d")}, .content = SLICE("hello\r\n")},
         .host = {HOST(UTF8_OFFER), TAKEN},
         .wire = EHLO "MAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "a recipient's needs it",
         .message = {.from = SLICE("a@b"), .to = {SLICE("\xc3\xa9@d")}, .content = SLICE("hello\r\n")},
         .host = {HOST(UTF8_OFFER), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> SMTPUTF8\r\nRCPT TO:<\xc3\xa9@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "the header needs it",
         .message = {.from = SLICE("a@b"), .to = {SLICE("c@d")}, .content = SLICE("To: \xc3\xa9\r\n")},
         .extra = {.envelope = {.flags = ENVELOPE_SMTPUTF8}},
         .host = {HOST(UTF8_OFFER), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<c@d>\r\nDATA\r\nTo: \xc3\xa9\r\n.\r\n" QUIT,
         .log = OK_LOG},
        {.name = "declared, and nothing needs it",
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_SMTPUTF8}},
         .host = {HOST(UTF8_OFFER), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "an old program's header that was never declared goes as it came",
         .message = {.from = SLICE("a@b"), .to = {SLICE("c@d")}, .content = SLICE("To: \xe9\r\n")},
         .host = {HOST(UTF8_OFFER), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nDATA\r\nTo: \xe9\r\n.\r\n" QUIT,
         .log = OK_LOG},
    };
    RUN(rows);
}

#define NO_UTF8 "553 5.6.7 The next host does not take international addresses or headers\n"

static void e6_client_without_smtputf8_at_the_next_host(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "only the recipients that need it are refused",
         .message = {.from = SLICE("a@b"), .to = {SLICE("\xc3\xa9@d"), SLICE("c@d")}, .content = SLICE("hello\r\n")},
         .host = {HOST("250-8BITMIME\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = "rcpt 0 we: " NO_UTF8 "rcpt 1 they: 250 taken\ndone\nclosed\n"},
        {.name = "the sender's address",
         .message = {.from = SLICE("\xc3\xa9@b"), .to = {SLICE("c@d")}, .content = SLICE("hello\r\n")},
         .host = {HOST("250-8BITMIME\r\n"), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: " NO_UTF8 "done\nclosed\n"},
        {.name = "the header",
         .message = {.from = SLICE("a@b"), .to = {SLICE("c@d")}, .content = SLICE("To: \xc3\xa9\r\n")},
         .extra = {.envelope = {.flags = ENVELOPE_SMTPUTF8}},
         .host = {HOST("250-8BITMIME\r\n"), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: " NO_UTF8 "done\nclosed\n"},
        {.name = "an address that is not even UTF-8",
         .message = {.from = SLICE("a@b"), .to = {SLICE("\xe9@d")}, .content = SLICE("hello\r\n")},
         .host = {HOST(UTF8_OFFER), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: 501 5.1.3 Bad recipient address syntax\ndone\nclosed\n"},
    };
    RUN(rows);
}

static void e7_client_dsn(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "passed on as it came",
         .message = {.from = SLICE("a@b"),
                     .to = {SLICE("c@d"), SLICE("e@f"), SLICE("g@h")},
                     .content = SLICE("hello\r\n")},
         .extra = {.envelope = {.envid = SLICE("x=1+2 "), .flags = ENVELOPE_RET_HDRS},
                   .recipients = {{.notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
                                   .orcpt = SLICE("rfc822;c+d@e")},
                                  {.notify = NOTIFY_NEVER},
                                  {.orcpt = SLICE("x400;/a=b/")}}},
         .host = {HOST("250-DSN\r\n250-PIPELINING\r\n"), "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n",
                  "250 taken\r\n", BYE},
         .wire = EHLO "MAIL FROM:<a@b> RET=HDRS ENVID=x+3D1+2B2+20\r\n"
                      "RCPT TO:<c@d> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;c+2Bd@e\r\n"
                      "RCPT TO:<e@f> NOTIFY=NEVER\r\nRCPT TO:<g@h> ORCPT=x400;/a+3Db/\r\n" BODY,
         .log = "rcpt 1 they: 550 no\nrcpt 0 dsn they: 250 taken\nrcpt 2 dsn they: 250 taken\ndone\nclosed\n"},
        {.name = "RFC 3461 section 5.2.2: not to a host without it, and the caller learns that nobody answers",
         .message = HELLO,
         .extra = {.envelope = {.envid = SLICE("x"), .flags = ENVELOPE_RET_FULL},
                   .recipients = {{.notify = NOTIFY_SUCCESS, .orcpt = SLICE("rfc822;c@d")}}},
         .host = {HOST(), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "RFC 6533 section 3: an international original to a host of ASCII",
         .message = HELLO,
         .extra = {.recipients = {{.orcpt = SLICE("utf-8;\xc3\xa9@d")}}},
         .host = {HOST("250-DSN\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d> ORCPT=utf-8;\\x{E9}@d\r\n" BODY,
         .log = "rcpt 0 dsn they: 250 taken\ndone\nclosed\n"},
        {.name = "and where SMTPUTF8 is used",
         .message = {.from = SLICE("\xc3\xa9@b"), .to = {SLICE("c@d")}, .content = SLICE("hello\r\n")},
         .extra = {.recipients = {{.orcpt = SLICE("utf-8;\xc3\xa9@d")}}},
         .host = {HOST("250-DSN\r\n250-SMTPUTF8\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\nRCPT TO:<c@d> ORCPT=utf-8;\xc3\xa9@d\r\n" BODY,
         .log = "rcpt 0 dsn they: 250 taken\ndone\nclosed\n"},
        {.name = "LMTP delivers: it is final there, whatever it offers",
         .options = {.lmtp = true},
         .message = HELLO,
         .extra = {.recipients = {{.notify = NOTIFY_SUCCESS}}},
         .host = {HOST("250-DSN\r\n"), TAKEN},
         .wire = "LHLO us.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d> NOTIFY=SUCCESS\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

#define BY(mode, s) .extra = {.envelope = {.deliver_by_s = (s), .flags = (mode)}, .now_s = 1000}

static void e8_client_deliver_by(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "what is left of the time",
         .message = HELLO,
         BY(ENVELOPE_BY_RETURN | ENVELOPE_BY_TRACE, 1120),
         .host = {HOST("250-DELIVERBY\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> BY=120;RT\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "mode N may be late",
         .message = HELLO,
         BY(ENVELOPE_BY_NOTIFY, 970),
         .host = {HOST("250-DELIVERBY 60\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> BY=-30;N\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "mode N goes to who does not know of it",
         .message = HELLO,
         BY(ENVELOPE_BY_NOTIFY, 1120),
         .host = {HOST(), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "which tells of delays then",
         .message = HELLO,
         BY(ENVELOPE_BY_NOTIFY, 1120),
         .host = {HOST("250-DSN\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d> NOTIFY=FAILURE,DELAY\r\n" BODY,
         .log = "rcpt 0 dsn they: 250 taken\ndone\nclosed\n"},
        {.name = "mode R does not",
         .message = HELLO,
         BY(ENVELOPE_BY_RETURN, 1120),
         .host = {HOST(), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: 554 5.3.3 The next host does not promise a time of delivery\ndone\nclosed\n"},
        {.name = "nor to who takes no less than so much",
         .message = HELLO,
         BY(ENVELOPE_BY_RETURN, 1120),
         .host = {HOST("250-DELIVERBY 121\r\n"), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: 554 5.3.3 The next host does not promise a time of delivery\ndone\nclosed\n"},
        {.name = "the time is over",
         .message = HELLO,
         BY(ENVELOPE_BY_RETURN, 1000),
         .host = {HOST("250-DELIVERBY\r\n"), BYE},
         .wire = EHLO QUIT,
         .log = "rcpt 0 we: 554 5.4.7 Could not be delivered by the time that was asked for\ndone\nclosed\n"},
        {.name = "LMTP is delivery",
         .options = {.lmtp = true},
         .message = HELLO,
         BY(ENVELOPE_BY_RETURN, 1120),
         .host = {HOST(), TAKEN},
         .wire = "LHLO us.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

static void e8_client_priority(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "offered",
         .message = HELLO,
         .extra = {.envelope = {.priority = -9}},
         .host = {HOST("250-MT-PRIORITY MIXER\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b> MT-PRIORITY=-9\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "normal",
         .message = HELLO,
         .host = {HOST("250-MT-PRIORITY\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "not offered",
         .message = HELLO,
         .extra = {.envelope = {.priority = 4}},
         .host = {HOST(), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

#define NO_TLS_LOG "rcpt 0 we: 550 5.7.30 The next host does not promise REQUIRETLS\ndone\nclosed\n"
#define TLS_HOST "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"
#define TLS_WIRE EHLO "STARTTLS\r\n(TLS)\r\n" EHLO

static void e9_client_requiretls(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "over verified TLS, to a host that promises it",
         .options = {.tls = SMTP_CLIENT_TLS_MAY},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {TLS_HOST, "250-mx\r\n250 REQUIRETLS\r\n", TAKEN},
         .wire = TLS_WIRE "MAIL FROM:<a@b> REQUIRETLS\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "not verified",
         .options = {.tls = SMTP_CLIENT_TLS_MAY},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {TLS_HOST, "250-mx\r\n250 REQUIRETLS\r\n", BYE},
         .wire = TLS_WIRE QUIT,
         .log = NO_TLS_LOG,
         .unverified = true},
        {.name = "verified, not promised",
         .options = {.tls = SMTP_CLIENT_TLS_MAY},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {TLS_HOST, "250 mx\r\n", BYE},
         .wire = TLS_WIRE QUIT,
         .log = NO_TLS_LOG},
        {.name = "promised in the clear",
         .options = {.tls = SMTP_CLIENT_TLS_MAY},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {HOST("250-REQUIRETLS\r\n"), BYE},
         .wire = EHLO QUIT,
         .log = NO_TLS_LOG},
        {.name = "LMTP on this machine is delivery",
         .options = {.lmtp = true, .local = true},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {HOST("250-REQUIRETLS\r\n"), TAKEN},
         .wire = "LHLO us.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "LMTP to another machine is in the clear",
         .options = {.lmtp = true},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {HOST("250-REQUIRETLS\r\n"), BYE},
         .wire = "LHLO us.example\r\n" QUIT,
         .log = NO_TLS_LOG},
        {.name = "SMTP on this machine is none",
         .options = {.local = true},
         .message = HELLO,
         .extra = {.envelope = {.flags = ENVELOPE_REQUIRETLS}},
         .host = {HOST("250-REQUIRETLS\r\n"), BYE},
         .wire = EHLO QUIT,
         .log = NO_TLS_LOG},
        {.name = "never said of mail that does not ask for it",
         .options = {.tls = SMTP_CLIENT_TLS_MAY},
         .message = HELLO,
         .host = {TLS_HOST, "250-mx\r\n250 REQUIRETLS\r\n", TAKEN},
         .wire = TLS_WIRE "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

static void e10_client_learns_limits(void **state)
{
    (void)state;
    static const struct {
        slice said;
        uint32_t rcpt, mail, domains;
    } rows[] = {
        {SLICE("250 LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1\r\n"), 20, 5, 1},
        {SLICE("250 limits rcptmax=999999\r\n"), 999999, 0, 0},
        {SLICE("250 LIMITS RCPTMAX=1000000\r\n"), 0, 0, 0},
        {SLICE("250 LIMITS RCPTMAX=0 MAILMAX=x RCPTDOMAINMAX=01 FOO=7:a BAR MAILMAX=3\r\n"), 0, 3, 0},
        /* no words of this extension: none of them counts (RFC 9422 section 3.7) */
        {SLICE("250 LIMITS RCPTMAX=20 MAILMAX=\r\n"), 0, 0, 0},
        {SLICE("250 LIMITS RCPTMAX=20 a;b\r\n"), 0, 0, 0},
        {SLICE("250 LIMITS RCPTMAX=20 =5\r\n"), 0, 0, 0},
        {SLICE("250 LIMITS RCPTMAX=20 A=b;c\r\n"), 0, 0, 0},
        {SLICE("250 LIMITS\r\n"), 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk t = {0};
        talk_open(&t, &(struct smtp_client_options){0}, NULL, 0);
        talk_read(&t, SLICE("220 mx\r\n250-mx\r\n"));
        talk_read(&t, rows[i].said);
        struct smtp_client_offer o = smtp_client_offered(t.client);
        assert_int_equal(o.rcpt_max, rows[i].rcpt);
        assert_int_equal(o.mail_max, rows[i].mail);
        assert_int_equal(o.rcpt_domain_max, rows[i].domains);
        talk_close(&t);
    }
}

static const slice empty = {"", 0};

static void run_login(const char *name, struct talk_login login, const char *const *host, const char *wire,
                      const char *log)
{
    struct talk t = {.login = login};
    talk_open(&t, &(struct smtp_client_options){.sign_in = true, .auth_plaintext_ok = true}, NULL, 0);
    for (size_t i = 0; host[i]; i++)
        talk_read(&t, slice_str(host[i]));
    if (!slice_equal(buf_slice(&t.wire), slice_str(wire)))
        fail_msg("%s: got on the wire\n%.*s", name, SLICE_ARG(buf_slice(&t.wire)));
    if (!slice_equal(buf_slice(&t.log), slice_str(log)))
        fail_msg("%s: got events\n%.*s", name, SLICE_ARG(buf_slice(&t.log)));
    talk_close(&t);
}

#define AUTH_HOST "220 mx\r\n", "250-mx\r\n250 AUTH X\r\n"

static void e11_client_auth_carries_any_mechanism(void **state)
{
    (void)state;
    const slice initial = SLICE("\0x");
    run_login("initial response", (struct talk_login){.mechanism = SLICE("X"), .initial = &initial},
              (const char *const[]){AUTH_HOST, "235 in\r\n", BYE, NULL}, EHLO "AUTH X AHg=\r\n" QUIT, "closed\n");
    run_login("RFC 4954 section 4: an empty one is =", (struct talk_login){.mechanism = SLICE("X"), .initial = &empty},
              (const char *const[]){AUTH_HOST, "235 in\r\n", BYE, NULL}, EHLO "AUTH X =\r\n" QUIT, "closed\n");
    run_login("challenges, empty ones too",
              (struct talk_login){.mechanism = SLICE("X"), .responses = {SLICE("a"), SLICE("")}},
              (const char *const[]){AUTH_HOST, "334 \r\n", "334 eA==\r\n", "235 in\r\n", BYE, NULL},
              EHLO "AUTH X\r\nYQ==\r\n\r\n" QUIT, "closed\n");
    run_login("a proof that is wrong: cancelled", (struct talk_login){.mechanism = SLICE("X")},
              (const char *const[]){AUTH_HOST, "334 eA==\r\n", NULL}, EHLO "AUTH X\r\n*\r\n",
              "failed in phase 3 we: 451 4.7.8 We have nothing to say to that\n");
    run_login("refused", (struct talk_login){.mechanism = SLICE("X")},
              (const char *const[]){AUTH_HOST, "535 5.7.8 no\r\n", NULL}, EHLO "AUTH X\r\n",
              "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 535 5.7.8 no\n");
    run_login("MAIL says AUTH= to nobody before", (struct talk_login){0},
              (const char *const[]){"220 mx\r\n", "250 mx\r\n", NULL}, EHLO,
              "failed in phase 3 we: 451 4.7.8 The next host offers no login that we know\n");
}

/* RFC 4954 section 4: what would make the command longer than 512 octets comes as the answer to an empty challenge. */
static void e11_client_a_long_initial_response_waits(void **state)
{
    (void)state;
    char token[600], wire[1200];
    memset(token, 'a', sizeof token);
    const slice initial = slice_of(token, sizeof token);
    buf b;
    buf_init_fixed(&b, wire, sizeof wire);
    buf_append(&b, SLICE(EHLO "AUTH X\r\n"));
    buf_append_base64(&b, initial);
    buf_append(&b, SLICE("\r\n" QUIT "\0"));
    run_login("long", (struct talk_login){.mechanism = SLICE("X"), .initial = &initial},
              (const char *const[]){AUTH_HOST, "334 \r\n", "235 in\r\n", BYE, NULL}, wire, "closed\n");
}

#define REPEATED_LOG                                                                                                   \
    "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 535 5.7.8 (words that repeat our login)\n"

/* Logs, the queue's listing and reports to senders quote the host: not where it quotes us. */
static void threat_hostile_server_repeats_the_login(void **state)
{
    (void)state;
#define PLAIN_HOST "220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n"
#define PLAIN_WIRE EHLO "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"
    run_login("the command", (struct talk_login){0},
              (const char *const[]){PLAIN_HOST, "535-5.7.8 no:\r\n535 5.7.8 AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", NULL},
              PLAIN_WIRE, REPEATED_LOG);
    run_login("the password", (struct talk_login){0},
              (const char *const[]){PLAIN_HOST, "535 5.7.8 \"secret\" is wrong\r\n", NULL}, PLAIN_WIRE, REPEATED_LOG);
    run_login("the name alone is none", (struct talk_login){0},
              (const char *const[]){PLAIN_HOST, "535 5.7.8 alice who\r\n", NULL}, PLAIN_WIRE,
              "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 535 5.7.8 alice who\n");
    run_login("a later response", (struct talk_login){0},
              (const char *const[]){"220 mx\r\n", "250-mx\r\n250 AUTH LOGIN\r\n", "334 \r\n", "334 \r\n",
                                    "535 5.7.8 c2VjcmV0\r\n", NULL},
              EHLO "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n", REPEATED_LOG);
    run_login("on its way out", (struct talk_login){0},
              (const char *const[]){PLAIN_HOST, "421 4.7.8 AGFsaWNlAHNlY3JldA==\r\n", NULL}, PLAIN_WIRE,
              "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 421 4.7.8 (words that repeat our "
              "login)\n");
}

static void e11_client_mail_says_auth_once_signed_in(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "nobody in particular",
         .options = {.sign_in = true, .auth_plaintext_ok = true},
         .message = HELLO,
         .host = {HOST("250-AUTH PLAIN\r\n"), "235 in\r\n", TAKEN},
         .wire = EHLO "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<a@b> AUTH=<>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "somebody",
         .options = {.sign_in = true, .auth_plaintext_ok = true, .auth = SLICE("a+b@c")},
         .message = HELLO,
         .host = {HOST("250-AUTH PLAIN\r\n"), "235 in\r\n", TAKEN},
         .wire = EHLO "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<a@b> AUTH=a+2Bb@c\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
        {.name = "not signed in",
         .message = HELLO,
         .host = {HOST("250-AUTH PLAIN\r\n"), TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

static void e14_client_lmtp(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "a verdict for each recipient, in their order",
         .options = {.lmtp = true},
         .message = {.from = SLICE(""), .to = {SLICE("c@d"), SLICE("e@f"), SLICE("g@h")}, .content = SLICE("x\r\n")},
         .host = {HOST("250-PIPELINING\r\n"), "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n", "250 one\r\n",
                  "452 4.2.2 full\r\n", BYE},
         .wire = "LHLO us.example\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRCPT "
                 "TO:<g@h>\r\nDATA\r\nx\r\n.\r\n" QUIT,
         .log = "rcpt 1 they: 550 no\nrcpt 0 they: 250 one\nrcpt 2 they: 452 4.2.2 full\ndone\nclosed\n"},
        {.name = "no HELO: LHLO refused is the end",
         .options = {.lmtp = true},
         .message = HELLO,
         .host = {"220 mx\r\n", "500 this is SMTP\r\n"},
         .wire = "LHLO us.example\r\n",
         .log = "failed in phase 1 they: 500 this is SMTP\n"},
        {.name = "354 for nobody has no reply to its end: the session is over",
         .options = {.lmtp = true},
         .message = HELLO,
         .host = {HOST("250-PIPELINING\r\n"), "250 ok\r\n550 no\r\n354 go\r\n"},
         .wire = "LHLO us.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
         .log = "rcpt 0 they: 550 no\ndone\nfailed in phase 7 we: 451 4.5.0 The next host's reply is no SMTP\n"},
        {.name = "with BDAT",
         .options = {.lmtp = true},
         .message = {.from = SLICE("a@b"), .to = {SLICE("c@d"), SLICE("e@f")}, .content = SLICE("x\r\n")},
         .extra = {.envelope = {.flags = ENVELOPE_BODY_BINARY}},
         .host = {HOST("250-CHUNKING\r\n250-BINARYMIME\r\n"), "250 ok\r\n", "250 ok\r\n", "250 ok\r\n",
                  "250 one\r\n450 two\r\n", "250 reset\r\n", BYE},
         .wire = "LHLO us.example\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nBDAT 3 "
                 "LAST\r\nx\r\nRSET\r\n" QUIT,
         .log = "rcpt 0 they: 250 one\nrcpt 1 they: 450 two\ndone\nclosed\n"},
    };
    RUN(rows);
}

/* What is no business of a client: it neither says nor asks. */
static void e13_e15_client_says_nothing_of_xclient_xforward_and_etrn(void **state)
{
    (void)state;
    const struct row rows[] = {
        {.name = "offered",
         .message = HELLO,
         .host = {HOST("250-XCLIENT NAME ADDR\r\n250-XFORWARD NAME\r\n250-ETRN\r\n250-FUTURERELEASE 9 "
                       "2030-01-01T00:00:00Z\r\n"),
                  TAKEN},
         .wire = EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" BODY,
         .log = OK_LOG},
    };
    RUN(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e1_client_pipelines_only_where_it_is_offered),
        cmocka_unit_test(e2_client_8bitmime),
        cmocka_unit_test(e3_client_enhanced_codes_are_read_where_they_fit),
        cmocka_unit_test(e4_client_text_goes_with_data_also_to_hosts_with_chunking),
        cmocka_unit_test(e4_client_bdat),
        cmocka_unit_test(e4_client_bdat_that_falls_short_is_cut),
        cmocka_unit_test(e5_client_binarymime_needs_both_keywords),
        cmocka_unit_test(e6_client_smtputf8_is_asked_for_only_where_it_is_needed),
        cmocka_unit_test(e6_client_without_smtputf8_at_the_next_host),
        cmocka_unit_test(e7_client_dsn),
        cmocka_unit_test(e8_client_deliver_by),
        cmocka_unit_test(e8_client_priority),
        cmocka_unit_test(e9_client_requiretls),
        cmocka_unit_test(e10_client_learns_limits),
        cmocka_unit_test(e11_client_auth_carries_any_mechanism),
        cmocka_unit_test(e11_client_a_long_initial_response_waits),
        cmocka_unit_test(threat_hostile_server_repeats_the_login),
        cmocka_unit_test(e11_client_mail_says_auth_once_signed_in),
        cmocka_unit_test(e13_e15_client_says_nothing_of_xclient_xforward_and_etrn),
        cmocka_unit_test(e14_client_lmtp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
