/* SPDX-License-Identifier: ISC */
#include "smtp/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "smtp/talk_test.h"

#pragma GCC diagnostic ignored "-Wmissing-braces" /* gcc 12 wants them around compound literals */

#define OPTIONS(...) ((struct smtp_client_options){__VA_ARGS__})
#define DEFAULTS ((struct smtp_client_options){0})
#define PLAIN_HOST "220 mx ESMTP\r\n", "250 mx\r\n"
#define FAST_HOST "220 mx ESMTP\r\n", "250-mx\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
#define EHLO "EHLO us.example\r\n"
#define QUIT "QUIT\r\n"
#define TWO                                                                                                            \
    {                                                                                                                  \
        SLICE("c@d"), SLICE("e@f")                                                                                     \
    }
#define HELLO_MAIL                                                                                                     \
    {                                                                                                                  \
        SLICE("a@b"), TWO, SLICE("hello\r\n"), 0, 0, false                                                             \
    }

struct row {
    const char *name;
    struct smtp_client_options options;
    struct talk_message messages[2];
    const char *host[16]; /* each when all before is answered */
    const char *wire;
    const char *log;
    bool unverified;
    enum err lost; /* after the last of host; 0: not lost */
};

static size_t count_messages(const struct row *row)
{
    return row->messages[1].to[0].len > 0 ? 2 : row->messages[0].to[0].len > 0 ? 1 : 0;
}

static void run_row(const struct row *row)
{
    for (size_t piece = 1; piece < 400; piece = piece * 3 + 1) {
        struct talk t = {0};
        talk_open(&t, &row->options, row->messages, count_messages(row));
        t.unverified = row->unverified;
        for (size_t i = 0; i < 16 && row->host[i]; i++) {
            slice said = slice_str(row->host[i]);
            for (size_t from = 0; from < said.len; from += piece)
                talk_read(&t, slice_sub(said, from, from + piece < said.len ? from + piece : said.len));
            talk_handshake(&t);
        }
        if (row->lost != ERR_OK)
            smtp_client_lost(t.client, row->lost);
        talk_events(&t);
        if (!slice_equal(buf_slice(&t.wire), slice_str(row->wire)))
            fail_msg("%s, in pieces of %zu: wanted on the wire\n%s\ngot\n%.*s", row->name, piece, row->wire,
                     SLICE_ARG(buf_slice(&t.wire)));
        if (!slice_equal(buf_slice(&t.log), slice_str(row->log)))
            fail_msg("%s, in pieces of %zu: wanted events\n%s\ngot\n%.*s", row->name, piece, row->log,
                     SLICE_ARG(buf_slice(&t.log)));
        talk_close(&t);
    }
}

#define RUN(rows)                                                                                                      \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                                      \
    run_row(&(rows)[i])

static void test_messages(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"one command at a time",
         DEFAULTS,
         {HELLO_MAIL},
         {PLAIN_HOST, "250 2.1.0 ok\r\n", "250 ok\r\n", "550 5.1.1 no such user\r\n", "354 go\r\n",
          "250 2.0.0 queued as X\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nhello\r\n.\r\n" QUIT,
         "rcpt 1 they: 550 5.1.1 no such user\nrcpt 0 they: 250 2.0.0 queued as X\ndone\nclosed\n",
         false,
         0},
        {"pipelined",
         DEFAULTS,
         {{SLICE(""), TWO, SLICE(".dot\r\n\xc3\xa9"), 0, 1, false}, HELLO_MAIL},
         {FAST_HOST, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "250 first\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n",
          "354 go\r\n", "450 4.2.1 later\r\n", "221 bye\r\n"},
         EHLO
         "MAIL FROM:<> SIZE=8 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n..dot\r\n\xc3\xa9\r\n.\r\n"
         "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nhello\r\n.\r\n" QUIT,
         "rcpt 0 they: 250 first\nrcpt 1 they: 250 first\ndone\nrcpt 0 they: 450 4.2.1 later\nrcpt 1 they: 450 4.2.1 "
         "later\ndone\nclosed\n",
         false,
         0},
        {"all refused, RSET, next message",
         DEFAULTS,
         {HELLO_MAIL, {SLICE("a@b"), {SLICE("g@h")}, SLICE("x\r\n"), 0, 0, false}},
         {PLAIN_HOST, "250 ok\r\n", "550 one\r\n", "450 two\r\n", "250 reset\r\n", "250 ok\r\n", "250 ok\r\n",
          "354 go\r\n", "250 taken\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT "
              "TO:<g@h>\r\nDATA\r\nx\r\n.\r\n" QUIT,
         "rcpt 0 they: 550 one\nrcpt 1 they: 450 two\ndone\nrcpt 0 they: 250 taken\ndone\nclosed\n",
         false,
         0},
        {"pipelined, all refused, and 354 all the same",
         DEFAULTS,
         {HELLO_MAIL},
         {FAST_HOST, "250 ok\r\n550 one\r\n550 two\r\n354 go\r\n", "554 no recipients\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n" QUIT,
         "rcpt 0 they: 550 one\nrcpt 1 they: 550 two\ndone\nclosed\n",
         false,
         0},
        {"pipelined, sender refused",
         DEFAULTS,
         {HELLO_MAIL, {SLICE("a@b"), {SLICE("g@h")}, SLICE("x\r\n"), 0, 0, false}},
         {FAST_HOST, "550 5.7.1 not you\r\n503 first MAIL\r\n503 first MAIL\r\n503 first MAIL\r\n",
          "450 no\r\n503 x\r\n503 x\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nMAIL FROM:<a@b> SIZE=3\r\nRCPT "
              "TO:<g@h>\r\nDATA\r\n" QUIT,
         "rcpt 0 they: 550 5.7.1 not you\nrcpt 1 they: 550 5.7.1 not you\ndone\nrcpt 0 they: 450 no\ndone\nclosed\n",
         false,
         0},
        {"DATA refused",
         DEFAULTS,
         {HELLO_MAIL},
         {FAST_HOST, "250 ok\r\n250 ok\r\n451 later\r\n451 4.7.1 greylisted\r\n", "250 reset\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nRSET\r\n" QUIT,
         "rcpt 1 they: 451 later\nrcpt 0 they: 451 4.7.1 greylisted\ndone\nclosed\n",
         false,
         0},
        {"552 to RCPT is temporary, to the message it is not",
         DEFAULTS,
         {HELLO_MAIL},
         {PLAIN_HOST, "250 ok\r\n", "552 5.5.3 too many\r\n", "250 ok\r\n", "354 go\r\n", "552 5.3.4 too big\r\n",
          "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nhello\r\n.\r\n" QUIT,
         "rcpt 0 they: 452 4.5.3 too many\nrcpt 1 they: 552 5.3.4 too big\ndone\nclosed\n",
         false,
         0},
        {"too big for the host: not even asked",
         DEFAULTS,
         {{SLICE("a@b"), TWO, SLICE("0123456789\r\n"), 0, 0, false}},
         {"220 mx\r\n", "250-mx\r\n250 SIZE 10\r\n", "221 bye\r\n"},
         EHLO QUIT,
         "rcpt 0 we: 552 5.3.4 Message too big\nrcpt 1 we: 552 5.3.4 Message too big\ndone\nclosed\n",
         false,
         0},
        {"8-bit without 8BITMIME, declared",
         DEFAULTS,
         {{SLICE("a@b"), {SLICE("c@d")}, SLICE("\xc3\xa9\r\n"), ENVELOPE_BODY_8BIT, 0, false}},
         {PLAIN_HOST, "221 bye\r\n"},
         EHLO QUIT,
         "rcpt 0 we: 554 5.6.3 The next host cannot take 8-bit content\ndone\nclosed\n",
         false,
         0},
        {"8-bit without 8BITMIME, not declared",
         DEFAULTS,
         {{SLICE("a@b"), {SLICE("c@d")}, SLICE("\xc3\xa9\r\n"), 0, 0, false}},
         {PLAIN_HOST, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\xc3\xa9\r\n.\r\n" QUIT,
         "rcpt 0 they: 250 ok\ndone\nclosed\n",
         false,
         0},
        {"an address with a line end never leaves",
         DEFAULTS,
         {{SLICE("a@b"), {SLICE("c@d>\r\nDATA"), SLICE("e@f")}, SLICE("x\r\n"), 0, 0, false},
          {SLICE("a\n@b"), {SLICE("c@d")}, SLICE("x\r\n"), 0, 0, false}},
         {PLAIN_HOST, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n", "221 bye\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<e@f>\r\nDATA\r\nx\r\n.\r\n" QUIT,
         "rcpt 0 we: 501 5.1.3 Bad recipient address syntax\nrcpt 1 they: 250 ok\ndone\nrcpt 0 we: 501 5.1.7 Bad "
         "sender address syntax\ndone\nclosed\n",
         false,
         0},
        {"LMTP",
         OPTIONS(.lmtp = true),
         {{SLICE("a@b"), {SLICE("c@d"), SLICE("e@f"), SLICE("g@h")}, SLICE("x\r\n"), 0, 0, false}},
         {"220 mx LMTP\r\n", "250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n",
          "250 one\r\n452 4.2.2 full\r\n", "221 bye\r\n"},
         "LHLO us.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRCPT "
         "TO:<g@h>\r\nDATA\r\nx\r\n.\r\n" QUIT,
         "rcpt 1 they: 550 no\nrcpt 0 they: 250 one\nrcpt 2 they: 452 4.2.2 full\ndone\nclosed\n",
         false,
         0},
        {"content that cannot be read is cut, never ended",
         DEFAULTS,
         {{SLICE("a@b"), {SLICE("c@d")}, SLICE("x\r\n"), 0, 0, true}},
         {PLAIN_HOST, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
         "rcpt 0 we: 451 4.3.0 Local error, try again later\ndone\nfailed in phase 8 we: 451 4.3.0 Local error, try "
         "again later\n",
         false,
         0},
    };
    RUN(rows);
}

static void test_sessions_that_fail(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"greeting 554",
         DEFAULTS,
         {HELLO_MAIL},
         {"554-mx go away\r\n554 now\r\n"},
         "",
         "failed in phase 0 they: 554 mx go away now\n",
         false,
         0},
        {"greeting 421", DEFAULTS, {HELLO_MAIL}, {"421 busy\r\n"}, "", "failed in phase 0 they: 421 busy\n", false, 0},
        {"long greeting, HELO when EHLO is refused",
         DEFAULTS,
         {{.piece = 0}},
         {"220-mx\r\n220-is\r\n220 here\r\n", "500 what\r\n", "250 mx\r\n", "221 bye\r\n"},
         EHLO "HELO us.example\r\n" QUIT,
         "closed\n",
         false,
         0},
        {"EHLO 4xx",
         DEFAULTS,
         {HELLO_MAIL},
         {"220 mx\r\n", "450 later\r\n"},
         EHLO,
         "failed in phase 1 they: 450 later\n",
         false,
         0},
        {"HELO refused",
         DEFAULTS,
         {HELLO_MAIL},
         {"220 mx\r\n", "502 what\r\n", "550 no\r\n"},
         EHLO "HELO us.example\r\n",
         "failed in phase 1 they: 550 no\n",
         false,
         0},
        {"421 to RCPT",
         DEFAULTS,
         {HELLO_MAIL},
         {PLAIN_HOST, "250 ok\r\n", "250 ok\r\n", "421 4.3.2 closing\r\n"},
         EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n",
         "rcpt 0 they: 421 4.3.2 closing\nrcpt 1 they: 421 4.3.2 closing\ndone\nfailed in phase 6 they: 421 4.3.2 "
         "closing\n",
         false,
         0},
        {"421 while idle comes instead of the next reply",
         DEFAULTS,
         {HELLO_MAIL},
         {PLAIN_HOST, "421 idle too long\r\n"},
         EHLO "MAIL FROM:<a@b>\r\n",
         "rcpt 0 they: 421 idle too long\nrcpt 1 they: 421 idle too long\ndone\nfailed in phase 5 they: 421 idle too "
         "long\n",
         false,
         0},
        {"lost after the dot may arrive twice",
         DEFAULTS,
         {HELLO_MAIL},
         {FAST_HOST, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"},
         EHLO "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nhello\r\n.\r\n",
         "rcpt 0 we: 451 4.4.2 No reply to the end of the message; it may arrive twice\n"
         "rcpt 1 we: 451 4.4.2 No reply to the end of the message; it may arrive twice\ndone\n"
         "failed in phase 9 we: 451 4.4.2 No reply to the end of the message; it may arrive twice\n",
         false,
         ERR_CLOSED},
        {"lost after QUIT is no fault",
         DEFAULTS,
         {{.piece = 0}},
         {PLAIN_HOST},
         EHLO QUIT,
         "closed\n",
         false,
         ERR_CLOSED},
        {"LMTP lost between two replies",
         OPTIONS(.lmtp = true),
         {HELLO_MAIL},
         {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 one\r\n"},
         "LHLO us.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nhello\r\n.\r\n",
         "rcpt 0 they: 250 one\nrcpt 1 we: 451 4.4.2 No reply to the end of the message; it may arrive twice\ndone\n"
         "failed in phase 9 we: 451 4.4.2 No reply to the end of the message; it may arrive twice\n",
         false,
         ERR_IO},
    };
    RUN(rows);
}

#define TLS_EHLO "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
#define NO_MAIL                                                                                                        \
    {                                                                                                                  \
        {                                                                                                              \
            .piece = 0                                                                                                 \
        }                                                                                                              \
    }

static void test_tls_and_login(void **state)
{
    (void)state;
    const struct smtp_client_options login = {.tls = SMTP_CLIENT_TLS_MAY, .sign_in = true};
    struct smtp_client_options trusting = login;
    trusting.auth_plaintext_ok = true;
    const struct row rows[] = {
        {"STARTTLS, then EHLO again, and only that one counts",
         OPTIONS(.tls = SMTP_CLIENT_TLS_MAY),
         {HELLO_MAIL},
         {"220 mx\r\n", TLS_EHLO, "220 go\r\n", "250 mx\r\n", "250 ok\r\n", "550 no\r\n", "550 no\r\n", "250 reset\r\n",
          "221 bye\r\n"},
         EHLO "STARTTLS\r\n(TLS)\r\n" EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRSET\r\n" QUIT,
         "rcpt 0 they: 550 no\nrcpt 1 they: 550 no\ndone\nclosed\n",
         false,
         0},
        {"not wanted", DEFAULTS, NO_MAIL, {"220 mx\r\n", TLS_EHLO, "221 bye\r\n"}, EHLO QUIT, "closed\n", false, 0},
        {"refused, opportunistic",
         OPTIONS(.tls = SMTP_CLIENT_TLS_MAY),
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO, "454 no\r\n", "221 bye\r\n"},
         EHLO "STARTTLS\r\n" QUIT,
         "closed\n",
         false,
         0},
        {"refused, required",
         OPTIONS(.tls = SMTP_CLIENT_TLS_REQUIRE),
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO, "454 no\r\n"},
         EHLO "STARTTLS\r\n",
         "failed in phase 2 we: 451 4.7.5 TLS is required, and the next host refused STARTTLS\n",
         false,
         0},
        {"not offered, required",
         OPTIONS(.tls = SMTP_CLIENT_TLS_REQUIRE),
         NO_MAIL,
         {PLAIN_HOST},
         EHLO,
         "failed in phase 1 we: 451 4.7.5 TLS is required, and the next host does not offer it\n",
         false,
         0},
        {"handshake fails",
         OPTIONS(.tls = SMTP_CLIENT_TLS_MAY),
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO},
         EHLO "STARTTLS\r\n",
         "failed in phase 2 we: 451 4.7.5 TLS could not be established as required\n",
         false,
         ERR_TLS},
        {"PLAIN",
         login,
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO, "220 go\r\n", "250-mx\r\n250 AUTH LOGIN PLAIN\r\n", "235 in\r\n", "221 bye\r\n"},
         EHLO "STARTTLS\r\n(TLS)\r\n" EHLO "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n" QUIT,
         "closed\n",
         false,
         0},
        {"LOGIN",
         login,
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO, "220 go\r\n", "250-mx\r\n250 AUTH=LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 \r\n",
          "235 in\r\n", "221 bye\r\n"},
         EHLO "STARTTLS\r\n(TLS)\r\n" EHLO "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n" QUIT,
         "closed\n",
         false,
         0},
        {"a wrong login is temporary for the mail",
         login,
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO, "220 go\r\n", "250-mx\r\n250 AUTH PLAIN\r\n", "535 5.7.8 bad\r\n"},
         EHLO "STARTTLS\r\n(TLS)\r\n" EHLO "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
         "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 535 5.7.8 bad\n",
         false,
         0},
        {"no password without verified TLS",
         login,
         NO_MAIL,
         {"220 mx\r\n", TLS_EHLO, "220 go\r\n", "250-mx\r\n250 AUTH PLAIN\r\n"},
         EHLO "STARTTLS\r\n(TLS)\r\n" EHLO,
         "failed in phase 1 we: 451 4.7.8 Login withheld: the next host's TLS is not verified\n",
         true,
         0},
        {"no password in the clear",
         login,
         NO_MAIL,
         {"220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n"},
         EHLO,
         "failed in phase 1 we: 451 4.7.8 Login withheld: the next host's TLS is not verified\n",
         false,
         0},
        {"but by explicit choice",
         trusting,
         NO_MAIL,
         {"220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n", "235 in\r\n", "221 bye\r\n"},
         EHLO "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n" QUIT,
         "closed\n",
         false,
         0},
        {"no mechanism",
         trusting,
         NO_MAIL,
         {"220 mx\r\n", "250-mx\r\n250 AUTH CRAM-MD5\r\n"},
         EHLO,
         "failed in phase 3 we: 451 4.7.8 The next host offers no login that we know\n",
         false,
         0},
        {"implicit TLS",
         OPTIONS(.implicit_tls = true, .tls = SMTP_CLIENT_TLS_REQUIRE),
         NO_MAIL,
         {PLAIN_HOST, "221 bye\r\n"},
         EHLO QUIT,
         "closed\n",
         false,
         0},
    };
    RUN(rows);
}

/* Hostile: a server's reply text after its 220 to STARTTLS: discarded on both sides, state reset (CVE-2021-33515, CVE-2021-38371) */
static void test_plaintext_after_starttls_fails_the_session(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct talk t = {0};
        talk_open(&t, &OPTIONS(.tls = SMTP_CLIENT_TLS_MAY), NULL, 0);
        talk_read(&t, SLICE("220 mx\r\n" TLS_EHLO));
        if (cut)
            talk_read(&t, SLICE("220 go\r\n"));
        talk_read(&t, cut ? SLICE("250 evil\r\n") : SLICE("220 go\r\n250 evil\r\n"));
        assert_true(t.over);
        assert_int_equal(t.handshake, cut); /* what came in one packet is seen before a handshake begins */
        assert_true(slice_starts(buf_slice(&t.log), SLICE("failed in phase 2 we: 451 4.5.0 ")));
        talk_close(&t);
    }
}

static void repeat(buf *b, slice s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_append(b, s);
}

/* Hostile: hostile replies from a next hop: endless, multi-line, split, control characters: bounded, sanitised */
static void test_threat_hostile_replies(void **state)
{
    (void)state;
    static const struct {
        slice head, piece;
        size_t times;
        slice tail, log; /* log: how it begins */
    } rows[] = {
        {SLICE("554 a\x1b[31m\x07\xff\xc2\x9b\0\r\xc3\xa9"), SLICE(""), 0, SLICE("\r\n"),
         SLICE("failed in phase 0 they: 554 a?[31m??????\xc3\xa9\n")},
        {SLICE(""), SLICE("554-line\r\n"), 1000, SLICE("554 end\r\n"), SLICE("failed in phase 0 they: 554 line line")},
        {SLICE("554 "), SLICE("0123456789"), 10000, SLICE("\r\n"), SLICE("failed in phase 0 they: 554 01234")},
        {SLICE("220-"), SLICE("0123456789"), 200000, SLICE("\r\n"),
         SLICE("failed in phase 0 we: 451 4.5.0 The next host's reply is no SMTP")},
        {SLICE(""), SLICE("220-endless\r\n"), 200000, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("HTTP/1.1 400 Bad Request\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("22\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("220x mx\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("999 mx\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("220-mx\r\n250 mx\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
        {SLICE("354 mx\r\n"), SLICE(""), 0, SLICE(""), SLICE("failed in phase 0 we: 451 4.5.0 ")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk t = {0};
        buf in;
        buf_init(&in, 8 << 20);
        buf_append(&in, rows[i].head);
        repeat(&in, rows[i].piece, rows[i].times);
        buf_append(&in, rows[i].tail);
        talk_open(&t, &DEFAULTS, NULL, 0);
        talk_read(&t, buf_slice(&in));
        if (!slice_starts(buf_slice(&t.log), rows[i].log))
            fail_msg("row %zu: %.*s", i, SLICE_ARG(slice_sub(buf_slice(&t.log), 0, 200)));
        assert_true(t.log.len < 17 << 10);
        talk_close(&t);
        buf_deinit(&in);
    }
}

/* Replies that nobody asked for never count as the answer to a later command. */
static void test_replies_out_of_turn(void **state)
{
    (void)state;
    struct talk t = {0};
    talk_open(&t, &DEFAULTS, &(struct talk_message)HELLO_MAIL, 1);
    struct smtp_client_event e;
    size_t used;
    assert_int_equal(smtp_client_feed(t.client, 0, SLICE("220 mx\r\n250 mx\r\n250 surplus\r\n"), &used), ERR_OK);
    assert_int_equal(used, 16); /* READY is told before anything more is read */
    assert_true(smtp_client_next(t.client, &e));
    assert_int_equal(e.kind, SMTP_CLIENT_READY);
    assert_int_equal(smtp_client_feed(t.client, 0, SLICE("250 surplus\r\n"), &used), ERR_OK);
    talk_events(&t);
    assert_true(
        slice_equal(buf_slice(&t.log), SLICE("failed in phase 4 we: 451 4.5.0 The next host spoke out of turn\n")));
    talk_close(&t);
}

static void test_refusal_while_content_is_sent(void **state)
{
    (void)state;
    static const slice said[] = {SLICE("552 5.3.4 too big\r\n"), SLICE("450 4.2.0 later\r\n"), SLICE("250 thanks\r\n")};
    static const slice told[] = {SLICE("rcpt 0 they: 451 4.4.2 too big\n"), SLICE("rcpt 0 they: 450 4.2.0 later\n"),
                                 SLICE("rcpt 0 we: 451 4.5.0 ")};
    for (size_t i = 0; i < 3; i++) {
        struct talk t = {0};
        struct talk_message m = {SLICE("a@b"), {SLICE("c@d")}, SLICE("x\r\n"), 0, 0, false};
        struct smtp_client_event e;
        size_t used;
        talk_open(&t, &DEFAULTS, &m, 1);
        talk_read(&t, SLICE("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n"));
        assert_int_equal(smtp_client_feed(t.client, 0, SLICE("354 go\r\n"), &used), ERR_OK);
        assert_true(smtp_client_next(t.client, &e));
        assert_int_equal(e.kind, SMTP_CLIENT_BODY);
        smtp_client_body(t.client, 0, SLICE("x\r\n"), &t.out);
        assert_int_equal(smtp_client_feed(t.client, 0, said[i], &used), ERR_OK);
        talk_events(&t);
        assert_true(slice_starts(buf_slice(&t.log), told[i]));
        assert_true(t.over);
        size_t before = t.out.len; /* the caller may not know yet */
        smtp_client_body(t.client, 0, SLICE("y\r\n"), &t.out);
        smtp_client_body_end(t.client, 0, &t.out);
        assert_int_equal(t.out.len, before);
        talk_close(&t);
    }
}

/* Hostile: one byte a second, in every phase: a deadline for each request */
static void test_deadlines(void **state)
{
    (void)state;
    struct talk t = {0};
    struct talk_message m = {SLICE("a@b"), {SLICE("c@d")}, SLICE("x\r\n"), 0, 0, false};
    talk_open(&t, &OPTIONS(.timeout_scale_percent = 10), &m, 1);
    assert_int_equal(smtp_client_deadline(t.client), 30000);
    for (t.now = 1000; t.now < 30000; t.now += 1000) {
        talk_read(&t, SLICE("2"));
        smtp_client_tick(t.client, t.now);
        talk_events(&t);
        assert_false(t.over);
    }
    smtp_client_tick(t.client, 30000);
    talk_events(&t);
    assert_true(slice_equal(buf_slice(&t.log),
                            SLICE("failed in phase 0 we: 451 4.4.2 The next host did not answer in time\n")));
    talk_close(&t);

    talk_open(&t, &DEFAULTS, &m, 1);
    t.now = 7;
    talk_read(&t, SLICE("220 mx\r\n250 mx\r\n"));
    assert_int_equal(smtp_client_deadline(t.client), 7 + 300000); /* MAIL */
    talk_read(&t, SLICE("250 ok\r\n250 ok\r\n"));
    assert_int_equal(smtp_client_deadline(t.client), 7 + 120000); /* DATA */
    talk_read(&t, SLICE("354 go\r\n"));
    assert_int_equal(smtp_client_deadline(t.client), 7 + 600000); /* the end of data */
    assert_int_equal(smtp_client_phase(t.client), SMTP_PHASE_END);
    talk_close(&t);
}

/* Nobody listens: another thing than a connection that broke (RFC 3463: 4.4.1, not 4.4.2) */
static void test_connection_refused(void **state)
{
    (void)state;
    static const struct {
        enum err why;
        bool greeted;
        slice told;
    } rows[] = {
        {ERR_REFUSED, false, SLICE("failed in phase 0 we: 451 4.4.1 Connection refused\n")},
        {ERR_UNREACHABLE, false, SLICE("failed in phase 0 we: 451 4.4.1 Host is unreachable\n")},
        {ERR_NOTFOUND, false, SLICE("failed in phase 0 we: 451 4.4.1 There is no such socket\n")},
        {ERR_PERMISSION, false, SLICE("failed in phase 0 we: 451 4.4.1 No permission to connect to it\n")},
        {ERR_CLOSED, false, SLICE("failed in phase 0 we: 451 4.4.2 Connection lost\n")},
        {ERR_UNREACHABLE, true, SLICE("failed in phase 1 we: 451 4.4.2 Connection lost\n")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct talk t = {0};
        struct talk_message m = {SLICE("a@b"), {SLICE("c@d")}, SLICE("x\r\n"), 0, 0, false};
        talk_open(&t, &DEFAULTS, &m, 1);
        if (rows[i].greeted)
            talk_read(&t, SLICE("220 mx\r\n"));
        smtp_client_lost(t.client, rows[i].why);
        talk_events(&t);
        assert_true(slice_equal(buf_slice(&t.log), rows[i].told));
        talk_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_refused),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_sessions_that_fail),
        cmocka_unit_test(test_tls_and_login),
        cmocka_unit_test(test_plaintext_after_starttls_fails_the_session),
        cmocka_unit_test(test_threat_hostile_replies),
        cmocka_unit_test(test_replies_out_of_turn),
        cmocka_unit_test(test_refusal_while_content_is_sent),
        cmocka_unit_test(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
