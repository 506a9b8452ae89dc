/* SPDX-License-Identifier: ISC */
#include "crypt/crypt.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const EVP_MD *md_of(enum crypt_digest d)
{
    return d == CRYPT_SHA1 ? EVP_sha1() : EVP_sha256();
}

static enum err outcome(bool done)
{
    ERR_clear_error();
    return done ? ERR_OK : ERR_SYSTEM;
}

size_t crypt_digest_size(enum crypt_digest d)
{
    return d == CRYPT_SHA1 ? 20 : 32;
}

enum err crypt_hash(enum crypt_digest d, slice in, uint8_t *out)
{
    return outcome(EVP_Digest(in.ptr, in.len, out, NULL, md_of(d), NULL) == 1);
}

/* A key of no bytes needs an address all the same: NULL means the key of the call before. */
static const void *address_of(slice s)
{
    return s.len > 0 ? s.ptr : "";
}

enum err crypt_hmac(enum crypt_digest d, slice key, slice in, uint8_t *out)
{
    unsigned len = 0;
    if (key.len > INT_MAX)
        return ERR_SYSTEM;
    return outcome(HMAC(md_of(d), address_of(key), (int)key.len, address_of(in), in.len, out, &len) != NULL);
}

enum err crypt_derive(enum crypt_digest d, const struct crypt_pbkdf2 *p, uint8_t *out)
{
    if (p->password.len > INT_MAX || p->salt.len > INT_MAX || p->iterations > INT_MAX || p->iterations == 0)
        return ERR_SYSTEM;
    return outcome(PKCS5_PBKDF2_HMAC(address_of(p->password), (int)p->password.len, address_of(p->salt),
                                     (int)p->salt.len, (int)p->iterations, md_of(d), (int)crypt_digest_size(d),
                                     out) == 1);
}
