/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void escapes_for_logs_and_terminals(void **state)
{
    (void)state;
    static const struct {
        slice in, out;
    } rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("plain text"), SLICE("plain text")},
        {SLICE("a\r\nb"), SLICE("a\\x0d\\x0ab")},
        {SLICE("\0\x1b[31m\x7f"), SLICE("\\x00\\x1b[31m\\x7f")},
        {SLICE("back\\slash"), SLICE("back\\\\slash")},
        {SLICE("caf\xc3\xa9 \xf0\x9f\x93\xa8"), SLICE("caf\xc3\xa9 \xf0\x9f\x93\xa8")},
        {SLICE("bad \xff\xc3("), SLICE("bad \\xff\\xc3(")},
        {SLICE("c1 \xc2\x9b"), SLICE("c1 \\xc2\\x9b")},
        {SLICE("\xc2\xa0"), SLICE("\xc2\xa0")},
        {SLICE("\xe2\x80\xa8"), SLICE("\\xe2\\x80\\xa8")},
        {SLICE("a\xe2\x80\xae\xe2\x81\xa9"), SLICE("a\\xe2\\x80\\xae\\xe2\\x81\\xa9")},
        {SLICE("\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x82\xac"),
         SLICE("\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x82\xac")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 1000);
        buf_append_escaped(&b, rows[i].in);
        assert_true(slice_equal(buf_slice(&b), rows[i].out));
        buf_deinit(&b);
    }
}

static void writes_json_strings(void **state)
{
    (void)state;
    static const struct {
        slice in, out;
    } rows[] = {
        {SLICE(""), SLICE("\"\"")},
        {SLICE("say \"hi\" \\ there"), SLICE("\"say \\\"hi\\\" \\\\ there\"")},
        {SLICE("\t\r\n\0\x1f"), SLICE("\"\\t\\r\\n\\u0000\\u001f\"")},
        {SLICE("\xc3\xa9"), SLICE("\"\xc3\xa9\"")},
        {SLICE("a\xe2\x80\xa8\xe2\x81\xa6z\xe2\x82\xac"), SLICE("\"a\\u2028\\u2066z\xe2\x82\xac\"")},
        {SLICE("\x7f\xc2\x9b"
               "31m\xc2\xa0"),
         SLICE("\"\\u007f\\u009b31m\xc2\xa0\"")},
        {SLICE("a\xc2"), SLICE("\"a\xef\xbf\xbd\"")},
        {SLICE("a\xff\xfe"), SLICE("\"a\xef\xbf\xbd\xef\xbf\xbd\"")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 1000);
        buf_append_json(&b, rows[i].in);
        assert_true(slice_equal(buf_slice(&b), rows[i].out));
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_for_logs_and_terminals),
        cmocka_unit_test(writes_json_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
