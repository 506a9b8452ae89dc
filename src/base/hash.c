/* SPDX-License-Identifier: ISC */
#include "base/hash.h"

#include "base/base.h"

/* The four words of SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), with one round a word and three at the end, as in the tables of Rust, Ruby and Python: nobody sees what comes
 * out, and a key lives as long as its process. */
struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Lowers A-Z in all eight bytes at once: no byte's sum carries into the next one, since the top bits are kept out. */
static inline uint64_t lower_word(uint64_t word)
{
    uint64_t low_bits = word & EACH_BYTE(0x7f);
    uint64_t from_a = low_bits + EACH_BYTE(0x80 - 'A');
    uint64_t above_z = low_bits + EACH_BYTE(0x7f - 'Z');
    uint64_t upper = (from_a ^ above_z) & ~word & EACH_BYTE(0x80);
    return word | upper >> 2;
}

static inline uint64_t byte_at(slice in, size_t at)
{
    return (uint64_t)(unsigned char)in.ptr[at] << (8 * at);
}

/* The last 1 to 7 bytes: where they have seven before them out of one word, else out of pieces that overlap. */
static inline uint64_t tail_word(slice in, size_t len)
{
    const char *end = in.ptr + in.len;
    if (in.len >= 8)
        return get_u64(end - 8) >> (64 - 8 * len);
    if (len >= 4)
        return get_u32(in.ptr) | (uint64_t)get_u32(end - 4) << (8 * (len - 4));
    return byte_at(in, 0) | byte_at(in, len / 2) | byte_at(in, len - 1);
}

static inline __attribute__((always_inline)) uint64_t siphash(struct hash_key key, slice in, bool nocase)
{
    struct sip s = {
        key.k0 ^ UINT64_C(0x736f6d6570736575),
        key.k1 ^ UINT64_C(0x646f72616e646f6d),
        key.k0 ^ UINT64_C(0x6c7967656e657261),
        key.k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t whole = in.len & ~(size_t)7;
    for (size_t at = 0; at < whole; at += 8) {
        uint64_t word = get_u64(in.ptr + at);
        sip_word(&s, nocase ? lower_word(word) : word);
    }
    uint64_t last = in.len == whole ? 0 : tail_word(in, in.len - whole);
    sip_word(&s, (nocase ? lower_word(last) : last) | (uint64_t)in.len << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_siphash(struct hash_key key, slice s)
{
    return siphash(key, s, false);
}

uint64_t hash_siphash_nocase(struct hash_key key, slice s)
{
    return siphash(key, s, true);
}
