/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "mail/clean.h"

static void each_place_gets_what_it_can_hold(void **state)
{
    (void)state;
    static const struct {
        slice in, text, word, comment, ascii;
    } rows[] = {
        {SLICE("plain"), SLICE("plain"), SLICE("plain"), SLICE("plain"), SLICE("plain")},
        {SLICE("a b\tc\nd\re"), SLICE("a b c d?e"), SLICE("a?b?c?d?e"), SLICE("a b c d?e"), SLICE("a b c d?e")},
        {SLICE("(a)\\"), SLICE("(a)\\"), SLICE("?a??"), SLICE("?a??"), SLICE("(a)\\")},
        {SLICE("<a>,;\""), SLICE("<a>,;\""), SLICE("?a????"), SLICE("<a>,;\""), SLICE("<a>,;\"")},
        {SLICE("\xc3\xa9\xc2\x9b\xff"), SLICE("\xc3\xa9???"), SLICE("\xc3\xa9???"), SLICE("\xc3\xa9???"),
         SLICE("\\x{E9}\\x{9B}?")},
        {SLICE("\xf0\x9f\x93\xa8\0"), SLICE("\xf0\x9f\x93\xa8?"), SLICE("\xf0\x9f\x93\xa8?"),
         SLICE("\xf0\x9f\x93\xa8?"), SLICE("\\x{1F4E8}?")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        clean_append_text(&b, rows[i].in);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_clear(&b);
        clean_append_word(&b, rows[i].in);
        assert_true(slice_equal(buf_slice(&b), rows[i].word));
        buf_clear(&b);
        clean_append_comment(&b, rows[i].in);
        assert_true(slice_equal(buf_slice(&b), rows[i].comment));
        buf_clear(&b);
        clean_append_ascii(&b, rows[i].in);
        assert_true(slice_equal(buf_slice(&b), rows[i].ascii));
        buf_deinit(&b);
    }
}

static void cuts_between_characters(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof(text));
    assert_int_equal(clean_shorten(slice_of(text, 255)).len, 255);
    assert_int_equal(clean_shorten(slice_of(text, 256)).len, 255);
    memcpy(text + 253, "\xe2\x82\xac", 3);
    assert_int_equal(clean_shorten(slice_of(text, 300)).len, 253);
    assert_int_equal(clean_shorten(SLICE_NONE).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_place_gets_what_it_can_hold),
        cmocka_unit_test(cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
