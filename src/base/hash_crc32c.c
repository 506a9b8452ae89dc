/* SPDX-License-Identifier: ISC */
#include "base/hash.h"

#include "base/base.h"

#include "base/tables/crc32c_table.h"

/* Both ways keep the register inverted between bytes, as the callers' value is not. */
static uint32_t crc_by_table(uint32_t crc, const char *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word = get_u64(p) ^ crc;
        crc = crc32c_table[7][word & 255] ^ crc32c_table[6][word >> 8 & 255] ^ crc32c_table[5][word >> 16 & 255] ^
              crc32c_table[4][word >> 24 & 255] ^ crc32c_table[3][word >> 32 & 255] ^
              crc32c_table[2][word >> 40 & 255] ^ crc32c_table[1][word >> 48 & 255] ^ crc32c_table[0][word >> 56];
    }
    for (; len > 0; len--, p++)
        crc = crc >> 8 ^ crc32c_table[0][(crc ^ (unsigned char)*p) & 255];
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>

#define STREAM 256
/* x^(8n - 33) modulo the polynomial, reflected: what a register is multiplied with to pass over n zero bytes */
#define OVER_ONE_STREAM 0xb9e02b86
#define OVER_TWO_STREAMS 0xdd7e3b0c

__attribute__((target("sse4.2,pclmul"))) static uint64_t pass_zeros(uint64_t crc, uint32_t factor)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)factor), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* The instruction takes three cycles and can start one each cycle: three streams side by side, joined afterwards. */
__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_by_instruction(uint32_t crc, const char *p, size_t len)
{
    uint64_t a = crc;
    for (; len >= 3 * (size_t)STREAM; len -= 3 * (size_t)STREAM, p += 3 * STREAM) {
        uint64_t b = 0;
        uint64_t c = 0;
        for (size_t at = 0; at < STREAM; at += 8) {
            a = _mm_crc32_u64(a, get_u64(p + at));
            b = _mm_crc32_u64(b, get_u64(p + at + STREAM));
            c = _mm_crc32_u64(c, get_u64(p + at + 2 * (size_t)STREAM));
        }
        a = pass_zeros(a, OVER_TWO_STREAMS) ^ pass_zeros(b, OVER_ONE_STREAM) ^ c;
    }
    for (; len >= 8; len -= 8, p += 8)
        a = _mm_crc32_u64(a, get_u64(p));
    uint32_t last = (uint32_t)a;
    for (; len > 0; len--, p++)
        last = _mm_crc32_u8(last, (unsigned char)*p);
    return last;
}

static uint32_t crc_by_processor(uint32_t crc, const char *p, size_t len)
{
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
        return crc_by_instruction(crc, p, len);
    return crc_by_table(crc, p, len);
}
#else
#define crc_by_processor crc_by_table
#endif

uint32_t hash_crc32c(uint32_t crc, slice s)
{
    return ~crc_by_processor(~crc, s.ptr, s.len);
}
