/* SPDX-License-Identifier: ISC */
#include "crypt/crypt.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <limits.h>

#define KEYS_MAX 16
#define RSA_BITS_MIN 2048
#define ES256_PART 32

struct key {
    EVP_PKEY *pkey;
    enum crypt_signature kind;
};

struct crypt_keys {
    struct key rows[KEYS_MAX];
    size_t count;
};

static bool kind_of(EVP_PKEY *pkey, enum crypt_signature *kind_r)
{
    char group[32] = "";
    size_t len = 0;
    if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN)
        *kind_r = CRYPT_RS256;
    else if (EVP_PKEY_is_a(pkey, "ED25519"))
        *kind_r = CRYPT_EDDSA;
    else if (EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) == 1 &&
             slice_equal(slice_str(group), SLICE("prime256v1")))
        *kind_r = CRYPT_ES256;
    else
        return false;
    return true;
}

/* False with a reason. */
static bool add(struct crypt_keys *k, EVP_PKEY *pkey, buf *why)
{
    if (k->count == KEYS_MAX) {
        buf_printf(why, "more than %d keys", KEYS_MAX);
        return false;
    }
    if (!kind_of(pkey, &k->rows[k->count].kind)) {
        buf_append(why, SLICE("a key that is neither RSA of 2048 bits or more, nor P-256, nor Ed25519"));
        return false;
    }
    k->rows[k->count++].pkey = pkey;
    return true;
}

enum err crypt_keys_open(slice pem, struct crypt_keys **keys_r, buf *why)
{
    struct crypt_keys *k = calloc(1, sizeof *k);
    BIO *bio = k && pem.len > 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *next;
    enum err e = k ? ERR_OK : ERR_NOMEM;
    while (e == ERR_OK && bio && (next = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL))) {
        if (!add(k, next, why)) {
            EVP_PKEY_free(next);
            e = ERR_SYNTAX;
        }
    }
    ERR_clear_error(); /* the end of the text is an error to the last read */
    BIO_free(bio);
    if (e == ERR_OK && k->count == 0) {
        buf_append(why, SLICE("no public key in PEM form"));
        e = ERR_SYNTAX;
    }
    if (e != ERR_OK) {
        crypt_keys_close(&k);
        return e;
    }
    *keys_r = k;
    return ERR_OK;
}

void crypt_keys_close(struct crypt_keys **keys)
{
    if (!*keys)
        return;
    for (size_t i = 0; i < (*keys)->count; i++)
        EVP_PKEY_free((*keys)->rows[i].pkey);
    free(*keys);
    *keys = NULL;
}

/* EVP wants ECDSA's two numbers in DER; *der_r is OpenSSL's to free. */
static int der_of(slice signature, unsigned char **der_r)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    const unsigned char *at = (const unsigned char *)signature.ptr;
    BIGNUM *r = BN_bin2bn(at, ES256_PART, NULL), *s = BN_bin2bn(at + ES256_PART, ES256_PART, NULL);
    int len = -1;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL;
        len = i2d_ECDSA_SIG(pair, der_r);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return len;
}

static bool verify(EVP_PKEY *pkey, enum crypt_signature kind, slice text, slice signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, kind == CRYPT_EDDSA ? NULL : EVP_sha256(), NULL, pkey) == 1 &&
                EVP_DigestVerify(ctx, (const unsigned char *)signature.ptr, signature.len,
                                 (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool crypt_keys_verify(const struct crypt_keys *keys, enum crypt_signature kind, slice text, slice signature)
{
    unsigned char *der = NULL;
    bool good = false;
    if (text.len == 0 || signature.len == 0 || (kind == CRYPT_ES256 && signature.len != 2 * ES256_PART))
        return false;
    if (kind == CRYPT_ES256) {
        int len = der_of(signature, &der);
        signature = slice_of(der, len > 0 ? (size_t)len : 0);
    }
    for (size_t i = 0; !good && signature.len > 0 && i < keys->count; i++)
        good = keys->rows[i].kind == kind && verify(keys->rows[i].pkey, kind, text, signature);
    OPENSSL_free(der);
    return good;
}
