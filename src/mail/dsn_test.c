/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct recipient bob = {.address = SLICE("bob@example.com"),
                                     .original = SLICE("team@example.org"),
                                     .orcpt = SLICE("rfc822;team@example.org")};
static const struct recipient zoe = {.address = SLICE("zo\xc3\xab@example.net")};
static const struct recipient carol = {.address = SLICE("carol@example.net")};

static struct dsn_report report_of(const struct dsn_recipient *recipients, size_t count)
{
    return (struct dsn_report){
        .hostname = SLICE("mail.example.org"),
        .postmaster = SLICE("postmaster@example.org"),
        .to = SLICE("alice@example.org"),
        .envid = SLICE("QQ314159"),
        .id = 7,
        .report_id = 8,
        .arrival_s = 1795288115,
        .now_s = 1795291715,
        .count = count,
        .recipients = recipients,
        .original = SLICE("From: alice@example.org\r\nSubject: hello\r\n\r\nthe body\r\n"),
    };
}

static buf print(const struct dsn_report *r)
{
    buf b;
    buf_init(&b, 1 << 22);
    dsn_print(&b, r);
    assert_true(buf_ok(&b));
    return b;
}

static void assert_has(const buf *b, const char *text)
{
    if (slice_find(buf_slice(b), slice_str(text)) < 0)
        fail_msg("\"%s\" is not in:\n%.*s", text, SLICE_ARG(buf_slice(b)));
}

static void assert_lacks(const buf *b, const char *text)
{
    if (slice_find(buf_slice(b), slice_str(text)) >= 0)
        fail_msg("\"%s\" is in:\n%.*s", text, SLICE_ARG(buf_slice(b)));
}

/* What RFC 5322 and RFC 6522 ask of any report. Gives the facts of its content. */
static struct body_facts assert_well_formed(const buf *b)
{
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(b));
    struct body_facts facts = body_scan_end(&scan);
    assert_in_range(facts.longest_line, 1, 998);
    assert_true(facts.ends_in_crlf);
    struct header_field field;
    static const char *const names[] = {"From",           "To",           "Subject",     "Date", "Message-ID",
                                        "Auto-Submitted", "MIME-Version", "Content-Type"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(header_find(buf_slice(b), slice_str(names[i]), &field));
    bool declared = header_find(buf_slice(b), SLICE("Content-Transfer-Encoding"), &field);
    assert_int_equal(declared, facts.eight_bit);

    assert_true(header_find(buf_slice(b), SLICE("Content-Type"), &field));
    slice before, after, boundary;
    assert_true(slice_cut(field.value, '"', &before, &after));
    assert_true(slice_cut(after, '"', &boundary, &after));
    size_t count = 0;
    slice rest = slice_skip(buf_slice(b), facts.header_len);
    for (ptrdiff_t at; (at = slice_find(rest, boundary)) >= 0; rest = slice_skip(rest, (size_t)at + 1))
        count++;
    assert_int_equal(count, 4);
    return facts;
}

static void a_failure_is_told_to_people_and_machines(void **state)
{
    (void)state;
    const struct dsn_recipient recipients[] = {
        {&bob, DSN_FAILED, status_verdict_of_reply(550, SLICE("5.1.1 No such user\n5.1.1 here")),
         SLICE("mx.example.com[192.0.2.26]"), 1795291714, 0},
    };
    struct dsn_report r = report_of(recipients, 1);
    buf b = print(&r);
    assert_false(assert_well_formed(&b).eight_bit);
    static const char *const parts[] = {
        "From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n",
        "To: <alice@example.org>\r\n",
        "Subject: Undelivered mail returned to sender\r\n",
        "Date: Sat, 21 Nov 2026 20:08:35 +0000\r\n",
        "Message-ID: <C6KXW9CG@mail.example.org>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;",
        "Content-Type: text/plain; charset=us-ascii\r\n",
        "<bob@example.com>\r\n    (you wrote to <team@example.org>)\r\n",
        "The server mx.example.com[192.0.2.26] said:\r\n        550 5.1.1 No such user here\r\n",
        "There is no such mailbox.",
        "postmaster@example.org",
        "D754HX8E",
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.org\r\n",
        "\r\nOriginal-Envelope-Id: QQ314159\r\n",
        "\r\nArrival-Date: Sat, 21 Nov 2026 19:08:35 +0000\r\n\r\nOriginal-Recipient: rfc822; team@example.org\r\n",
        "\r\nFinal-Recipient: rfc822; bob@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n",
        "\r\nRemote-MTA: dns; mx.example.com\r\n",
        "\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\r\n",
        "\r\nLast-Attempt-Date: Sat, 21 Nov 2026 20:08:34 +0000\r\n",
        "Content-Type: text/rfc822-headers\r\n\r\nFrom: alice@example.org\r\nSubject: hello\r\n\r\n--",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        assert_has(&b, parts[i]);
    assert_lacks(&b, "the body");
    assert_lacks(&b, "Will-Retry-Until");
    buf_deinit(&b);
}

static void the_whole_original_comes_back_when_asked_for(void **state)
{
    (void)state;
    const struct dsn_recipient recipients[] = {{&carol, DSN_FAILED, status_verdict(STATUS_GIVEN_UP), SLICE_NONE, 0, 0}};
    struct dsn_report r = report_of(recipients, 1);
    r.original_full = true;
    r.original = SLICE("From: alice\r\n\r\nb\xc3\xb6"
                       "dy without an end");
    r.original_8bit = true;
    buf b = print(&r);
    assert_true(assert_well_formed(&b).eight_bit);
    assert_has(&b, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFrom: alice\r\n\r\nb\xc3\xb6"
                   "dy without an end\r\n");
    assert_has(&b, "This server says:\r\n        554 5.4.7 Delivery time expired\r\n");
    assert_lacks(&b, "Remote-MTA");
    buf_deinit(&b);
}

static void a_delay_says_that_nothing_need_be_done(void **state)
{
    (void)state;
    const struct dsn_recipient recipients[] = {
        {&carol, DSN_DELAYED, status_verdict(STATUS_CONNECT_FAILED), SLICE("[192.0.2.9]"), 1795291714, 1795720115}};
    struct dsn_report r = report_of(recipients, 1);
    r.deliver_by_s = 1795291715;
    r.release_s = 1795288115;
    buf b = print(&r);
    assert_well_formed(&b);
    assert_has(&b, "\r\nArrival-Date: Sat, 21 Nov 2026 19:08:35 +0000\r\nDeliver-By-Date: Sat, 21 Nov 2026 20:08:35 "
                   "+0000\r\nFuture-Release-Request: until;2026-11-21T19:08:35Z\r\n\r\n"); /* RFC 4865 section 5.1.2 */
    assert_has(&b, "Subject: Delayed mail (still being retried)\r\n");
    assert_has(&b, "you need not do anything");
    assert_has(&b, "\r\nAction: delayed\r\nStatus: 4.4.1\r\nRemote-MTA: dns; [192.0.2.9]\r\n");
    assert_has(&b, "\r\nWill-Retry-Until: Thu, 26 Nov 2026 19:08:35 +0000\r\n");
    buf_deinit(&b);
}

static void success_is_reported_by_its_kind(void **state)
{
    (void)state;
    const struct dsn_recipient recipients[] = {
        {&bob, DSN_DELIVERED, status_verdict(STATUS_DELIVERED), SLICE_NONE, 0, 0},
        {&carol, DSN_RELAYED, status_verdict_of_reply(250, SLICE("thanks")), SLICE("mx[192.0.2.1]"), 0, 0},
        {&zoe, DSN_EXPANDED, status_verdict(STATUS_OK), SLICE_NONE, 0, 0},
    };
    struct dsn_report r = report_of(recipients, 3);
    buf b = print(&r);
    assert_true(assert_well_formed(&b).eight_bit);
    assert_has(&b, "Subject: Successful mail delivery report\r\n");
    assert_has(&b, "\r\nAction: delivered\r\nStatus: 2.0.0\r\n");
    assert_has(&b, "\r\nAction: relayed\r\nStatus: 2.0.0\r\n");
    assert_has(&b, "\r\nAction: expanded\r\n");
    /* RFC 6533: spelled out for machines, as it is for people */
    assert_has(&b, "\r\nFinal-Recipient: utf-8; zo\\x{EB}@example.net\r\n");
    assert_has(&b, "\r\n<zo\xc3\xab@example.net>\r\n");
    assert_has(&b, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n");
    buf_deinit(&b);
}

static void failures_stand_before_delays(void **state)
{
    (void)state;
    const struct dsn_recipient recipients[] = {
        {&carol, DSN_DELAYED, status_verdict(STATUS_CONNECT_FAILED), SLICE_NONE, 0, 0},
        {&bob, DSN_FAILED, status_verdict(STATUS_USER_UNKNOWN), SLICE_NONE, 0, 0},
    };
    struct dsn_report r = report_of(recipients, 2);
    buf b = print(&r);
    assert_has(&b, "Subject: Undelivered mail returned to sender\r\n");
    slice text = buf_slice(&b);
    assert_true(slice_find(text, SLICE("<bob@example.com>")) < slice_find(text, SLICE("<carol@example.net>")));
    buf_deinit(&b);
}

static void threat_a_hostile_server_cannot_forge_parts(void **state)
{
    (void)state;
    static char words[20000];
    memset(words, 'x', sizeof(words));
    slice forged = SLICE("5.7.1 a\r\n\r\n--=_C6KXW9CG.0_=\r\nAction: delivered\r\n\x1b[31m \xff\xc3\xa9");
    memcpy(words, forged.ptr, forged.len);
    const struct dsn_recipient recipients[] = {{&bob, DSN_FAILED,
                                                status_verdict_of_reply(550, slice_of(words, sizeof(words))),
                                                SLICE("mx)\r\nX: y[192.0.2.26]"), 0, 0}};
    struct dsn_report r = report_of(recipients, 1);
    r.envid = SLICE("a\r\nAction: delivered");
    r.to = SLICE("a@b>\r\nBcc: c@d");
    r.original = SLICE("Subject: --=_C6KXW9CG.0_=\r\n--=_C6KXW9CG.1_=\r\n\r\n");
    buf b = print(&r);
    assert_lacks(&b, "\r\nAction: delivered");
    assert_lacks(&b, "\x1b");
    assert_lacks(&b, "\r\nBcc:");
    assert_lacks(&b, "\r\nX: y");
    assert_has(&b, "boundary=\"=_C6KXW9CG.2_=\"");
    buf_deinit(&b);
}

static void lines_too_long_are_broken(void **state)
{
    (void)state;
    static char original[10000];
    memset(original, 'a', sizeof(original));
    memcpy(original, "Subject: ", 9);
    memcpy(original + 5000, "\r\n\r\n", 4);
    static const size_t exact[] = {998, 999, 1995, 1996};
    const struct dsn_recipient recipients[] = {
        {&bob, DSN_FAILED, status_verdict(STATUS_USER_UNKNOWN), SLICE_NONE, 0, 0}};
    struct dsn_report r = report_of(recipients, 1);
    r.original_full = true;
    r.original = slice_of(original, sizeof(original));
    buf b = print(&r);
    assert_well_formed(&b);
    /* a header's line goes on after white space */
    assert_has(&b, "a\r\n aaaa");
    buf_deinit(&b);
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        r.original = slice_of(original, exact[i]);
        b = print(&r);
        assert_well_formed(&b);
        slice pieces = buf_slice(&b);
        assert_int_equal(slice_find(pieces, slice_of(original, exact[i])) >= 0, exact[i] <= 998);
        buf_deinit(&b);
    }
}

static void too_small_a_buffer_is_told(void **state)
{
    (void)state;
    const struct dsn_recipient recipients[] = {
        {&bob, DSN_FAILED, status_verdict(STATUS_USER_UNKNOWN), SLICE_NONE, 0, 0}};
    struct dsn_report r = report_of(recipients, 1);
    for (size_t max = 1; max < 1000; max += 100) {
        buf b;
        buf_init(&b, max);
        dsn_print(&b, &r);
        assert_false(buf_ok(&b));
        buf_deinit(&b);
    }
}

static void e6_server_international_mail_has_the_global_types(void **state)
{
    (void)state;
    static const struct recipient doerte = {.address = SLICE("d\xc3\xb6rte@example.net"),
                                            .orcpt = SLICE("utf-8;d\xc3\xb6rte@example.com")};
    const struct dsn_recipient recipients[] = {
        {&doerte, DSN_FAILED, status_verdict(STATUS_USER_UNKNOWN), SLICE("[192.0.2.9]"), 0, 0},
        {&carol, DSN_FAILED, status_verdict(STATUS_USER_UNKNOWN), SLICE("[192.0.2.9]"), 0, 0}};
    struct dsn_report r = report_of(recipients, 2);
    r.to = SLICE("\xc3\xa9ric@example.org");
    r.international = true;
    buf b = print(&r);
    assert_true(assert_well_formed(&b).eight_bit_header);
    assert_has(&b, "To: <\xc3\xa9ric@example.org>\r\n");
    assert_has(&b, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    assert_has(
        &b,
        "Original-Recipient: utf-8; d\xc3\xb6rte@example.com\r\nFinal-Recipient: utf-8; d\xc3\xb6rte@example.net\r\n");
    assert_has(&b, "Final-Recipient: rfc822; carol@example.net\r\n");
    assert_has(&b, "Content-Type: message/global-headers\r\n\r\nFrom:");
    buf_deinit(&b);
    r.original_full = true;
    b = print(&r);
    assert_has(&b, "Content-Type: message/global\r\n\r\nFrom:");
    buf_deinit(&b);
}

static void e7_server_each_action_has_its_fields(void **state)
{
    (void)state;
    const struct verdict ok = status_verdict(STATUS_DELIVERED),
                         relayed = status_verdict_of_reply(250, SLICE("2.6.0 queued"));
    static const struct {
        enum dsn_action action;
        const char *has, *lacks;
    } rows[] = {
        {DSN_DELIVERED, "Action: delivered\r\nStatus: 2.0.0\r\nLast-Attempt-Date:", "Remote-MTA"},
        {DSN_EXPANDED, "Action: expanded\r\nStatus: 2.0.0\r\n", "Diagnostic-Code"},
        {DSN_RELAYED,
         "Action: relayed\r\nStatus: 2.6.0\r\nRemote-MTA: dns; mx.example.com\r\nDiagnostic-Code: smtp; 250 2.6.0 "
         "queued\r\n",
         "Will-Retry-Until"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool remote = rows[i].action == DSN_RELAYED;
        const struct dsn_recipient recipients[] = {{&bob, rows[i].action, remote ? relayed : ok,
                                                    remote ? SLICE("mx.example.com[192.0.2.26]") : SLICE_NONE, 9, 0}};
        struct dsn_report r = report_of(recipients, 1);
        buf b = print(&r);
        assert_well_formed(&b);
        assert_has(&b, "Subject: Successful mail delivery report\r\n");
        assert_has(&b, "Original-Recipient: rfc822; team@example.org\r\nFinal-Recipient: rfc822; bob@example.com\r\n");
        assert_has(&b, rows[i].has);
        assert_lacks(&b, rows[i].lacks);
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e6_server_international_mail_has_the_global_types),
        cmocka_unit_test(e7_server_each_action_has_its_fields),
        cmocka_unit_test(a_failure_is_told_to_people_and_machines),
        cmocka_unit_test(the_whole_original_comes_back_when_asked_for),
        cmocka_unit_test(a_delay_says_that_nothing_need_be_done),
        cmocka_unit_test(success_is_reported_by_its_kind),
        cmocka_unit_test(failures_stand_before_delays),
        cmocka_unit_test(threat_a_hostile_server_cannot_forge_parts),
        cmocka_unit_test(lines_too_long_are_broken),
        cmocka_unit_test(too_small_a_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
