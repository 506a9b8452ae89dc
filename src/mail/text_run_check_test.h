/* SPDX-License-Identifier: ISC */
/* A text run, held against what a plain reading of text_run.h gives, in each of the ways that this processor can go. For the unit test and the
 * fuzz driver. The source itself is in it, to reach the ways that text_run_find does not take here. */
#ifndef MAIL_TEXT_RUN_CHECK_TEST_H
#define MAIL_TEXT_RUN_CHECK_TEST_H

#include "mail/text_run.c"

#include <stdio.h>
#include <stdlib.h>

struct way {
    const char *name;
    struct text_run (*find)(slice content);
};

enum { WAYS_MAX = 4 };

static size_t list_ways(struct way ways[WAYS_MAX])
{
    size_t count = 0;
    ways[count++] = (struct way){"text_run_find", text_run_find};
    ways[count++] = (struct way){"words", find_by_words};
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("sse2"))
        ways[count++] = (struct way){"SSE2", find_by_sse2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        ways[count++] = (struct way){"AVX2", find_by_avx2};
#endif
    return count;
}

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

/* Of a run that is not all of the content, `odd` may be said because of what follows. */
static bool is_run(struct text_run got, struct text_run wanted, bool all)
{
    return got.text.ptr == wanted.text.ptr && got.text.len == wanted.text.len && got.lines_len == wanted.lines_len &&
           got.longest_line == wanted.longest_line && (got.odd == wanted.odd || (got.odd && !all));
}

/* The content is copied to memory that ends with it, so that a sanitizer sees a byte too many, and begins `misaligned` bytes behind a boundary. */
static void check_text_run(slice content, size_t misaligned)
{
    struct way ways[WAYS_MAX];
    size_t count = list_ways(ways);
    size_t size = misaligned + content.len;
    char *memory = malloc(size > 0 ? size : 1);
    if (!memory)
        abort();
    slice copy = slice_of(memory + misaligned, content.len);
    if (content.len > 0)
        memcpy(memory + misaligned, content.ptr, content.len);
    struct text_run wanted = find_plainly(copy);
    for (size_t i = 0; i < count; i++) {
        struct text_run got = ways[i].find(copy);
        if (is_run(got, wanted, wanted.text.len == copy.len))
            continue;
        fprintf(stderr, "%s, %zu bytes: run %zu, lines %zu, longest %zu, odd %d; not %zu, %zu, %zu, %d\n", ways[i].name,
                copy.len, got.text.len, got.lines_len, got.longest_line, got.odd, wanted.text.len, wanted.lines_len,
                wanted.longest_line, wanted.odd);
        abort();
    }
    free(memory);
}

#endif
