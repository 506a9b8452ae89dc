/* SPDX-License-Identifier: ISC */
#include "mail/local_lines_check_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Every row of CR, LF and a letter of up to eight bytes, behind 0 to 40 letters so that it lies across the end of a vector, cut anywhere. */
static void every_row_of_line_ends_is_as_a_plain_reading_says(void **state)
{
    (void)state;
    static const char bytes[] = {'\r', '\n', 'x'};
    char content[64];
    for (size_t before = 0; before <= 40; before += before < 10 ? 5 : 1) {
        memset(content, 'y', before);
        for (size_t len = 0, rows = 1; len <= 7; len++, rows *= 3) {
            for (size_t row = 0; row < rows; row++) {
                for (size_t i = 0, rest = row; i < len; i++, rest /= 3)
                    content[before + i] = bytes[rest % 3];
                for (size_t cut = before; cut <= before + len; cut++)
                    check_local_lines(slice_of(content, before + len), cut);
            }
        }
    }
}

static void lines_of_every_length_lose_their_cr(void **state)
{
    (void)state;
    char content[2048], out[2048 + LOCAL_LINES_MORE];
    size_t len = 0, lines = 0;
    for (size_t length = 0; length < 50; length++, lines++) {
        memset(content + len, 'a', length);
        memcpy(content + len + length, "\r\n", 2);
        len += length + 2;
    }
    bool cr = false;
    assert_int_equal(local_lines_write(out, slice_of(content, len), &cr), len - lines);
    assert_false(cr);
    for (size_t cut = 0; cut <= len; cut++)
        check_local_lines(slice_of(content, len), cut);
}

/* Its address may be none: to add to that is not defined, and UBSan says so. */
static void an_empty_piece_changes_nothing(void **state)
{
    (void)state;
    char out[LOCAL_LINES_MORE] = {'x'};
    bool cr = true;
    assert_int_equal(local_lines_write(out, SLICE_NONE, &cr), 0);
    assert_true(cr);
    assert_int_equal(out[0], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_line_ends_is_as_a_plain_reading_says),
        cmocka_unit_test(lines_of_every_length_lose_their_cr),
        cmocka_unit_test(an_empty_piece_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
