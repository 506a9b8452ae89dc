/* SPDX-License-Identifier: ISC */
#include "smtp/dot.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    slice in;      /* after DATA */
    slice content; /* what comes out */
    slice rest;    /* what is left behind the end; with no end: "none" */
    bool bare;
};

#define NO_END SLICE("none")

/* Hostile: end of data written with bare LF or CR (`\n.\n`, `\n.\r\n`, `\r\n.\n`, `\r.\r`, with NUL), then commands */
static const struct row rows[] = {
    {SLICE("hi\r\n.\r\n"), SLICE("hi\r\n"), SLICE(""), false},
    {SLICE(".\r\n"), SLICE(""), SLICE(""), false},
    {SLICE("hi\r\n.\r\nQUIT\r\n"), SLICE("hi\r\n"), SLICE("QUIT\r\n"), false},
    {SLICE("..\r\n...a\r\n.b\r\n.\r\n"), SLICE(".\r\n..a\r\nb\r\n"), SLICE(""), false},
    {SLICE("a\n.\nMAIL\r\n"), SLICE("a\r\n.\r\nMAIL\r\n"), NO_END, true},
    {SLICE("a\n.\r\nMAIL\r\n"), SLICE("a\r\n.\r\nMAIL\r\n"), NO_END, true},
    {SLICE("a\r\n.\nMAIL\r\n"), SLICE("a\r\n\r\nMAIL\r\n"), NO_END, true},
    {SLICE("a\r.\rMAIL\r\n"), SLICE("a . MAIL\r\n"), NO_END, true},
    {SLICE("a\r\n.\rMAIL\r\n"), SLICE("a\r\n MAIL\r\n"), NO_END, true},
    {SLICE("a\r.\r\nMAIL\r\n"), SLICE("a .\r\nMAIL\r\n"), NO_END, true},
    {SLICE("a\n\r.\r\n"), SLICE("a\r\n .\r\n"), NO_END, true},
    {SLICE("a\r\r\n.\r\r\nMAIL\r\n"), SLICE("a \r\n \r\nMAIL\r\n"), NO_END, true},
    {SLICE("a\r\n\0.\r\nMAIL\r\n"), SLICE("a\r\n\0.\r\nMAIL\r\n"), NO_END, false},
    {SLICE("a\r\n.\0\r\nMAIL\r\n"), SLICE("a\r\n\0\r\nMAIL\r\n"), NO_END, false},
    {SLICE("a\r\0\n.\r\nMAIL\r\n"), SLICE("a \0\r\n.\r\nMAIL\r\n"), NO_END, true},
    {SLICE("a\r\n.\r\0\nMAIL\r\n"), SLICE("a\r\n \0\r\nMAIL\r\n"), NO_END, true},
    {SLICE("\n.\n\r\n.\r\nx"), SLICE("\r\n.\r\n\r\n"), SLICE("x"), true},
    {SLICE("a\n\n..\nb\r\n.\r\n"), SLICE("a\r\n\r\n..\r\nb\r\n"), SLICE(""), true},
};

static void read_all(slice in, size_t piece, struct smtp_dot *d, buf *content, slice *rest_r)
{
    smtp_dot_init(d);
    *rest_r = NO_END;
    for (size_t from = 0; from < in.len; from += piece) {
        slice part = slice_sub(in, from, from + piece < in.len ? from + piece : in.len);
        struct text_run run;
        enum smtp_dot_result r;
        while ((r = smtp_dot_read(d, &part, &run)) == SMTP_DOT_RUN) {
            assert_true(run.text.len > 0);
            buf_append(content, run.text);
        }
        if (r == SMTP_DOT_END) {
            *rest_r = slice_skip(in, (size_t)(part.ptr - in.ptr));
            return;
        }
        assert_int_equal(part.len, 0);
    }
}

static void test_end_of_data_and_bare_newlines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= rows[i].in.len; piece++) {
            struct smtp_dot d;
            slice rest;
            buf content;
            buf_init(&content, 4096);
            read_all(rows[i].in, piece, &d, &content, &rest);
            if (!slice_equal(buf_slice(&content), rows[i].content) || !slice_equal(rest, rows[i].rest))
                fail_msg("row %zu in pieces of %zu: got \"%.*s\", rest \"%.*s\"", i, piece,
                         SLICE_ARG(buf_slice(&content)), SLICE_ARG(rest));
            assert_int_equal(d.bare, rows[i].bare);
            buf_deinit(&content);
        }
    }
}

/* The same rules a byte at a time and without any cleverness. */
static size_t plain_reference(slice in, buf *content)
{
    bool start = true;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i], next = i + 1 < in.len ? in.ptr[i + 1] : '\0';
        if (start && c == '.' && next == '\r' && i + 2 < in.len && in.ptr[i + 2] == '\n')
            return i + 3;
        if (start && c == '.') {
            start = false;
            continue;
        }
        start = false;
        if (c == '\r' && next == '\n') {
            buf_append(content, SLICE("\r\n"));
            i++;
            start = true;
        } else if (c == '\r') {
            if (i + 1 < in.len)
                buf_append_char(content, ' ');
        } else if (c == '\n') {
            buf_append(content, SLICE("\r\n"));
        } else {
            buf_append_char(content, c);
        }
    }
    return 0;
}

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void random_text(uint32_t *seed, buf *text, size_t len)
{
    static const slice bits[] = {
        SLICE("\r\n"),    SLICE("."),     SLICE("a"),  SLICE("\r"),
        SLICE("\n"),      SLICE("\r\n."), SLICE("\0"), SLICE("0123456789012345678901234567890123456789"),
        SLICE("\xc3\xa9")};
    uint32_t kinds = random_next(seed) % 4 == 0 ? 9 : 3;
    while (text->len < len) {
        uint32_t k = random_next(seed) % (kinds + 3);
        buf_append(text, k < 9 ? bits[k] : bits[7]);
    }
}

static void test_same_as_byte_by_byte(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        buf text, wanted, got;
        buf_init(&text, 1 << 16);
        buf_init(&wanted, 1 << 16);
        buf_init(&got, 1 << 16);
        random_text(&seed, &text, random_next(&seed) % 700);
        size_t end = plain_reference(buf_slice(&text), &wanted);
        struct smtp_dot d;
        slice rest;
        read_all(buf_slice(&text), random_next(&seed) % 200 + 1, &d, &got, &rest);
        assert_true(slice_equal(buf_slice(&wanted), buf_slice(&got)));
        if (end > 0)
            assert_int_equal(rest.len, text.len - end);
        else
            assert_true(slice_equal(rest, NO_END));
        buf_deinit(&text);
        buf_deinit(&wanted);
        buf_deinit(&got);
    }
}

/* What is known of the runs when they come gives the same facts as the content read a byte at a time. */
static void test_runs_have_the_facts_of_their_content(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (int round = 0; round < 2000; round++) {
        buf text;
        buf_init(&text, 1 << 16);
        buf_append(&text, round % 2 == 0 ? SLICE("Received: a\r\n") : SLICE(""));
        random_text(&seed, &text, random_next(&seed) % 400);
        size_t piece = random_next(&seed) % 200 + 1;
        struct smtp_dot d;
        struct body_scan of_runs, of_bytes;
        smtp_dot_init(&d);
        body_scan_init(&of_runs);
        body_scan_init(&of_bytes);
        enum smtp_dot_result r = SMTP_DOT_MORE;
        for (size_t from = 0; from < text.len && r != SMTP_DOT_END; from += piece) {
            slice part = slice_sub(buf_slice(&text), from, from + piece);
            struct text_run run;
            while ((r = smtp_dot_read(&d, &part, &run)) == SMTP_DOT_RUN) {
                body_scan_feed_run(&of_runs, &run);
                for (size_t i = 0; i < run.text.len; i++)
                    body_scan_feed(&of_bytes, slice_of(run.text.ptr + i, 1));
            }
        }
        struct body_facts a = body_scan_end(&of_runs), b = body_scan_end(&of_bytes);
        assert_int_equal(a.size, b.size);
        assert_int_equal(a.header_len, b.header_len);
        assert_int_equal(a.longest_line, b.longest_line);
        assert_int_equal(a.leading_dots, b.leading_dots);
        assert_int_equal(a.received, b.received);
        assert_int_equal(a.eight_bit, b.eight_bit);
        assert_int_equal(a.eight_bit_header, b.eight_bit_header);
        assert_int_equal(a.nul, b.nul);
        assert_int_equal(a.ends_in_crlf, b.ends_in_crlf);
        buf_deinit(&text);
    }
}

/* The hot path: a chunk of ordinary mail is one run, and that run is the input itself. */
static void test_clean_chunk_is_one_slice(void **state)
{
    (void)state;
    buf text;
    buf_init(&text, 1 << 16);
    for (int i = 0; i < 500; i++)
        buf_append(&text, SLICE("An ordinary line of text, with a dot. And another.\r\n"));
    slice whole = buf_slice(&text), in = whole;
    struct text_run run;
    struct smtp_dot d;
    smtp_dot_init(&d);
    assert_int_equal(smtp_dot_read(&d, &in, &run), SMTP_DOT_RUN);
    assert_ptr_equal(run.text.ptr, whole.ptr);
    assert_int_equal(run.text.len, whole.len);
    assert_int_equal(smtp_dot_read(&d, &in, &run), SMTP_DOT_MORE);
    buf_deinit(&text);
}

static bool wire_is_strict(slice wire)
{
    for (size_t i = 0; i < wire.len; i++) {
        bool cr_before = i > 0 && wire.ptr[i - 1] == '\r', lf_after = i + 1 < wire.len && wire.ptr[i + 1] == '\n';
        if ((wire.ptr[i] == '\n' && !cr_before) || (wire.ptr[i] == '\r' && !lf_after))
            return false;
    }
    return true;
}

/* Hostile: bare CR or LF in mail that we send on: replaced or refused before relaying */
static void test_sent_content_is_strict_whatever_was_stored(void **state)
{
    (void)state;
    uint32_t seed = 11;
    for (int round = 0; round < 2000; round++) {
        buf text, wire, back;
        buf_init(&text, 1 << 16);
        buf_init(&wire, 1 << 17);
        buf_init(&back, 1 << 17);
        random_text(&seed, &text, random_next(&seed) % 600);
        struct smtp_stuffer s;
        smtp_stuffer_init(&s);
        for (size_t from = 0; from < text.len;) {
            size_t piece = random_next(&seed) % 90 + 1, to = from + piece < text.len ? from + piece : text.len;
            smtp_stuffer_write(&s, slice_sub(buf_slice(&text), from, to), &wire);
            from = to;
        }
        smtp_stuffer_end(&s, &wire);
        assert_true(wire_is_strict(buf_slice(&wire)));
        struct smtp_dot d;
        slice rest;
        read_all(buf_slice(&wire), 1 << 17, &d, &back, &rest);
        assert_false(d.bare);
        assert_int_equal(rest.len, 0); /* its own end is the only one in it */
        assert_true(slice_find(buf_slice(&wire), SLICE("\r\n.\r\n")) == (ptrdiff_t)wire.len - 5 || wire.len == 3);
        buf_deinit(&text);
        buf_deinit(&wire);
        buf_deinit(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_of_data_and_bare_newlines),
        cmocka_unit_test(test_same_as_byte_by_byte),
        cmocka_unit_test(test_runs_have_the_facts_of_their_content),
        cmocka_unit_test(test_clean_chunk_is_one_slice),
        cmocka_unit_test(test_sent_content_is_strict_whatever_was_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
