/* SPDX-License-Identifier: ISC */
/* A next hop that means harm, in every phase: whatever it says, the session ends, each recipient has one verdict, nothing is taken for delivered that was not,
 * and no word of it reaches a log as it came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/talk_test.h"

#pragma GCC diagnostic ignored "-Wmissing-braces" /* gcc 12 wants them around compound literals */

#define MAIL                                                                                                           \
    {                                                                                                                  \
        SLICE("a@b"), {SLICE("c@d"), SLICE("e@f")}, SLICE("hello\r\n"), 0, 0, false                                    \
    }
#define EHLO_TLS "250-mx\r\n250 STARTTLS\r\n"
#define EHLO_AUTH "250-mx\r\n250 AUTH LOGIN\r\n"

/* What an honest host would have said before each phase. */
static const struct phase {
    const char *name;
    const char *said[16];
    bool tls, login, quit;
} phases[] = {
    {.name = "greeting"},
    {.name = "EHLO", .said = {"220 mx\r\n"}},
    {.name = "HELO", .said = {"220 mx\r\n", "500 what\r\n"}},
    {.name = "STARTTLS", .said = {"220 mx\r\n", EHLO_TLS}, .tls = true},
    {.name = "EHLO in TLS", .said = {"220 mx\r\n", EHLO_TLS, "220 go\r\n"}, .tls = true},
    {.name = "AUTH", .said = {"220 mx\r\n", EHLO_AUTH}, .login = true},
    {.name = "the first response of AUTH", .said = {"220 mx\r\n", EHLO_AUTH, "334 \r\n"}, .login = true},
    {.name = "the second response of AUTH", .said = {"220 mx\r\n", EHLO_AUTH, "334 \r\n", "334 \r\n"}, .login = true},
    {.name = "MAIL", .said = {"220 mx\r\n", "250 mx\r\n"}},
    {.name = "RCPT", .said = {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n"}},
    {.name = "the second RCPT", .said = {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n"}},
    {.name = "DATA", .said = {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n"}},
    {.name = "the end", .said = {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"}},
    {.name = "RSET", .said = {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "550 no\r\n", "550 no\r\n"}},
    {.name = "pipelined", .said = {"220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n"}},
    {.name = "QUIT", .said = {"220 mx\r\n", "250 mx\r\n"}, .quit = true},
};
#define PHASES (sizeof phases / sizeof phases[0])

static void reach(struct talk *t, const struct phase *p)
{
    static const struct talk_message message = MAIL;
    *t = (struct talk){0};
    talk_open(t,
              &(struct smtp_client_options){.tls = p->tls ? SMTP_CLIENT_TLS_MAY : SMTP_CLIENT_TLS_NONE,
                                            .sign_in = p->login,
                                            .auth_plaintext_ok = true},
              &message, p->quit ? 0 : 1);
    for (size_t i = 0; i < 16 && p->said[i]; i++) {
        talk_read(t, slice_str(p->said[i]));
        talk_handshake(t);
    }
    assert_false(t->over);
}

static unsigned count(slice text, slice what)
{
    unsigned n = 0;
    for (ptrdiff_t at; (at = slice_find(text, what)) >= 0; n++)
        text = slice_skip(text, (size_t)at + what.len);
    return n;
}

/* It is over; a message that was begun has ended, once, and as nothing but a failure. */
static void check_over(const struct talk *t, const struct phase *p, const char *what)
{
    slice log = buf_slice(&t->log);
    if (!t->over)
        fail_msg("%s at %s: the session goes on", what, p->name);
    if (t->at > 0 && t->done != 1)
        fail_msg("%s at %s: the message has no end", what, p->name);
    if (count(log, SLICE("they: 2")) > 0 || log.len > 40 << 10)
        fail_msg("%s at %s: %.*s", what, p->name, SLICE_ARG(slice_sub(log, 0, 300)));
}

static void fill(buf *b, slice s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_append(b, s);
}

static void run_words(slice head, slice piece, size_t times, slice tail, const char *what)
{
    buf in;
    buf_init(&in, 8 << 20);
    buf_append(&in, head);
    fill(&in, piece, times);
    buf_append(&in, tail);
    for (size_t i = 0; i < PHASES; i++) {
        struct talk t;
        reach(&t, &phases[i]);
        for (size_t at = 0; at < in.len && !t.over; at += 4093)
            talk_read(&t, slice_sub(buf_slice(&in), at, at + 4093));
        check_over(&t, &phases[i], what);
        talk_close(&t);
    }
    buf_deinit(&in);
}

static void threat_hostile_server_endless_replies(void **state)
{
    (void)state;
    run_words(SLICE(""), SLICE("250-and so on\r\n"), 1 << 17, SLICE(""), "endless lines");
    run_words(SLICE("250 "), SLICE("0123456789abcdef"), 1 << 17, SLICE(""), "an endless line");
    run_words(SLICE("250-"), SLICE("\0\0\0\0\0\0\0\0"), 1 << 18, SLICE(""), "endless NUL");
    run_words(SLICE(""), SLICE("\r\n"), 1, SLICE(""), "an empty line");
}

static void threat_hostile_server_what_is_no_reply(void **state)
{
    (void)state;
    static const char *const words[] = {"hello there\r\n",
                                        "250-one\r\n550 two\r\n",
                                        "999 what\r\n",
                                        "099 what\r\n",
                                        "2500 what\r\n",
                                        "25\r\n",
                                        "-250 ok\r\n",
                                        "199 now\r\n",
                                        "HTTP/1.1 200 OK\r\n\r\n",
                                        "\x15\x03\x01\x02\r\n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        run_words(slice_str(words[i]), SLICE(""), 0, SLICE(""), words[i]);
}

static void threat_hostile_server_421_anywhere(void **state)
{
    (void)state;
    run_words(SLICE("421-4.3.2 closing\r\n421 4.3.2 now\r\n"), SLICE(""), 0, SLICE(""), "421");
}

static void threat_hostile_server_closes_anywhere(void **state)
{
    (void)state;
    static const enum err why[] = {ERR_CLOSED, ERR_IO, ERR_TLS};
    for (size_t i = 0; i < PHASES * 3; i++) {
        struct talk t;
        reach(&t, &phases[i % PHASES]);
        talk_read(&t, i < PHASES ? SLICE("25") : SLICE(""));
        smtp_client_lost(t.client, why[i / PHASES]);
        talk_events(&t);
        check_over(&t, &phases[i % PHASES], "closed");
        talk_close(&t);
    }
}

/* A byte now and then does not help: the deadline is the request's. */
static void threat_hostile_server_stalls_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHASES; i++) {
        struct talk t;
        reach(&t, &phases[i]);
        int64_t until = smtp_client_deadline(t.client);
        assert_in_range(until, 30000, 600000); /* RFC 5321 section 4.5.3.2 */
        for (int k = 0; k < 9; k++) {
            t.now = until - 9 + k;
            talk_read(&t, SLICE("2"));
            smtp_client_tick(t.client, t.now);
            talk_events(&t);
            if (t.over) /* "2222" is no reply */
                break;
        }
        smtp_client_tick(t.client, until);
        talk_events(&t);
        check_over(&t, &phases[i], "a stall");
        talk_close(&t);
    }
}

/* Escape sequences, NUL, C1 and bytes that are no text, in refusals and in the offer: talk_test.h holds each verdict against them. */
static void threat_hostile_server_control_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHASES; i++) {
        struct talk t;
        reach(&t, &phases[i]);
        talk_read(&t, SLICE("554-\x1b[2J\x07one\0\r\x7f\n554-\xc2\x9b\xff\xfe\r\n554 5.7.1 \tFrom: x\rBcc: y\r\n"));
        smtp_client_lost(t.client, ERR_CLOSED);
        talk_events(&t);
        check_over(&t, &phases[i], "control characters");
        talk_close(&t);
    }
}

static void threat_hostile_server_more_or_fewer_replies_than_commands(void **state)
{
    (void)state;
    static const struct {
        const char *said, *log;
    } rows[] = {
        /* four commands, five answers: DATA's is none */
        {"250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n", "rcpt 0 we: 451 4.5.0 The next host's reply is no SMTP\nrcpt "
                                                          "1 we: 451 4.5.0 The next host's reply is no SMTP\n"},
        /* an early 354 is nobody's */
        {"250 a\r\n354 b\r\n", "rcpt 0 we: 451 4.5.0 The next host's reply is no SMTP\n"},
        {"354 a\r\n", "rcpt 0 we: 451 4.5.0 The next host's reply is no SMTP\n"},
        /* 334 is for AUTH alone */
        {"250 a\r\n334 b\r\n", "rcpt 0 we: 451 4.5.0 The next host's reply is no SMTP\n"},
        /* 354 and at once the verdict on what was not sent yet: the end of data is not ended twice */
        {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk t;
        reach(&t, &phases[14]);
        talk_read(&t, slice_str(rows[i].said));
        smtp_client_lost(t.client, ERR_CLOSED);
        talk_events(&t);
        check_over(&t, &phases[14], rows[i].said);
        assert_true(slice_starts(buf_slice(&t.log), slice_str(rows[i].log)));
        if (rows[i].log[0]) /* no content left */
            assert_true(slice_find(buf_slice(&t.wire), SLICE("hello")) < 0);
        talk_close(&t);
    }
}

/* 354 and 250 in one packet: the 250 came before the content had ended, so it is no promise. */
static void threat_hostile_server_takes_the_message_before_its_end(void **state)
{
    (void)state;
    struct talk_message m = MAIL;
    struct smtp_client_event e;
    struct talk t = {0};
    size_t used;
    talk_open(&t, &(struct smtp_client_options){0}, &m, 1);
    talk_read(&t, SLICE("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n250 ok\r\n"));
    assert_int_equal(smtp_client_feed(t.client, 0, SLICE("354 go\r\n250 taken\r\n"), &used), ERR_OK);
    assert_int_equal(used, 8);
    assert_true(smtp_client_next(t.client, &e));
    assert_int_equal(e.kind, SMTP_CLIENT_BODY);
    smtp_client_body(t.client, 0, SLICE("hel"), &t.out);
    assert_int_equal(smtp_client_feed(t.client, 0, SLICE("250 taken\r\n"), &used), ERR_OK);
    talk_events(&t);
    assert_true(t.over);
    assert_true(slice_starts(buf_slice(&t.log), SLICE("rcpt 0 we: 451 4.5.0 ")));
    talk_close(&t);
}

/* The same, where all of the content is given at once, before the 250 is looked at: nothing of it is sent, and the recipients have not had it. Nor where it waits for the network. */
static void threat_hostile_server_takes_the_message_before_it_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *offer, *said, *log;
    } rows[] = {
        {"250 mx\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n", "rcpt 0 we: 451 4.5.0 "},
        {"250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",
         "rcpt 0 we: 451 4.5.0 "},
        {"250 mx\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n451 later\r\n", "rcpt 0 they: 451 later"},
        {"250 mx\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n552 big\r\n", "rcpt 0 they: 451 4.4.2 big"},
        {"250-mx\r\n250-CHUNKING\r\n250 BINARYMIME\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n250 taken\r\n",
         "rcpt 0 we: 451 4.5.0 "},
    };
    struct talk_message m = MAIL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk t = {0};
        m.flags = i == 4 ? ENVELOPE_BODY_BINARY : 0;
        talk_open(&t, &(struct smtp_client_options){0}, &m, 1);
        talk_read(&t, SLICE("220 mx\r\n"));
        talk_read(&t, slice_str(rows[i].offer));
        talk_read(&t, slice_str(rows[i].said));
        assert_true(t.over);
        if (!slice_starts(buf_slice(&t.log), slice_str(rows[i].log)))
            fail_msg("row %zu: %.*s", i, SLICE_ARG(buf_slice(&t.log)));
        assert_true(slice_find(buf_slice(&t.wire), SLICE("hello")) < 0);
        talk_close(&t);
    }
}

static void threat_hostile_server_takes_the_message_while_it_waits_for_the_network(void **state)
{
    (void)state;
    for (int written = 0; written < 2; written++) {
        struct talk t;
        reach(&t, &phases[12]);
        smtp_client_body_unwritten(t.client, !written);
        talk_read(&t, SLICE("250 taken\r\n"));
        assert_int_equal(t.over, !written);
        assert_true(
            slice_starts(buf_slice(&t.log), written ? SLICE("rcpt 0 they: 250") : SLICE("rcpt 0 we: 451 4.5.0 ")));
        talk_close(&t);
    }
}

static void threat_hostile_server_strips_starttls(void **state)
{
    (void)state;
    struct talk_message m = MAIL;
    for (int how = 0; how < 2; how++) {
        struct talk t = {0};
        talk_open(&t, &(struct smtp_client_options){.tls = SMTP_CLIENT_TLS_REQUIRE, .sign_in = true}, &m, 1);
        talk_read(&t, SLICE("220 mx\r\n"));
        talk_read(&t, how ? SLICE("250-mx\r\n250-AUTH PLAIN\r\n250 XXXXXXXA\r\n") : SLICE("500 no EHLO here\r\n"));
        talk_read(&t, how ? SLICE("") : SLICE("250 mx\r\n"));
        assert_true(t.over);
        assert_true(slice_find(buf_slice(&t.wire), SLICE("AUTH")) < 0);
        assert_true(slice_find(buf_slice(&t.wire), SLICE("MAIL")) < 0);
        talk_close(&t);
    }
}

static void threat_hostile_server_speaks_before_tls(void **state)
{
    (void)state;
    struct talk t;
    reach(&t, &phases[3]);
    talk_read(&t, SLICE("220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n"));
    assert_true(t.over);
    assert_false(t.handshake);
    assert_true(slice_find(buf_slice(&t.log), SLICE("Plaintext came after the reply to STARTTLS")) >= 0);
    talk_close(&t);
}

static void threat_hostile_server_challenges(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        const char *log;
        bool cancelled; /* RFC 4954 section 4: what is no base64 is answered with "*" */
    } rows[] = {
        {"334 !!!\r\n", "failed in phase 3 we: 451 4.7.8 The next host's challenge is no base64\n", true},
        {"334 eA=\r\n", "failed in phase 3 we: 451 4.7.8 The next host's challenge is no base64\n", true},
        {"334-eA==\r\n334 eA==\r\n", "failed in phase 3 we: 451 4.7.8 The next host's challenge is no base64\n", true},
        {"334 \x1b[2J\r\n", "failed in phase 3 we: 451 4.7.8 The next host's challenge is no base64\n", true},
        {"354 go\r\n", "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 354 go\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk t;
        reach(&t, &phases[5]);
        talk_read(&t, slice_str(rows[i].said));
        if (!slice_equal(buf_slice(&t.log), slice_str(rows[i].log)))
            fail_msg("%s: %.*s", rows[i].said, SLICE_ARG(buf_slice(&t.log)));
        slice wire = buf_slice(&t.wire);
        assert_int_equal(wire.len > 5 && slice_equal(slice_skip(wire, wire.len - 5), SLICE("\r\n*\r\n")),
                         rows[i].cancelled);
        talk_close(&t);
    }
    /* without end, and each as long as a reply may be */
    struct smtp_client *c;
    struct smtp_client_event e;
    size_t used;
    buf huge;
    buf_init(&huge, 1 << 20);
    buf_append(&huge, SLICE("334 "));
    fill(&huge, SLICE("QUFB"), 4000);
    buf_append(&huge, SLICE("\r\n"));
    assert_int_equal(
        smtp_client_open(&(struct smtp_client_options){.helo = SLICE("x"), .sign_in = true, .auth_plaintext_ok = true},
                         0, &c),
        ERR_OK);
    assert_int_equal(smtp_client_feed(c, 0, SLICE("220 mx\r\n250 mx\r\n"), &used), ERR_OK);
    assert_true(smtp_client_next(c, &e));
    assert_int_equal(e.kind, SMTP_CLIENT_AUTH);
    assert_int_equal(e.text.len, 0);
    smtp_client_auth(c, 0, SLICE("X"), NULL);
    unsigned asked = 0;
    for (e.kind = SMTP_CLIENT_CHALLENGE; asked < 100 && e.kind == SMTP_CLIENT_CHALLENGE; asked++) {
        assert_int_equal(smtp_client_feed(c, 0, buf_slice(&huge), &used), ERR_OK);
        assert_true(smtp_client_next(c, &e));
        if (e.kind == SMTP_CLIENT_CHALLENGE)
            smtp_client_respond(c, 0, SLICE("y"));
    }
    assert_int_equal(asked, 17);
    assert_int_equal(e.kind, SMTP_CLIENT_FAILED);
    assert_int_equal(e.verdict.code, 451);
    smtp_client_close(&c);
    buf_deinit(&huge);
}

/* Thousands of keywords and mechanisms: what is known is kept once, the rest is let go. */
static void threat_hostile_server_offers_without_end(void **state)
{
    (void)state;
    struct talk t = {0};
    buf in;
    buf_init(&in, 1 << 20);
    buf_append(&in, SLICE("220 mx\r\n250-mx\r\n250-AUTH"));
    fill(&in, SLICE(" AMECHANISM"), 300);
    for (int i = 0; i < 200; i++)
        buf_printf(&in, " M%d", i);
    fill(&in, SLICE("\r\n250-SIZE 99999999999999999999999"), 10);
    fill(&in, SLICE("\r\n250-XUNKNOWN"), 60);
    buf_append(&in, SLICE("\r\n250-PIPELINING\r\n250 OK\r\n"));
    talk_open(&t, &(struct smtp_client_options){.sign_in = true, .auth_plaintext_ok = true}, NULL, 0);
    talk_read(&t, buf_slice(&in));
    assert_true(smtp_client_pipelining(t.client));
    assert_int_equal(smtp_client_offered(t.client).size, 0);
    assert_true(slice_find(buf_slice(&t.log), SLICE("offers no login that we know")) >= 0);
    talk_close(&t);
    buf_deinit(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_hostile_server_endless_replies),
        cmocka_unit_test(threat_hostile_server_what_is_no_reply),
        cmocka_unit_test(threat_hostile_server_421_anywhere),
        cmocka_unit_test(threat_hostile_server_closes_anywhere),
        cmocka_unit_test(threat_hostile_server_stalls_anywhere),
        cmocka_unit_test(threat_hostile_server_control_characters),
        cmocka_unit_test(threat_hostile_server_more_or_fewer_replies_than_commands),
        cmocka_unit_test(threat_hostile_server_takes_the_message_before_its_end),
        cmocka_unit_test(threat_hostile_server_takes_the_message_before_it_is_sent),
        cmocka_unit_test(threat_hostile_server_takes_the_message_while_it_waits_for_the_network),
        cmocka_unit_test(threat_hostile_server_strips_starttls),
        cmocka_unit_test(threat_hostile_server_speaks_before_tls),
        cmocka_unit_test(threat_hostile_server_challenges),
        cmocka_unit_test(threat_hostile_server_offers_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
