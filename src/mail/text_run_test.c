/* SPDX-License-Identifier: ISC */
#include "mail/text_run_check_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void runs_end_where_they_must(void **state)
{
    (void)state;
    static const struct {
        slice content;
        size_t len, lines_len, longest_line;
        bool odd;
    } rows[] = {
        {SLICE(""), 0, 0, 0, false},
        {SLICE("a"), 1, 0, 0, false},
        {SLICE("\r\n"), 2, 2, 2, false},
        {SLICE("abc\r\nd\r\nef"), 10, 8, 5, false},
        {SLICE("a\r\n.b\r\n"), 3, 3, 3, false},
        {SLICE(".a\r\nb.c"), 7, 4, 4, false},
        {SLICE("a\r\nb\r"), 4, 3, 3, false},
        {SLICE("a\r\nb\nc\r\n"), 4, 3, 3, false},
        {SLICE("a\r\r\nb"), 1, 0, 0, false},
        {SLICE("\na"), 0, 0, 0, false},
        {SLICE("\ra"), 0, 0, 0, false},
        {SLICE("a\r\n\n"), 3, 3, 3, false},
        {SLICE("a\0b"), 3, 0, 0, true},
        {SLICE("\x7f"), 1, 0, 0, false},
        {SLICE("\x80"), 1, 0, 0, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text_run run = text_run_find(rows[i].content);
        assert_ptr_equal(run.text.ptr, rows[i].content.ptr);
        assert_int_equal(run.text.len, rows[i].len);
        assert_int_equal(run.lines_len, rows[i].lines_len);
        assert_int_equal(run.longest_line, rows[i].longest_line);
        assert_int_equal(run.odd, rows[i].odd);
    }
}

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Text with something to decide every so many bytes. */
static void fill(uint32_t *seed, char *text, size_t len)
{
    static const slice bits[] = {SLICE("\r\n"), SLICE("\r\n"), SLICE("\r\n."), SLICE("\r"),
                                 SLICE("\n"),   SLICE("\0"),   SLICE("\xff"),  SLICE("\x80")};
    uint32_t kinds = random_next(seed) % 8 + 1, every = random_next(seed) % 90 + 1;
    for (size_t at = 0; at < len; at++)
        text[at] = (char)('-' + random_next(seed) % 4);
    for (size_t at = random_next(seed) % every; at < len; at += random_next(seed) % every + 1) {
        slice bit = bits[random_next(seed) % kinds];
        memcpy(text + at, bit.ptr, bit.len < len - at ? bit.len : len - at);
    }
}

static void all_ways_agree(void **state)
{
    (void)state;
    char text[700];
    uint32_t seed = 11;
    for (size_t len = 0; len <= 200; len++) {
        for (size_t misaligned = 0; misaligned < 64; misaligned++) {
            fill(&seed, text, len);
            check_text_run(slice_of(text, len), misaligned);
        }
    }
    for (int round = 0; round < 5000; round++) {
        size_t len = random_next(&seed) % sizeof(text);
        fill(&seed, text, len);
        check_text_run(slice_of(text, len), random_next(&seed) % 64);
    }
}

static void all_ways_agree_at_each_place(void **state)
{
    (void)state;
    static const slice bits[] = {SLICE("\r"),     SLICE("\n"),  SLICE("\r\n"),   SLICE("\r\n."),
                                 SLICE("\r\n\r"), SLICE("\n."), SLICE("\r\r\n"), SLICE("\n\r\n"),
                                 SLICE("\r\n\n"), SLICE("."),   SLICE("\x80"),   SLICE("\0")};
    char text[200];
    for (size_t b = 0; b < sizeof(bits) / sizeof(bits[0]); b++) {
        for (size_t len = 120; len <= sizeof(text); len++) {
            for (size_t at = 0; at + bits[b].len <= len; at++) {
                memset(text, 'x', sizeof(text));
                memcpy(text + at, bits[b].ptr, bits[b].len);
                check_text_run(slice_of(text, len), at % 32);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_end_where_they_must),
        cmocka_unit_test(all_ways_agree),
        cmocka_unit_test(all_ways_agree_at_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
