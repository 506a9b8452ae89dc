/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void the_table_keeps_to_the_rules(void **state)
{
    (void)state;
    for (int i = 0; i < STATUS_COUNT; i++) {
        struct verdict v = status_verdict((enum status)i);
        assert_in_range(v.code, 200, 599);
        assert_int_not_equal(v.code, 521); /* RFC 6409 section 7: not for submission */
        /* RFC 2034: the class of both codes is the same */
        assert_int_equal(v.enhanced[0], v.code / 100);
        assert_true(v.text.len > 0);
        assert_int_equal(slice_find_char(v.text, '\n'), -1);
    }
}

/* The codes of the protocol's contract. */
static void well_known_outcomes_have_their_codes(void **state)
{
    (void)state;
    static const struct {
        enum status status;
        slice text;
    } rows[] = {
        {STATUS_MAILBOX_FULL, SLICE("452 4.2.2 Mailbox is full")},
        {STATUS_TOO_MANY_HOPS, SLICE("554 5.4.6 Too many hops")},
        {STATUS_NULL_MX, SLICE("556 5.1.10 Domain accepts no mail")},
        {STATUS_NULL_MX_SENDER, SLICE("550 5.7.27 Sender's domain accepts no mail")},
        {STATUS_STARTTLS_FIRST, SLICE("530 5.7.0 Must issue a STARTTLS command first")},
        {STATUS_TRANSACTION_FAILED,
         SLICE("554 5.0.0 Transaction failed")}, /* what has no code of its own, RFC 6409 section 4.1 */
        {STATUS_AUTH_FAILED, SLICE("535 5.7.8 Authentication credentials invalid")},
        {STATUS_UNKNOWN_PARAMETER, SLICE("555 5.5.4 Unsupported MAIL or RCPT parameter")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        struct verdict v = status_verdict(rows[i].status);
        status_print(&b, &v);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_deinit(&b);
    }
    struct verdict v = status_verdict_text(STATUS_USER_UNKNOWN, SLICE("No bob here"));
    assert_int_equal(v.code, 550);
    assert_true(slice_equal(v.text, SLICE("No bob here")));
}

static void reads_replies_of_peers(void **state)
{
    (void)state;
    static const struct {
        uint16_t code;
        slice text;
        slice printed, enhanced;
    } rows[] = {
        {550, SLICE("5.1.1 User unknown"), SLICE("550 5.1.1 User unknown"), SLICE("5.1.1")},
        {550, SLICE("User unknown"), SLICE("550 User unknown"), SLICE("5.0.0")},
        {250, SLICE("2.0.0   Ok"), SLICE("250 2.0.0 Ok"), SLICE("2.0.0")},
        {250, SLICE(""), SLICE("250"), SLICE("2.0.0")},
        {550, SLICE("5.1.10"), SLICE("550 5.1.10"), SLICE("5.1.10")},
        {550, SLICE("5.7.26 no\n5.7.26 more"), SLICE("550 5.7.26 no more"), SLICE("5.7.26")},
        {550, SLICE("5.7.1 no\n5.7.2 more"), SLICE("550 5.7.1 no 5.7.2 more"), SLICE("5.7.1")},
        {550, SLICE("no\nmore\n"), SLICE("550 no more"), SLICE("5.0.0")},
        /* an enhanced code of another class, or none at all, is text */
        {550, SLICE("4.2.2 full"), SLICE("550 4.2.2 full"), SLICE("5.0.0")},
        {354, SLICE("3.0.0 go on"), SLICE("354 3.0.0 go on"), SLICE("4.0.0")},
        {450, SLICE("4.2.2.1 x"), SLICE("450 4.2.2.1 x"), SLICE("4.0.0")},
        {450, SLICE("4.2 x"), SLICE("450 4.2 x"), SLICE("4.0.0")},
        {450, SLICE("4.02.2 x"), SLICE("450 4.02.2 x"), SLICE("4.0.0")},
        {450, SLICE("4.2.999 x"), SLICE("450 4.2.999 x"), SLICE("4.0.0")},
        {450, SLICE("4.2.2x"), SLICE("450 4.2.2x"), SLICE("4.0.0")},
        /* no reply code of SMTP: temporary */
        {199, SLICE("hm"), SLICE("451 hm"), SLICE("4.0.0")},
        {600, SLICE("5.0.0 hm"), SLICE("451 5.0.0 hm"), SLICE("4.0.0")},
        {0, SLICE("4.1.0 hm"), SLICE("451 4.1.0 hm"), SLICE("4.1.0")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct verdict v = status_verdict_of_reply(rows[i].code, rows[i].text);
        buf b;
        buf_init(&b, 100);
        status_print(&b, &v);
        assert_true(slice_equal(buf_slice(&b), rows[i].printed));
        buf_clear(&b);
        status_print_enhanced(&b, &v);
        assert_true(slice_equal(buf_slice(&b), rows[i].enhanced));
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_keeps_to_the_rules),
        cmocka_unit_test(well_known_outcomes_have_their_codes),
        cmocka_unit_test(reads_replies_of_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
