/* SPDX-License-Identifier: ISC */
/* The source itself, to reach the ways that this processor does not go */
#include "mail/text_run.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct way {
    const char *name;
    struct text_run (*find)(slice content);
    bool available;
};

static struct way ways[] = {
    {"the best", text_run_find, true},
    {"words", find_by_words, true},
#if defined(__x86_64__) || defined(__i386__)
    {"SSE2", find_by_sse2, false},
    {"AVX2", find_by_avx2, false},
#endif
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static int ask_processor(void **state)
{
    (void)state;
#if defined(__x86_64__) || defined(__i386__)
    ways[2].available = __builtin_cpu_supports("sse2");
    ways[3].available = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#endif
    return 0;
}

/* As the header has it, a byte at a time and without any cleverness. */
static struct text_run find_plainly(slice content)
{
    const char *p = content.ptr;
    struct text_run run = {.text = content};
    for (size_t i = 0; i < content.len; i++) {
        bool lf_follows = i + 1 < content.len && p[i + 1] == '\n';
        bool after_cr = i > 0 && p[i - 1] == '\r';
        bool after_line = i > 0 && p[i - 1] == '\n';
        if ((p[i] == '\r' && !lf_follows) || (p[i] == '\n' && !after_cr) || (p[i] == '.' && after_line)) {
            run.text.len = i;
            break;
        }
        if (p[i] == '\n') {
            size_t len = i + 1 - run.lines_len;
            run.longest_line = len > run.longest_line ? len : run.longest_line;
            run.lines_len = i + 1;
        }
    }
    for (size_t i = 0; i < run.text.len; i++)
        run.odd |= p[i] == '\0' || (unsigned char)p[i] > 0x7f;
    return run;
}

/* `odd` may be said of a run whose neighbours are odd. */
static void assert_run(const char *way, slice content, struct text_run got, struct text_run wanted, bool odd_exactly)
{
    bool odd = odd_exactly ? got.odd == wanted.odd : got.odd || !wanted.odd;
    if (got.text.ptr != content.ptr || got.text.len != wanted.text.len || got.lines_len != wanted.lines_len ||
        got.longest_line != wanted.longest_line || !odd)
        fail_msg("%s: run %zu lines %zu longest %zu odd %d, not %zu %zu %zu %d", way, got.text.len, got.lines_len,
                 got.longest_line, got.odd, wanted.text.len, wanted.lines_len, wanted.longest_line, wanted.odd);
}

/* In memory that ends where the content ends, so that a sanitizer sees a byte too many. */
static void assert_all_ways(slice content, size_t misaligned)
{
    struct text_run wanted = find_plainly(content);
    char *memory = malloc(misaligned + content.len + 1);
    assert_non_null(memory);
    slice copy = slice_of(memory + misaligned + 1, content.len);
    if (content.len > 0)
        memcpy(memory + misaligned + 1, content.ptr, content.len);
    wanted.text.ptr = copy.ptr;
    for (size_t w = 0; w < WAYS; w++)
        if (ways[w].available)
            assert_run(ways[w].name, copy, ways[w].find(copy), wanted, wanted.text.len == content.len);
    free(memory);
}

static void runs_end_where_they_must(void **state)
{
    (void)state;
    static const struct {
        slice content;
        struct text_run run; /* of its text the length only */
    } rows[] = {
        {SLICE(""), {.text = {NULL, 0}}},
        {SLICE("a"), {.text = {NULL, 1}}},
        {SLICE("\r\n"), {.text = {NULL, 2}, .lines_len = 2, .longest_line = 2}},
        {SLICE("abc\r\nd\r\nef"), {.text = {NULL, 10}, .lines_len = 8, .longest_line = 5}},
        {SLICE("a\r\n.b\r\n"), {.text = {NULL, 3}, .lines_len = 3, .longest_line = 3}},
        {SLICE(".a\r\nb.c"), {.text = {NULL, 7}, .lines_len = 4, .longest_line = 4}},
        {SLICE("a\r\nb\r"), {.text = {NULL, 4}, .lines_len = 3, .longest_line = 3}},
        {SLICE("a\r\nb\nc\r\n"), {.text = {NULL, 4}, .lines_len = 3, .longest_line = 3}},
        {SLICE("a\r\r\nb"), {.text = {NULL, 1}}},
        {SLICE("\na"), {.text = {NULL, 0}}},
        {SLICE("\ra"), {.text = {NULL, 0}}},
        {SLICE("a\r\n\n"), {.text = {NULL, 3}, .lines_len = 3, .longest_line = 3}},
        {SLICE("a\0b"), {.text = {NULL, 3}, .odd = true}},
        {SLICE("\x7f"), {.text = {NULL, 1}}},
        {SLICE("\x80"), {.text = {NULL, 1}, .odd = true}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t w = 0; w < WAYS; w++)
            if (ways[w].available)
                assert_run(ways[w].name, rows[i].content, ways[w].find(rows[i].content), rows[i].run, true);
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
    for (size_t len = 0; len <= 200; len++)
        for (size_t misaligned = 0; misaligned < 64; misaligned++) {
            fill(&seed, text, len);
            assert_all_ways(slice_of(text, len), misaligned);
        }
    for (int round = 0; round < 5000; round++) {
        size_t len = random_next(&seed) % sizeof(text);
        fill(&seed, text, len);
        assert_all_ways(slice_of(text, len), random_next(&seed) % 64);
    }
}

/* Each of the bytes that matter, and each pair and triple, at each place of three blocks. */
static void all_ways_agree_at_each_place(void **state)
{
    (void)state;
    static const char *const bits[] = {"\r",  "\n",     "\r\n",   "\r\n.", "\r\n\r",
                                       "\n.", "\r\r\n", "\n\r\n", "\x80",  "\r\n\n"};
    char text[200];
    for (size_t b = 0; b < sizeof(bits) / sizeof(bits[0]); b++)
        for (size_t len = 120; len <= 200; len++)
            for (size_t at = 0; at + strlen(bits[b]) <= len; at++) {
                memset(text, 'x', sizeof(text));
                memcpy(text + at, bits[b], strlen(bits[b]));
                assert_all_ways(slice_of(text, len), at % 32);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_end_where_they_must),
        cmocka_unit_test(all_ways_agree),
        cmocka_unit_test(all_ways_agree_at_each_place),
    };
    return cmocka_run_group_tests(tests, ask_processor, NULL);
}
