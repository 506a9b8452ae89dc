/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#define PKCS1_FILL_MIN 8
#define DIGEST_INFO_MIN (15 + 20) /* SHA-1's */
#define DIGEST_INFO_MAX (19 + 64) /* SHA-512's */

static bool pkcs1_signs(slice block)
{
    const unsigned char *p = (const unsigned char *)block.ptr;
    size_t at = 2;
    if (p[0] != 0 || p[1] != 1)
        return false;
    while (at < block.len && p[at] == 0xff)
        at++;
    if (at < 2 + PKCS1_FILL_MIN || at + 3 > block.len || p[at] != 0)
        return false;
    size_t rest = block.len - at - 1;
    return rest >= DIGEST_INFO_MIN && rest <= DIGEST_INFO_MAX && p[at + 1] == 0x30 && p[at + 2] == rest - 2;
}

static bool unmask(const EVP_MD *md, slice seed, unsigned char *db, size_t size)
{
    unsigned char input[EVP_MAX_MD_SIZE + 4], mask[EVP_MAX_MD_SIZE];
    unsigned int got = 0;
    memcpy(input, seed.ptr, seed.len);
    for (size_t at = 0, i = 0; at < size; i++) {
        input[seed.len] = input[seed.len + 1] = 0;
        input[seed.len + 2] = (unsigned char)(i >> 8);
        input[seed.len + 3] = (unsigned char)i;
        if (EVP_Digest(input, seed.len + 4, mask, &got, md, NULL) != 1 || got == 0)
            return false;
        for (size_t k = 0; k < got && at < size; k++)
            db[at++] ^= mask[k];
    }
    return true;
}

/* em as in RFC 8017 section 9.1.2, of `bits` bits. */
static bool pss_signs(slice em, size_t bits, const EVP_MD *md)
{
    unsigned char db[TLS_SIGNATURE_MAX];
    size_t digest = (size_t)EVP_MD_get_size(md);
    if (em.len < 2 * digest + 2 || em.len > sizeof(db) || (unsigned char)em.ptr[em.len - 1] != 0xbc)
        return false;
    size_t size = em.len - digest - 1, zeros = size - digest - 1;
    unsigned char unused = (unsigned char)(0xff << (8 - (8 * em.len - bits)));
    memcpy(db, em.ptr, size);
    if ((db[0] & unused) || !unmask(md, slice_sub(em, size, size + digest), db, size))
        return false;
    db[0] &= (unsigned char)~unused;
    for (size_t i = 0; i < zeros; i++) {
        if (db[i] != 0)
            return false;
    }
    return db[zeros] == 1;
}

bool tls_padding_signs(slice block, size_t bits)
{
    if (bits < 512 || block.len != (bits + 7) / 8 || block.len > TLS_SIGNATURE_MAX)
        return false;
    if (pkcs1_signs(block))
        return true;
    slice em = block;
    if (bits % 8 == 1) {
        if (block.ptr[0] != 0)
            return false;
        em = slice_sub(block, 1, block.len);
    }
    return pss_signs(em, bits - 1, EVP_sha256()) || pss_signs(em, bits - 1, EVP_sha384()) ||
           pss_signs(em, bits - 1, EVP_sha512());
}
