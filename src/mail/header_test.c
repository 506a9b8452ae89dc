/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void reads_field_after_field(void **state)
{
    (void)state;
    slice header = SLICE("A: b\r\nLong-Name :one\r\n\ttwo\r\n three\r\nEmpty:\r\n\r\nBody: no\r\n");
    static const struct {
        slice name, value, whole;
    } fields[] = {
        {SLICE("A"), SLICE(" b"), SLICE("A: b\r\n")},
        {SLICE("Long-Name"), SLICE("one\r\n\ttwo\r\n three"), SLICE("Long-Name :one\r\n\ttwo\r\n three\r\n")},
        {SLICE("Empty"), SLICE(""), SLICE("Empty:\r\n")},
    };
    struct header_field field;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        assert_true(header_next(&header, &field));
        assert_true(slice_equal(field.name, fields[i].name));
        assert_true(slice_equal(field.value, fields[i].value));
        assert_true(slice_equal(field.whole, fields[i].whole));
    }
    assert_false(header_next(&header, &field));
    assert_true(slice_starts(header, SLICE("\r\nBody")));
}

static void ends_where_no_field_begins(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE(""),
        SLICE("\r\n"),
        SLICE("no colon\r\nA: b\r\n"),
        SLICE(": no name\r\n"),
        SLICE(" folded: x\r\n"),
        SLICE("a\0b: c"),
        SLICE("n\xc3\xa4me: x"),
        SLICE("From a@b Thu Jan 1 00:00:00 1970\r\n"),
        SLICE("A"),
        SLICE("A "),
        SLICE("A\r\n: b\r\n"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        slice header = rows[i];
        struct header_field field;
        assert_false(header_next(&header, &field));
        assert_true(header.ptr == rows[i].ptr && header.len == rows[i].len);
    }
}

static void takes_a_last_field_without_crlf(void **state)
{
    (void)state;
    static const slice rows[] = {SLICE("A: b"), SLICE("A: b\r"), SLICE("A: b\n"), SLICE("A: b\r\n\t")};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        slice header = rows[i];
        struct header_field field;
        assert_true(header_next(&header, &field));
        assert_true(slice_equal(field.value, slice_skip(rows[i], 2)));
        assert_int_equal(header.len, 0);
    }
}

static void finds_the_first_of_a_name(void **state)
{
    (void)state;
    slice header = SLICE("To: a\r\nSUBJECT: one\r\nsubject: two\r\n\r\nX-Body: three\r\n");
    struct header_field field;
    assert_true(header_find(header, SLICE("Subject"), &field));
    assert_true(slice_equal(field.value, SLICE(" one")));
    assert_false(header_find(header, SLICE("X-Body"), &field));
    assert_false(header_find(header, SLICE("Sub"), &field));
    assert_true(slice_equal(field.value, SLICE(" one")));
}

static void unfolds_to_one_line(void **state)
{
    (void)state;
    static const struct {
        slice value;
        size_t max;
        slice line;
    } rows[] = {
        {SLICE(" one\r\n\t two  \tthree \r\n "), 100, SLICE("one two three")},
        {SLICE(""), 10, SLICE("")},
        {SLICE(" \r\n "), 10, SLICE("")},
        {SLICE("hello world"), 8, SLICE("hello wo")},
        {SLICE("hello world"), 6, SLICE("hello")},
        {SLICE("hello world"), 5, SLICE("hello")},
        {SLICE("hello world"), 3, SLICE("hel")},
        {SLICE("caf\xc3\xa9s x"), 4, SLICE("caf")},
        {SLICE("caf\xc3\xa9s x"), 5, SLICE("caf\xc3\xa9")},
        {SLICE("a \xf0\x9f\x93\xa8"), 5, SLICE("a")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, rows[i].max);
        header_unfold(&b, rows[i].value);
        assert_true(buf_ok(&b));
        assert_true(slice_equal(buf_slice(&b), rows[i].line));
        buf_deinit(&b);
    }
}

static void counts_own_delivered_to_fields(void **state)
{
    (void)state;
    slice header = SLICE("Delivered-To: bob@example.org\r\nDELIVERED-TO:  bob@EXAMPLE.org \r\n"
                         "Delivered-To: Bob@example.org\r\nX-Delivered-To: bob@example.org\r\n"
                         "Delivered-To: alice@example.org\r\n\r\nDelivered-To: bob@example.org\r\n");
    assert_int_equal(header_count_delivered_to(header, SLICE("bob@example.org")), 2);
    assert_int_equal(header_count_delivered_to(header, SLICE("alice@example.org")), 1);
    assert_int_equal(header_count_delivered_to(header, SLICE("carol@example.org")), 0);
    assert_int_equal(header_count_delivered_to(SLICE(""), SLICE("bob@example.org")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_field_after_field),
        cmocka_unit_test(ends_where_no_field_begins),
        cmocka_unit_test(takes_a_last_field_without_crlf),
        cmocka_unit_test(finds_the_first_of_a_name),
        cmocka_unit_test(unfolds_to_one_line),
        cmocka_unit_test(counts_own_delivered_to_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
