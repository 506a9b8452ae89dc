/* SPDX-License-Identifier: ISC */
#include "mail/text_run.h"

enum {
    BLOCK = 64,
    LOOKED_AT = BLOCK + 2, /* with the LF of a CR that is the block's last byte, and what follows it */
};

struct marks {
    uint64_t lf;       /* bit i: behind byte i of the block comes an LF */
    uint64_t odd;      /* not 0: a byte is NUL or above 0x7f */
    uint64_t unpaired; /* not 0: a byte is a CR and the one behind it no LF, or the other way round */
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void note_line(struct text_run *run, size_t end)
{
    size_t len = end - run->lines_len;
    run->longest_line = len > run->longest_line ? len : run->longest_line;
    run->lines_len = end;
}

/* The rest of a run that ends in the block at `at`, or one byte behind it. Inlined, too: a call out of AVX code costs as much as twenty blocks. */
ALWAYS_INLINE struct text_run finish(struct text_run run, slice content, size_t at)
{
    const char *p = content.ptr;
    at = at > run.lines_len ? at : run.lines_len;
    while (at < content.len && p[at] != '\n') {
        if (p[at] != '\r') {
            at++;
            continue;
        }
        if (at + 1 == content.len || p[at + 1] != '\n')
            break;
        at += 2;
        note_line(&run, at);
        if (at < content.len && p[at] == '.')
            break;
    }
    run.text.len = at;
    return run;
}

/* Inlined into each of the ways together with its `mark`. */
ALWAYS_INLINE struct text_run find(slice content, struct marks (*mark)(const char *block))
{
    struct text_run run = {.text = content};
    uint64_t odd = 0;
    if (content.len > 0 && content.ptr[0] == '\n')
        return (struct text_run){.text = slice_sub(content, 0, 0)};
    for (size_t at = 0; at < content.len; at += BLOCK) {
        char last[LOOKED_AT];
        const char *block = content.ptr + at;
        if (content.len - at < LOOKED_AT) {
            memset(last, ' ', sizeof(last));
            block = memcpy(last, block, content.len - at);
        }
        struct marks m = mark(block);
        odd |= m.odd;
        run.odd = odd != 0;
        if (m.unpaired != 0)
            return finish(run, content, at);
        for (uint64_t lf = m.lf; lf != 0; lf &= lf - 1) {
            unsigned i = (unsigned)__builtin_ctzll(lf);
            note_line(&run, at + i + 2);
            if (block[i + 2] == '.') {
                run.text.len = run.lines_len;
                return run;
            }
        }
    }
    return run;
}

/* 0x80 in each byte of the word that is c, which is below 0x80. */
static uint64_t equal_of_8(uint64_t word, char c)
{
    uint64_t other = word ^ EACH_BYTE(c);
    return ~(((other & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | other) & EACH_BYTE(0x80);
}

static struct marks mark_by_words(const char *block)
{
    struct marks m = {0};
    for (int i = 0; i < BLOCK; i += 8) {
        uint64_t word = get_u64(block + i);
        uint64_t lf = equal_of_8(get_u64(block + i + 1), '\n');
        m.unpaired |= lf ^ equal_of_8(word, '\r');
        m.lf |= (lf >> 7) * UINT64_C(0x0102040810204080) >> 56 << i;
        m.odd |= (word | (word - EACH_BYTE(1))) & EACH_BYTE(0x80);
    }
    return m;
}

static struct text_run find_by_words(slice content)
{
    return find(content, mark_by_words);
}

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>

#define SSE2 __attribute__((target("sse2")))
#define AVX2 __attribute__((target("avx2,bmi")))

SSE2 static __m128i equal_of_16(const char *p, char c)
{
    return _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8(c));
}

SSE2 static __m128i mark_16(const char *p, int shift, struct marks *m)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i lf = equal_of_16(p + 1, '\n');
    m->lf |= (uint64_t)(uint32_t)_mm_movemask_epi8(lf) << shift;
    m->odd |= (uint32_t)_mm_movemask_epi8(_mm_subs_epi8(bytes, _mm_set1_epi8(1)));
    return _mm_xor_si128(lf, equal_of_16(p, '\r'));
}

SSE2 static struct marks mark_by_sse2(const char *block)
{
    struct marks m = {0};
    __m128i low = _mm_or_si128(mark_16(block, 0, &m), mark_16(block + 16, 16, &m));
    __m128i high = _mm_or_si128(mark_16(block + 32, 32, &m), mark_16(block + 48, 48, &m));
    m.unpaired = (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, high));
    return m;
}

SSE2 static struct text_run find_by_sse2(slice content)
{
    return find(content, mark_by_sse2);
}

AVX2 static __m256i load_32(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

AVX2 static __m256i equal_of_32(__m256i bytes, char c)
{
    return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c));
}

AVX2 static struct marks mark_by_avx2(const char *block)
{
    __m256i low = load_32(block), high = load_32(block + 32);
    __m256i low_lf = equal_of_32(load_32(block + 1), '\n'), high_lf = equal_of_32(load_32(block + 33), '\n');
    __m256i low_unpaired = _mm256_xor_si256(low_lf, equal_of_32(low, '\r'));
    __m256i high_unpaired = _mm256_xor_si256(high_lf, equal_of_32(high, '\r'));
    __m256i unpaired = _mm256_or_si256(low_unpaired, high_unpaired);
    /* the sign of both NUL and what is above 0x7f */
    __m256i odd = _mm256_subs_epi8(_mm256_min_epi8(low, high), _mm256_set1_epi8(1));
    return (struct marks){.lf = (uint64_t)(uint32_t)_mm256_movemask_epi8(high_lf) << 32 |
                                (uint32_t)_mm256_movemask_epi8(low_lf),
                          .odd = (uint32_t)_mm256_movemask_epi8(odd),
                          .unpaired = (uint32_t)_mm256_movemask_epi8(unpaired)};
}

AVX2 static struct text_run find_by_avx2(slice content)
{
    return find(content, mark_by_avx2);
}

struct text_run text_run_find(slice content)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return find_by_avx2(content);
    return __builtin_cpu_supports("sse2") ? find_by_sse2(content) : find_by_words(content);
}
#else
struct text_run text_run_find(slice content)
{
    return find_by_words(content);
}
#endif
