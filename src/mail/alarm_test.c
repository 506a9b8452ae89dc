/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static buf print(slice login)
{
    const struct alarm_facts f = {.hostname = SLICE("mail.example.org"),
                                  .postmaster = SLICE("postmaster@example.org"),
                                  .login = login,
                                  .messages = 201,
                                  .recipients = 1,
                                  .since_s = 1795288115,
                                  .now_s = 1795291715,
                                  .id = 8};
    buf b;
    buf_init(&b, 8192);
    alarm_print(&b, &f);
    assert_true(buf_ok(&b));
    return b;
}

static void g7_server_the_postmaster_reads_who_sent_how_much(void **state)
{
    (void)state;
    buf b = print(SLICE("alice@example.org"));
    static const char *const parts[] = {"To: <postmaster@example.org>\r\n",
                                        "Subject: Mail of alice@example.org is held",
                                        "Auto-Submitted: auto-generated\r\n",
                                        ("alice@example.org has sent 201 messages to 1 recipient since\r\n"
                                         "Sat, 21 Nov 2026 19:08:35 +0000"),
                                        "thurn queue release"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_true(slice_find(buf_slice(&b), slice_str(parts[i])) >= 0);
    buf_deinit(&b);
}

static void g7_server_a_hostile_login_adds_no_line(void **state)
{
    (void)state;
    buf plain = print(SLICE("x")), hostile = print(SLICE("x\r\nBcc: y@example.net\r\n\r\n\x1b[31m\xff\xc3\xb6"));
    struct header_field field;
    size_t lines[2] = {0, 0};
    for (size_t i = 0; i < plain.len; i++)
        lines[0] += plain.ptr[i] == '\n';
    for (size_t i = 0; i < hostile.len; i++) {
        lines[1] += hostile.ptr[i] == '\n';
        assert_in_range(hostile.ptr[i], 1, 126);
        assert_int_not_equal(hostile.ptr[i], 0x1b);
    }
    assert_int_equal(lines[0], lines[1]);
    assert_false(header_find(buf_slice(&hostile), SLICE("Bcc"), &field));
    buf_deinit(&plain);
    buf_deinit(&hostile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g7_server_the_postmaster_reads_who_sent_how_much),
        cmocka_unit_test(g7_server_a_hostile_login_adds_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
