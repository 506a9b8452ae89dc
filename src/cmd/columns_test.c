/* SPDX-License-Identifier: ISC */
#include "cmd/columns.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct column two[] = {{"NAME", false, true, 0}, {"N", true, false, 0}, {"WORDS", false, true, 0}};

static void expect(struct columns *c, const char *wanted)
{
    buf out;
    buf_init(&out, 1u << 16);
    columns_print(c, &out);
    buf_append_char(&out, 0);
    assert_string_equal(out.ptr, wanted);
    buf_deinit(&out);
}

static void add_row(struct columns *c, const char *a, const char *b, const char *d)
{
    columns_add(c, slice_str(a));
    columns_add(c, slice_str(b));
    columns_add(c, slice_str(d));
}

static void columns_are_aligned(void **state)
{
    struct columns c;
    (void)state;
    columns_init(&c, two, 3, 80);
    add_row(&c, "a", "1", "first");
    add_row(&c, "longer", "200", "second");
    expect(&c, "NAME      N  WORDS\n"
               "a         1  first\n"
               "longer  200  second\n");
    add_row(&c, "b", "3", "a second batch has no titles");
    expect(&c, "b         3  a second batch has no titles\n");
    columns_deinit(&c);
}

static void wide_lines_are_cut(void **state)
{
    struct columns c;
    (void)state;
    columns_init(&c, two, 3, 30);
    add_row(&c, "abcdefghijklmnop", "1", "abcdefghijklmnopqrstuvwxyz");
    expect(&c, "NAME          N  WORDS\n"
               "abcdefghi...  1  abcdefghij...\n");
    columns_deinit(&c);
}

static void cells_are_escaped(void **state)
{
    struct columns c;
    (void)state;
    columns_init(&c, two, 3, 80);
    columns_add(&c, SLICE("\x1b[2J\r\n"));
    columns_add(&c, SLICE("1"));
    columns_add(&c, SLICE("a\0b"));
    add_row(&c, "gr\xc3\xbc\xc3\x9f", "2", "\xff");
    expect(&c, "NAME             N  WORDS\n"
               "\\x1b[2J\\x0d\\x0a  1  a\\x00b\n"
               "gr\xc3\xbc\xc3\x9f             2  \\xff\n");
    columns_deinit(&c);
}

static void titles_are_bold(void **state)
{
    struct columns c;
    (void)state;
    columns_init(&c, two, 3, 80);
    c.color = true;
    add_row(&c, "a", "1", "b");
    expect(&c, "\x1b[1mNAME  N  WORDS\x1b[0m\n"
               "a     1  b\n");
    columns_deinit(&c);
}

/* A line that is missing is an error, not a shorter table. */
static void what_could_not_be_kept_is_told(void **state)
{
    static char text[1 << 20];
    struct columns c;
    buf out;
    (void)state;
    memset(text, 'x', sizeof text);
    buf_init(&out, 64 << 20);
    columns_init(&c, two, 3, 80);
    assert_true(columns_empty(&c));
    for (int i = 0; i < 30; i++)
        columns_add(&c, slice_of(text, sizeof text)); /* more than a table keeps */
    assert_false(columns_empty(&c));
    columns_print(&c, &out);
    assert_false(buf_ok(&out));
    assert_true(columns_empty(&c));
    columns_deinit(&c);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_could_not_be_kept_is_told),
                                       cmocka_unit_test(columns_are_aligned), cmocka_unit_test(wide_lines_are_cut),
                                       cmocka_unit_test(cells_are_escaped), cmocka_unit_test(titles_are_bold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
