/* SPDX-License-Identifier: ISC */
/* Hashes: SipHash-1-3 with a key for every table that peers' data can fill (so that nobody can choose collisions), and CRC32C
 * (Castagnoli) against torn and damaged records. Neither is a cryptographic digest. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

struct hash_key {
    uint64_t k0, k1; /* from os_random, once a process (or once a shared table) */
};

uint64_t hash_siphash(struct hash_key key, slice s);
/* As hash_siphash of s with A-Z lowered. */
uint64_t hash_siphash_nocase(struct hash_key key, slice s);

/* CRC32C of s, continuing from crc (0 to begin): hash_crc32c(hash_crc32c(0, a), b) is that of a and b joined. Uses SSE4.2 where the
 * processor has it; the same value everywhere. */
uint32_t hash_crc32c(uint32_t crc, slice s);

#endif
