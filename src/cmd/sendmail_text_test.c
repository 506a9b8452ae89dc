/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void run(slice in, bool dots_are_text, size_t piece, buf *out)
{
    struct sendmail_text t;
    sendmail_text_init(&t, dots_are_text);
    for (size_t at = 0; at < in.len; at += piece)
        sendmail_text_feed(&t, slice_sub(in, at, at + piece), out);
    sendmail_text_end(&t, out);
}

static void messages(void **state)
{
    static const struct {
        slice in;
        bool dots_are_text;
        slice wanted;
    } rows[] = {
        {SLICE(""), false, SLICE("")},
        {SLICE("a\nb\n"), false, SLICE("a\r\nb\r\n")},
        {SLICE("a\r\nb\r\n"), false, SLICE("a\r\nb\r\n")},
        {SLICE("a\r\nb\nc"), false, SLICE("a\r\nb\r\nc\r\n")},
        {SLICE("\n\n"), false, SLICE("\r\n\r\n")},
        {SLICE("a\rb\r\r\n"), false, SLICE("a b \r\n")},
        {SLICE("a\r"), false, SLICE("a\r\n")},
        /* a dot alone */
        {SLICE("a\n.\nb\n"), false, SLICE("a\r\n")},
        {SLICE("a\r\n.\r\nb\r\n"), false, SLICE("a\r\n")},
        {SLICE("a\n."), false, SLICE("a\r\n")},
        {SLICE(".\n"), false, SLICE("")},
        {SLICE("a\n..\n.b\n. \n"), false, SLICE("a\r\n..\r\n.b\r\n. \r\n")},
        {SLICE("a\n.\rb\n"), false, SLICE("a\r\n. b\r\n")},
        {SLICE("a.\n"), false, SLICE("a.\r\n")},
        {SLICE("a\n.\nb\n"), true, SLICE("a\r\n.\r\nb\r\n")},
        {SLICE("a\n."), true, SLICE("a\r\n.\r\n")},
        /* kept */
        {SLICE("\0\xff\n"), false, SLICE("\0\xff\r\n")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= rows[i].in.len + 1; piece++) {
            buf out;
            buf_init(&out, 1024);
            run(rows[i].in, rows[i].dots_are_text, piece, &out);
            assert_int_equal(out.len, rows[i].wanted.len);
            assert_true(slice_equal(buf_slice(&out), rows[i].wanted));
            buf_deinit(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
