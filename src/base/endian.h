/* SPDX-License-Identifier: ISC */
/* Little-endian integers at any address: the byte order of every format of ours, on disk and between processes. */
#ifndef BASE_ENDIAN_H
#define BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

static inline void put_u16(void *p, uint16_t v)
{
    unsigned char *c = p;
    c[0] = (unsigned char)v;
    c[1] = (unsigned char)(v >> 8);
}
static inline void put_u32(void *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16((unsigned char *)p + 2, (uint16_t)(v >> 16));
}
static inline void put_u64(void *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32((unsigned char *)p + 4, (uint32_t)(v >> 32));
}
static inline uint16_t get_u16(const void *p)
{
    const unsigned char *c = p;
    return (uint16_t)(c[0] | (c[1] << 8));
}
static inline uint32_t get_u32(const void *p)
{
    return get_u16(p) | ((uint32_t)get_u16((const unsigned char *)p + 2) << 16);
}
static inline uint64_t get_u64(const void *p)
{
    return get_u32(p) | ((uint64_t)get_u32((const unsigned char *)p + 4) << 32);
}

/* The byte in each of a word's eight places: for looking at eight of a text at once. */
#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (uint64_t)(b))

#endif
