/* SPDX-License-Identifier: ISC */
/* An engine that has served one client serves the next one in the same memory. Whatever the first one said and was allowed, wherever its session broke off: the
 * second one sees what it would see of an engine of its own. */
#include "smtp/server.h"

#include "smtp/rows_test.h"

/* What shows each of an engine's memories: offers, limits, rights, what waits. */
static const slice probe = SLICE(
    "NOOP\r\nMAIL FROM:<a@b.example>\r\nEHLO next\r\nVRFY utf8\r\nXCLIENT NAME=x.example\r\nXFORWARD NAME=x.example\r\n"
    "BDAT 3 LAST\r\nabcAUTH PLAIN AGFsaWNlAHdyb25n\r\nMAIL FROM:<> XTAG=x\r\nMAIL FROM:<a@b.example> HOLDFOR=9\r\n"
    "MAIL FROM:<a@b.example> REQUIRETLS\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT "
    "TO:<d@d.example>\r\n"
    "RCPT TO:<e@d.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT "
    "TO:<c@d.example>\r\n"
    "BDAT 2\r\nx\nBDAT 3 LAST\r\ny\r\nMAIL FROM:<a@b.example>\r\nNOTHING\r\nNOTHING\r\nNOTHING\r\nNOTHING\r\n");

static const struct smtp_server_options probed = {.max_size = 1000,
                                                  .max_recipients = 2,
                                                  .max_errors = 14,
                                                  .max_messages = 3,
                                                  .min_rate = 10,
                                                  .command_timeout_ms = 300000,
                                                  .data_timeout_ms = 180000,
                                                  .auth_mechanisms = SLICE("PLAIN"),
                                                  .auth_plaintext_ok = true,
                                                  .starttls = true,
                                                  .future_release_max_s = 3600};

static void take_probe(struct drive *d)
{
    assert_int_equal(smtp_server_output(d->server).len, 0);
    assert_false(smtp_server_is_secured(d->server));
    assert_int_equal(smtp_server_errors(d->server), 0);
    smtp_server_clock(d->server, 0, 1795288115);
    drive_events(d);
    buf_printf(&d->log, "deadline %lld\n", (long long)smtp_server_deadline(d->server));
    for (size_t at = 0; at < probe.len && !d->closed; at += 40) {
        d->now += 10;
        drive_read(d, slice_sub(probe, at, at + 40));
        buf_printf(&d->log, "errors %u, deadline %lld\n", smtp_server_errors(d->server),
                   (long long)smtp_server_deadline(d->server));
    }
}

static void all_that_a_session_may_be_given(struct drive *d)
{
    d->permits = SMTP_PERMIT_XCLIENT | SMTP_PERMIT_XFORWARD | SMTP_PERMIT_TAG;
    smtp_server_permit(d->server, d->permits);
    smtp_server_trust(d->server);
    smtp_server_clock(d->server, 0, 1795288115);
    smtp_server_hurry(d->server, 10);
    smtp_server_mechanisms(d->server, SLICE("LOGIN EXTERNAL"));
}

static void begin(struct drive *d, slice said)
{
    all_that_a_session_may_be_given(d);
    drive_read(d, said);
    if (d->tls)
        drive_secured(d);
    if (said.len % 3 == 0)
        smtp_server_shutdown(d->server, d->now);
    if (said.len % 2 == 0)
        return;
    /* what comes in one turn, and is answered in none */
    size_t used;
    drive_read(d, SLICE("MAIL"));
    assert_int_equal(smtp_server_feed(d->server, d->now, SLICE(" FROM:<late@b.example> SMTPUTF8\r\n"), &used), ERR_OK);
}

static slice long_line(buf *memory)
{
    buf_init(memory, 4096);
    buf_append(memory, SLICE("EHLO first\r\nNOOP "));
    while (memory->len < 3000)
        buf_append_char(memory, 'x');
    return buf_slice(memory);
}

/* The dialogue of the first client ends behind each of its bytes. */
static void nothing_of_a_session_reaches_the_next_one(void **state)
{
    (void)state;
    struct smtp_server_options lmtp = {.lmtp = true}, first = probed;
    first.max_errors = 0;
    buf memory;
    const struct {
        slice said;
        const struct smtp_server_options *options;
    } rows[] = {
        {SLICE(""), &first},
        {SLICE(
             "EHLO first\r\nMAIL FROM:<jos\xc3\xa9@b.example> SMTPUTF8 SIZE=900 BODY=BINARYMIME REQUIRETLS RET=HDRS\r\n"
             "RCPT TO:<c@d.example> NOTIFY=NEVER\r\nRCPT TO:<bad@d.example>\r\nBDAT 4\r\nab\xff\xff"
             "BDAT 900\r\ncd\0e"),
         &first},
        {SLICE("EHLO first\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<d@d.example>\r\nRCPT "
               "TO:<e@d.example>\r\n"
               "DATA\r\nReceived: x\r\n\r\nab\ncd\r\n..\r\n.\r\nMAIL FROM:<a@b.example>\r\nBDAT 5000\r\nxx"),
         &first},
        {SLICE("EHLO first\r\nNOTHING\r\nNOTHING\r\nAUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nMAIL FROM:<> XTAG=mine\r\n"),
         &first},
        {SLICE(
             "EHLO first\r\nXFORWARD NAME=f.example\r\nXCLIENT NAME=x.example LOGIN=bob\r\nEHLO again\r\nSTARTTLS\r\n"),
         &first},
        {SLICE("LHLO first\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<d@d.example>\r\nBDAT "
               "9000\r\nabc\rd"),
         &lmtp},
        {long_line(&memory), &first},
    };
    struct drive fresh, d;
    drive_open(&fresh, &probed);
    take_probe(&fresh);
    assert_int_equal(fresh.messages, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t len = 0; len <= rows[i].said.len; len += rows[i].said.len > 1000 ? 300 : 1) {
            drive_open(&d, rows[i].options);
            begin(&d, slice_sub(rows[i].said, 0, len));
            drive_again(&d, &probed);
            take_probe(&d);
            if (!slice_equal(buf_slice(&d.log), buf_slice(&fresh.log)) ||
                !slice_equal(buf_slice(&d.replies), buf_slice(&fresh.replies)) ||
                !slice_equal(buf_slice(&d.taken), buf_slice(&fresh.taken)))
                fail_msg("row %zu, after %zu bytes: wanted\n%.*s\n%.*s\ngot\n%.*s\n%.*s", i, len,
                         SLICE_ARG(buf_slice(&fresh.log)), SLICE_ARG(buf_slice(&fresh.replies)),
                         SLICE_ARG(buf_slice(&d.log)), SLICE_ARG(buf_slice(&d.replies)));
            drive_close(&d);
        }
    }
    drive_close(&fresh);
    buf_deinit(&memory);
}

/* An LMTP session may have ten times the output of another one: its memory, and its limit, end with it. */
static void the_output_has_the_limit_of_its_own_session(void **state)
{
    (void)state;
    struct drive d;
    struct smtp_server_event e;
    size_t used;
    buf many;
    buf_init(&many, 1 << 20);
    while (many.len < 100000)
        buf_append(&many, SLICE("<somebody@example.org>\n"));
    for (int lmtp = 1; lmtp >= 0; lmtp--) {
        if (lmtp)
            drive_open(&d, &OPTIONS(.lmtp = true));
        else
            drive_again(&d, &DEFAULTS);
        drive_events(&d);
        assert_int_equal(smtp_server_feed(d.server, 0, SLICE("EXPN x\r\n"), &used), ERR_OK);
        assert_true(smtp_server_next(d.server, &e));
        drive_answer(&d, status_verdict_text(STATUS_OK, buf_slice(&many)));
        assert_int_equal(smtp_server_output(d.server).len > 64 << 10, lmtp);
    }
    assert_true(slice_equal(smtp_server_output(d.server), SLICE("451 4.3.0 Reply too long\r\n")));
    drive_close(&d);
    buf_deinit(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_session_reaches_the_next_one),
        cmocka_unit_test(the_output_has_the_limit_of_its_own_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
