/* SPDX-License-Identifier: ISC */
#include "cmd/batch_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The lines of a text given in pieces of so many bytes, as "NUMBER:text|". */
static void read_in_pieces(slice text, size_t piece, buf *out)
{
    struct batch_lines *l = malloc(sizeof *l);
    struct batch_line line;
    size_t used;
    assert_non_null(l);
    batch_lines_init(l);
    for (bool ended = false; !ended;) {
        batch_lines_feed(l, slice_sub(text, 0, piece), &used);
        text = slice_skip(text, used);
        ended = text.len == 0;
        if (ended)
            batch_lines_end(l);
        while (batch_lines_next(l, &line)) {
            if (line.begins)
                buf_printf(out, "%u:", (unsigned)line.number);
            buf_append(out, line.text);
            if (line.ends)
                buf_append_char(out, '|');
        }
    }
    assert_int_equal(l->crc, hash_crc32c(0, slice_of(text.ptr - l->offset, l->offset)));
    free(l);
}

static void b1_lines_end_in_lf_or_crlf(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"HELO a\nMAIL FROM:<a@b>\r\nQUIT\n", "1:HELO a|2:MAIL FROM:<a@b>|3:QUIT|"},
        {"no end", "1:no end|"},
        {"cr inside\rof a line\r\n\r\n.\r\n", "1:cr inside\rof a line|2:|3:.|"},
        {"a\r\r\nb", "1:a\r|2:b|"},
        {"\n\n\n", "1:|2:|3:|"},
        {"a\r", "1:a\r|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece < 9; piece++) {
            buf out;
            buf_init(&out, 4096);
            read_in_pieces(slice_str(rows[i].in), piece, &out);
            assert_true(slice_equal(buf_slice(&out), slice_str(rows[i].out)));
            buf_deinit(&out);
        }
    }
}

static void b1_a_long_line_comes_in_pieces_and_whole(void **state)
{
    (void)state;
    enum { LONG = 3 * BATCH_LINES_KEPT };
    char *text = malloc(LONG + 4);
    buf out;
    assert_non_null(text);
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\r\ny\n", 4);
    /* a CR exactly where the memory is full */
    text[BATCH_LINES_KEPT - 1] = '\r';
    buf_init(&out, 2 * LONG);
    read_in_pieces(slice_of(text, LONG + 4), 10000, &out);
    assert_int_equal(out.len, 2 + LONG + 1 + 2 + 1 + 1);
    assert_true(slice_starts(buf_slice(&out), SLICE("1:xxx")));
    assert_true(slice_ends_nocase(buf_slice(&out), SLICE("x|2:y|")));
    buf_deinit(&out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_lines_end_in_lf_or_crlf),
        cmocka_unit_test(b1_a_long_line_comes_in_pieces_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
