/* SPDX-License-Identifier: ISC */
#include "smtp/pair_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wmissing-braces" /* gcc 12 wants them around compound literals */

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void random_content(uint32_t *seed, buf *text)
{
    static const slice bits[] = {SLICE("\r\n"),
                                 SLICE("."),
                                 SLICE("an ordinary line of text, as mail has them\r\n"),
                                 SLICE("\r\n.\r\n"),
                                 SLICE("Received: x\r\n"),
                                 SLICE("\0"),
                                 SLICE("\xc3\xa9"),
                                 SLICE("\r"),
                                 SLICE("\n"),
                                 SLICE("\n.\n"),
                                 SLICE("\r.\r")};
    uint32_t kinds = random_next(seed) % 3 == 0 ? 11 : random_next(seed) % 2 ? 7 : 4;
    size_t len = random_next(seed) % 20 == 0 ? random_next(seed) % 60000 : random_next(seed) % 400;
    while (text->len < len)
        buf_append(text, bits[random_next(seed) % kinds]);
}

/* Messages of any content come out as they were stored (after normalisation), whatever the cuts, with and without pipelining and TLS. */
static void test_any_content_arrives(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (int round = 0; round < 400; round++) {
        struct pair p = {.seed = random_next(&seed)};
        struct talk_message m[3];
        buf content[3], wanted;
        buf_init(&wanted, 1 << 20);
        for (size_t i = 0; i < 3; i++) {
            buf_init(&content[i], 1 << 20);
            random_content(&seed, &content[i]);
            m[i] = (struct talk_message){SLICE("a@b.example"),
                                         {SLICE("c@d.example"), SLICE("bad@d.example"), SLICE("\"x y\"@d.example")},
                                         buf_slice(&content[i]),
                                         0,
                                         random_next(&seed) % 3 ? random_next(&seed) % 900 + 1 : 0,
                                         false};
            pair_normalise(buf_slice(&content[i]), &wanted);
            buf_append(&wanted, SLICE("\n--\n"));
        }
        pair_run(&p, &(struct smtp_server_options){.starttls = round % 2, .bare_newline_reject = true},
                 &(struct smtp_client_options){.tls = SMTP_CLIENT_TLS_MAY}, m, 3);
        assert_int_equal(p.server.messages, 3);
        assert_true(slice_equal(buf_slice(&p.server.taken), buf_slice(&wanted)));
        slice log = buf_slice(&p.client.log);
        assert_true(slice_ends_nocase(log, SLICE("done\nclosed\n")));
        assert_true(slice_find(log, SLICE("rcpt 1 they: 550 5.1.1 User unknown\n")) >= 0);
        assert_true(slice_find(log, SLICE("rcpt 2 dsn they: 250 2.0.0 Ok: queued as 7K3QX2M9\n")) >= 0);
        pair_close(&p);
        for (size_t i = 0; i < 3; i++)
            buf_deinit(&content[i]);
        buf_deinit(&wanted);
    }
}

/* What one engine normalised goes out of the other one stuffed: a line that became a dot ends nothing at the next hop. */
static void test_normalised_dot_line_survives_the_next_hop(void **state)
{
    (void)state;
    struct drive first;
    drive_open(&first, &(struct smtp_server_options){0});
    drive_read(&first,
               SLICE("HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\na\n.\r\nMAIL FROM:<evil@b>\r\n.\r\n"));
    assert_int_equal(first.messages, 1);
    assert_int_equal(first.facts.leading_dots, 1);
    slice stored = slice_sub(buf_slice(&first.taken), 0, first.taken.len - 4);
    struct talk_message m = {SLICE("a@b"), {SLICE("c@d")}, stored, 0, 0, false};
    struct pair p = {.seed = 1};
    pair_run(&p, &(struct smtp_server_options){0}, &(struct smtp_client_options){0}, &m, 1);
    assert_int_equal(p.server.messages, 1);
    assert_true(slice_equal(buf_slice(&p.server.taken), buf_slice(&first.taken)));
    pair_close(&p);
    drive_close(&first);
}

static void test_refusals_and_logins(void **state)
{
    (void)state;
    struct {
        struct smtp_server_options server;
        struct smtp_client_options client;
        const char *log;
    } rows[] = {
        {{.max_size = 10},
         {0},
         "rcpt 0 we: 552 5.3.4 Message too big\nrcpt 1 we: 552 5.3.4 Message too big\ndone\nclosed\n"},
        {{.max_recipients = 1},
         {0},
         "rcpt 1 they: 452 4.5.3 Too many recipients\nrcpt 0 dsn they: 250 2.0.0 Ok: queued as "
         "7K3QX2M9\ndone\nclosed\n"},
        {{.max_messages = 0, .auth_mechanisms = SLICE("PLAIN LOGIN"), .starttls = true, .auth_required = true},
         {.tls = SMTP_CLIENT_TLS_REQUIRE, .sign_in = true},
         "rcpt 0 dsn they: 250 2.0.0 Ok: queued as 7K3QX2M9\nrcpt 1 dsn they: 250 2.0.0 Ok: queued as "
         "7K3QX2M9\ndone\nclosed\n"},
        {{.auth_mechanisms = SLICE("LOGIN"), .starttls = true, .auth_required = true},
         {.tls = SMTP_CLIENT_TLS_REQUIRE, .sign_in = true},
         "rcpt 0 dsn they: 250 2.0.0 Ok: queued as 7K3QX2M9\nrcpt 1 dsn they: 250 2.0.0 Ok: queued as "
         "7K3QX2M9\ndone\nclosed\n"},
        {{.auth_mechanisms = SLICE("PLAIN"), .starttls = true, .auth_required = true},
         {.tls = SMTP_CLIENT_TLS_REQUIRE, .sign_in = true},
         "failed in phase 3 we: 451 4.7.8 The next host did not take our login: 535 5.7.8 Authentication credentials "
         "invalid\n"},
        {{.auth_required = true},
         {0},
         "rcpt 0 they: 530 5.7.0 Authentication required\nrcpt 1 they: 530 5.7.0 Authentication "
         "required\ndone\nclosed\n"},
        {{.max_errors = 1, .auth_required = true},
         {0},
         "rcpt 0 they: 421 4.7.0 Too many errors, closing connection\nrcpt 1 they: 421 4.7.0 Too many errors, closing "
         "connection\ndone\n"
         "failed in phase 5 they: 421 4.7.0 Too many errors, closing connection\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk_message m = {
            SLICE("a@b.example"), {SLICE("c@d.example"), SLICE("e@d.example")}, SLICE("0123456789\r\n"), 0, 0, false};
        struct pair p = {.seed = (uint32_t)i};
        if (slice_find(slice_str(rows[i].log), SLICE("credentials invalid")) >= 0)
            p.client.login.password = SLICE("wrong");
        pair_run(&p, &rows[i].server, &rows[i].client, &m, 1);
        if (!slice_equal(buf_slice(&p.client.log), slice_str(rows[i].log)))
            fail_msg("row %zu: wanted\n%s\ngot\n%.*s", i, rows[i].log, SLICE_ARG(buf_slice(&p.client.log)));
        pair_close(&p);
    }
}

/* --- the extensions: what the server was told is what the client's envelope said --- */

#define PAIR_NOW_S 1000000

static const struct talk_extra *extra_of(const struct pair *p)
{
    return &p->client.extras[0];
}

static void wanted_print(const struct pair *p, const struct talk_message *m, uint32_t flags, buf *b)
{
    const struct envelope *e = &extra_of(p)->envelope;
    drive_print_mail(b, flags, e->envid, e->deliver_by_s ? e->deliver_by_s - PAIR_NOW_S : 0, e->priority);
    for (size_t i = 0; i < TALK_RECIPIENTS && m->to[i].len > 0; i++)
        drive_print_rcpt(b, extra_of(p)->recipients[i].notify, extra_of(p)->recipients[i].orcpt);
}

/* One message through both; flags: as the server should have them. */
static void told_is_said(struct talk_extra x, struct talk_message m, uint32_t flags, bool tls)
{
    x.now_s = PAIR_NOW_S;
    for (uint32_t seed = 0; seed < 20; seed++) {
        struct pair p = {.seed = seed, .client = {.extras = &x}};
        buf wanted;
        buf_init(&wanted, 1 << 20);
        pair_run(&p, &(struct smtp_server_options){.starttls = tls},
                 &(struct smtp_client_options){.tls = tls ? SMTP_CLIENT_TLS_REQUIRE : SMTP_CLIENT_TLS_NONE}, &m, 1);
        wanted_print(&p, &m, flags, &wanted);
        if (!slice_equal(buf_slice(&p.server.told), buf_slice(&wanted)))
            fail_msg("wanted\n%.*s\ngot\n%.*s\n%.*s", SLICE_ARG(buf_slice(&wanted)),
                     SLICE_ARG(buf_slice(&p.server.told)), SLICE_ARG(buf_slice(&p.client.log)));
        assert_int_equal(p.server.messages, 1);
        assert_true(slice_equal(slice_sub(buf_slice(&p.server.taken), 0, m.content.len), m.content));
        pair_close(&p);
        buf_deinit(&wanted);
    }
}

#define PAIR_MAIL(text)                                                                                                \
    ((struct talk_message){                                                                                            \
        SLICE("a@b.example"), {SLICE("c@d.example"), SLICE("e@f.example")}, SLICE(text), 0, 5, false})

static void e2_client_server_8bitmime(void **state)
{
    (void)state;
    told_is_said((struct talk_extra){0}, PAIR_MAIL("\r\n\xc3\xa9\r\n"), ENVELOPE_BODY_8BIT, false);
    told_is_said((struct talk_extra){0}, PAIR_MAIL("\r\nplain\r\n"), 0, false);
    struct talk_extra declared = {.envelope.flags = ENVELOPE_BODY_8BIT};
    told_is_said(declared, PAIR_MAIL("\r\nplain\r\n"), ENVELOPE_BODY_8BIT, false);
}

static void e4_e5_client_server_binary_in_a_chunk(void **state)
{
    (void)state;
    struct talk_extra x = {.envelope.flags = ENVELOPE_BODY_BINARY};
    told_is_said(x, PAIR_MAIL("x: y\r\n\r\n\0\n\r.\r\n.\r\nQUIT\r\nno end"), ENVELOPE_BODY_BINARY, false);
    told_is_said(x, PAIR_MAIL(""), ENVELOPE_BODY_BINARY, false);
}

static void e6_client_server_smtputf8(void **state)
{
    (void)state;
    struct talk_message m = PAIR_MAIL("To: \xc3\xa9@d.example\r\n\r\nx\r\n");
    m.to[0] = SLICE("\xc3\xa9@d.example");
    told_is_said((struct talk_extra){0}, m, ENVELOPE_SMTPUTF8 | ENVELOPE_BODY_8BIT, false);
    struct talk_extra x = {.recipients[0].orcpt = SLICE("utf-8;\xc3\xa9\\+=@d.example"),
                           .recipients[1].orcpt = SLICE("utf-8;\xe4\xb8\xad@x")};
    told_is_said(x, m, ENVELOPE_SMTPUTF8 | ENVELOPE_BODY_8BIT, false);
}

static void e7_client_server_dsn(void **state)
{
    (void)state;
    struct talk_extra x = {.envelope = {.envid = SLICE("QQ+314=59 !~"), .flags = ENVELOPE_RET_FULL}};
    x.recipients[0] =
        (struct recipient){.notify = NOTIFY_SUCCESS | NOTIFY_DELAY, .orcpt = SLICE("rfc822;\"a b\"+c=@x.example")};
    x.recipients[1] = (struct recipient){.notify = NOTIFY_NEVER, .orcpt = SLICE("utf-8;\xc3\xa9@x.example")};
    told_is_said(x, PAIR_MAIL("\r\nx\r\n"), ENVELOPE_RET_FULL, false);
    for (unsigned notify = NOTIFY_SUCCESS; notify < 16; notify += 2) {
        x.recipients[0].notify = (uint8_t)notify;
        x.envelope.flags = ENVELOPE_RET_HDRS;
        told_is_said(x, PAIR_MAIL("\r\nx\r\n"), ENVELOPE_RET_HDRS, false);
    }
}

static void e8_client_server_deliver_by_and_priority(void **state)
{
    (void)state;
    static const uint32_t modes[] = {ENVELOPE_BY_RETURN, ENVELOPE_BY_NOTIFY, ENVELOPE_BY_RETURN | ENVELOPE_BY_TRACE,
                                     ENVELOPE_BY_NOTIFY | ENVELOPE_BY_TRACE};
    for (size_t i = 0; i < 4; i++) {
        struct talk_extra x = {.envelope = {.deliver_by_s = PAIR_NOW_S + 99999, .flags = modes[i]}};
        told_is_said(x, PAIR_MAIL("\r\nx\r\n"), modes[i], false);
    }
    struct talk_extra late = {.envelope = {.deliver_by_s = PAIR_NOW_S - 60, .flags = ENVELOPE_BY_NOTIFY}};
    told_is_said(late, PAIR_MAIL("\r\nx\r\n"), ENVELOPE_BY_NOTIFY, false);
    for (int priority = PRIORITY_MIN; priority <= PRIORITY_MAX; priority++) {
        struct talk_extra x = {.envelope = {.priority = (int8_t)priority}};
        told_is_said(x, PAIR_MAIL("\r\nx\r\n"), 0, false);
    }
}

static void e9_client_server_requiretls(void **state)
{
    (void)state;
    struct talk_extra x = {.envelope.flags = ENVELOPE_REQUIRETLS};
    told_is_said(x, PAIR_MAIL("\r\nx\r\n"), ENVELOPE_REQUIRETLS, true);
    /* not offered in the clear: nothing is said */
    struct talk_message m = PAIR_MAIL("\r\nx\r\n");
    struct pair p = {.seed = 1, .client = {.extras = &x}};
    pair_run(&p, &(struct smtp_server_options){0}, &(struct smtp_client_options){0}, &m, 1);
    assert_int_equal(p.server.told.len, 0);
    assert_true(slice_starts(buf_slice(&p.client.log), SLICE("rcpt 0 we: 550 5.7.30 ")));
    pair_close(&p);
}

static void e10_client_server_limits(void **state)
{
    (void)state;
    struct pair p = {.seed = 1};
    pair_run(&p, &(struct smtp_server_options){.max_recipients = 7, .max_messages = 3},
             &(struct smtp_client_options){0}, NULL, 0);
    struct smtp_client_offer o = smtp_client_offered(p.client.client);
    assert_int_equal(o.rcpt_max, 7);
    assert_int_equal(o.mail_max, 3);
    pair_close(&p);
}

static void e14_client_server_lmtp(void **state)
{
    (void)state;
    struct talk_message m = PAIR_MAIL("\r\nx\r\n");
    m.to[2] = SLICE("bad@d.example");
    for (uint32_t seed = 0; seed < 20; seed++) {
        struct pair p = {.seed = seed};
        pair_run(&p, &(struct smtp_server_options){.lmtp = true}, &(struct smtp_client_options){.lmtp = true}, &m, 1);
        assert_true(
            slice_equal(buf_slice(&p.client.log),
                        SLICE("rcpt 2 they: 550 5.1.1 User unknown\nrcpt 0 they: 250 2.0.0 Ok: queued as 7K3QX2M9\n"
                              "rcpt 1 they: 250 2.0.0 Ok: queued as 7K3QX2M9\ndone\nclosed\n")));
        pair_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_content_arrives),
        cmocka_unit_test(test_normalised_dot_line_survives_the_next_hop),
        cmocka_unit_test(test_refusals_and_logins),
        cmocka_unit_test(e2_client_server_8bitmime),
        cmocka_unit_test(e4_e5_client_server_binary_in_a_chunk),
        cmocka_unit_test(e6_client_server_smtputf8),
        cmocka_unit_test(e7_client_server_dsn),
        cmocka_unit_test(e8_client_server_deliver_by_and_priority),
        cmocka_unit_test(e9_client_server_requiretls),
        cmocka_unit_test(e10_client_server_limits),
        cmocka_unit_test(e14_client_server_lmtp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
