/* SPDX-License-Identifier: ISC */
/* What a server's replies must be whatever is asked (RFC 5321 sections 4.2 and 4.5.3.1.5, RFC 2033, 3207, 4954). */
#include "smtp/server.h"

#include "smtp/rows_test.h"

#define AUTH_OK OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true)

/* Three digits of which the first is 2 to 5, and at most 512 octets with CRLF. */
static void check_lines(slice replies)
{
    while (replies.len > 0) {
        ptrdiff_t lf = slice_find_char(replies, '\n');
        assert_true(lf > 0 && replies.ptr[lf - 1] == '\r');
        slice line = slice_sub(replies, 0, (size_t)lf + 1);
        if (line.len > 512)
            fail_msg("%zu octets: %.*s", line.len, SLICE_ARG(line));
        assert_true(line.ptr[0] >= '2' && line.ptr[0] <= '5' && ascii_is_digit(line.ptr[1]) &&
                    ascii_is_digit(line.ptr[2]));
        assert_true(line.ptr[3] == ' ' || line.ptr[3] == '-');
        replies = slice_skip(replies, line.len);
    }
}

static void append_path(buf *in, const char *before, size_t local, size_t domain)
{
    buf_append(in, slice_str(before));
    for (size_t i = 0; i < local; i++)
        buf_append_char(in, 'x');
    buf_append_char(in, '@');
    for (size_t i = 0; i < domain; i++)
        buf_append_char(in, i % 60 == 59 ? '.' : 'y');
    buf_append(in, SLICE(">\r\n"));
}

static void s10_server_reply_lines_are_short_enough(void **state)
{
    (void)state;
    static const size_t locals[] = {1, 64, 200, 255};
    for (size_t i = 0; i < sizeof locals / sizeof locals[0]; i++) {
        struct drive d;
        buf in;
        buf_init(&in, 1 << 20);
        buf_append(&in, SLICE("EHLO "));
        for (size_t k = 0; k < 250; k++)
            buf_append_char(&in, k % 60 == 59 ? '.' : 'h');
        buf_append(&in, SLICE("\r\n"));
        append_path(&in, "MAIL FROM:<", locals[i], 250);
        append_path(&in, "RCPT TO:<", locals[i], 250);
        buf_append(&in, SLICE("HELP\r\nHELP MAIL\r\nVRFY x\r\nNOOP\r\nQUIT\r\n"));
        drive_open(&d, &DEFAULTS);
        drive_read(&d, buf_slice(&in));
        check_lines(buf_slice(&d.replies));
        assert_true(slice_find(buf_slice(&d.replies), SLICE("\r\n250 2.1.0 ")) > 0);
        drive_close(&d);
        buf_deinit(&in);
    }
}

static void s10_server_orders_of_commands(void **state)
{
    (void)state;
    struct row rows[] = {
        {"AUTH before EHLO", AUTH_OK, SLICE("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
         SLICE("503 5.5.1 Send HELO or EHLO first\r\n"), NULL},
        {"STARTTLS with a parameter", OPTIONS(.starttls = true), SLICE("EHLO c\r\nSTARTTLS now\r\n"),
         SLICE("250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n"
               "250-8BITMIME\r\n" OFFER "250 HELP\r\n501 5.5.4 This command takes no argument\r\n"),
         NULL},
        {"EXPN is listed where it says something (RFC 5321 section 3.5.2)", OPTIONS(.expn = true), SLICE("EHLO c\r\n"),
         SLICE("250-mx.example.org Hello c\r\n250-PIPELINING\r\n250-SIZE\r\n250-ENHANCEDSTATUSCODES\r\n"
               "250-8BITMIME\r\n" OFFER "250-EXPN\r\n250 HELP\r\n"),
         NULL},
        {"VRFY, EXPN, HELP in a transaction change nothing", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "VRFY x\r\nHELP NOOP\r\nNOOP\r\nDATA\r\n.\r\n"),
         SLICE(HELLO BEGUN "252 2.5.0 Cannot VRFY user, but will accept message and attempt delivery\r\n"
                           "214-2.0.0 NOOP\r\n214 2.0.0 Does nothing.\r\n250 2.0.0 Ok\r\n" GO_AHEAD QUEUED),
         NULL},
    };
    RUN(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s10_server_reply_lines_are_short_enough),
        cmocka_unit_test(s10_server_orders_of_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
