/* SPDX-License-Identifier: ISC */
/* Keys that have a public half only and ask a signer: methods of RSA and EC_KEY. These are deprecated in OpenSSL 3 in favour of providers, and work in all of 3; a provider would have to do by itself, for
 * the sake of one operation, what the methods leave to the library (padding, comparing, export of the public half). Ed25519 has no such method. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "os/tls_openssl.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <pthread.h>

/* Lives as long as its key. */
struct proxy {
    const struct tls_signer *signer;
    unsigned char id[TLS_KEY_ID_SIZE];
};

static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;
static int rsa_index = -1, ec_index = -1;

static int rsa_finish(RSA *rsa)
{
    int (*finish)(RSA *) = RSA_meth_get_finish(RSA_get_default_method());
    free(RSA_get_ex_data(rsa, rsa_index));
    RSA_set_ex_data(rsa, rsa_index, NULL);
    return finish ? finish(rsa) : 1;
}

static void ec_finish(EC_KEY *key)
{
    free(EC_KEY_get_ex_data(key, ec_index));
    EC_KEY_set_ex_data(key, ec_index, NULL);
}

static bool ask(const struct proxy *p, enum tls_sign algorithm, slice bytes, buf *signature)
{
    const struct tls_question q = {slice_of((const char *)p->id, sizeof(p->id)), bytes, (uint8_t)algorithm};
    return p->signer->sign(p->signer->ctx, &q, signature) == ERR_OK && buf_ok(signature);
}

static int rsa_private_encrypt(int size, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    const struct proxy *p = RSA_get_ex_data(rsa, rsa_index);
    unsigned char block[TLS_SIGNATURE_MAX];
    char memory[TLS_SIGNATURE_MAX];
    buf signature;
    int whole = RSA_size(rsa);
    buf_init_fixed(&signature, memory, sizeof(memory));
    if (!p || whole > (int)sizeof(block))
        return -1;
    if (padding == RSA_PKCS1_PADDING) {
        if (RSA_padding_add_PKCS1_type_1(block, whole, from, size) != 1)
            return -1;
    } else if (padding == RSA_NO_PADDING && size == whole) {
        memcpy(block, from, (size_t)size);
    } else {
        return -1;
    }
    if (!ask(p, TLS_SIGN_RSA, slice_of((const char *)block, (size_t)whole), &signature) ||
        signature.len != (size_t)whole)
        return -1;
    memcpy(to, signature.ptr, signature.len);
    return whole;
}

/* Key exchange without forward secrecy is not to be had: the other process signs, and does not decrypt. */
static int rsa_private_decrypt(int size, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    (void)size;
    (void)from;
    (void)to;
    (void)rsa;
    (void)padding;
    return -1;
}

static ECDSA_SIG *ec_sign(const unsigned char *digest, int size, const BIGNUM *inverse, const BIGNUM *r, EC_KEY *key)
{
    const struct proxy *p = EC_KEY_get_ex_data(key, ec_index);
    char memory[TLS_SIGNATURE_MAX];
    buf signature;
    (void)inverse;
    (void)r;
    buf_init_fixed(&signature, memory, sizeof(memory));
    if (!p || !ask(p, TLS_SIGN_ECDSA, slice_of((const char *)digest, (size_t)size), &signature))
        return NULL;
    const unsigned char *at = (const unsigned char *)signature.ptr;
    return d2i_ECDSA_SIG(NULL, &at, (long)signature.len);
}

/* Only the last step is ours: from a digest to the two numbers. */
static void set_ec_method(EC_KEY_METHOD *m)
{
    int (*sign)(int, const unsigned char *, int, unsigned char *, unsigned int *, const BIGNUM *, const BIGNUM *,
                EC_KEY *) = NULL;
    int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **) = NULL;
    EC_KEY_METHOD_get_sign(m, &sign, &setup, NULL);
    EC_KEY_METHOD_set_sign(m, sign, setup, ec_sign);
    EC_KEY_METHOD_set_init(m, NULL, ec_finish, NULL, NULL, NULL, NULL);
}

static void make_methods(void)
{
    rsa_index = RSA_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    rsa_method = RSA_meth_dup(RSA_get_default_method());
    ec_method = EC_KEY_METHOD_new(EC_KEY_get_default_method());
    if (rsa_index < 0 || ec_index < 0 || !rsa_method || !ec_method ||
        RSA_meth_set_flags(rsa_method, RSA_meth_get_flags(rsa_method) | RSA_FLAG_EXT_PKEY) != 1 ||
        RSA_meth_set_priv_enc(rsa_method, rsa_private_encrypt) != 1 ||
        RSA_meth_set_priv_dec(rsa_method, rsa_private_decrypt) != 1 || RSA_meth_set_finish(rsa_method, rsa_finish) != 1)
        abort();
    set_ec_method(ec_method);
}

static bool set_rsa(EVP_PKEY *key, EVP_PKEY *public_half, struct proxy *p)
{
    const RSA *from = EVP_PKEY_get0_RSA(public_half);
    RSA *rsa = RSA_new();
    BIGNUM *n = from ? BN_dup(RSA_get0_n(from)) : NULL, *e = from ? BN_dup(RSA_get0_e(from)) : NULL;
    bool good = rsa && n && e && RSA_set_method(rsa, rsa_method) == 1 && RSA_set0_key(rsa, n, e, NULL) == 1;
    if (!good) {
        BN_free(n);
        BN_free(e);
    }
    good = good && EVP_PKEY_set1_RSA(key, rsa) == 1 && RSA_set_ex_data(rsa, rsa_index, p) == 1;
    RSA_free(rsa);
    return good;
}

static bool set_ec(EVP_PKEY *key, EVP_PKEY *public_half, struct proxy *p)
{
    const EC_KEY *from = EVP_PKEY_get0_EC_KEY(public_half);
    EC_KEY *ec = EC_KEY_new();
    bool good = from && ec && EC_KEY_set_method(ec, ec_method) == 1 &&
                EC_KEY_set_group(ec, EC_KEY_get0_group(from)) == 1 &&
                EC_KEY_set_public_key(ec, EC_KEY_get0_public_key(from)) == 1 && EVP_PKEY_set1_EC_KEY(key, ec) == 1 &&
                EC_KEY_set_ex_data(ec, ec_index, p) == 1;
    EC_KEY_free(ec);
    return good;
}

bool tls_key_id(const X509 *leaf, unsigned char *id)
{
    unsigned int size = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (X509_pubkey_digest(leaf, EVP_sha256(), digest, &size) != 1 || size != TLS_KEY_ID_SIZE)
        return false;
    memcpy(id, digest, TLS_KEY_ID_SIZE);
    return true;
}

bool tls_key_apart(EVP_PKEY *key)
{
    int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    return (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC) && EVP_PKEY_get_size(key) <= TLS_SIGNATURE_MAX;
}

enum err tls_proxy_key(X509 *leaf, const struct tls_signer *signer, EVP_PKEY **key_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    EVP_PKEY *public_half = X509_get0_pubkey(leaf);
    if (!tls_key_apart(public_half))
        return ERR_UNSUPPORTED;
    pthread_once(&once, make_methods);
    struct proxy *p = calloc(1, sizeof(*p));
    EVP_PKEY *key = EVP_PKEY_new();
    if (!p || !key || !tls_key_id(leaf, p->id)) {
        free(p);
        EVP_PKEY_free(key);
        return ERR_NOMEM;
    }
    p->signer = signer;
    bool rsa = EVP_PKEY_get_base_id(public_half) == EVP_PKEY_RSA;
    if (!(rsa ? set_rsa(key, public_half, p) : set_ec(key, public_half, p))) {
        free(p); /* to set it as the key's data is the last step, so it is not the key's */
        EVP_PKEY_free(key);
        ERR_clear_error();
        return ERR_NOMEM;
    }
    *key_r = key;
    return ERR_OK;
}
