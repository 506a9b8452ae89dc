/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#define DIGEST_MIN 20
#define DIGEST_MAX 64

struct row {
    unsigned char id[TLS_KEY_ID_SIZE];
    EVP_PKEY *key;
    EVP_PKEY_CTX *ctx; /* ready to sign */
};

struct tls_keys {
    struct row *rows;
    size_t count;
};

static bool is_rsa(const struct row *r)
{
    return EVP_PKEY_get_base_id(r->key) == EVP_PKEY_RSA;
}

static bool prepare(struct row *r)
{
    r->ctx = EVP_PKEY_CTX_new(r->key, NULL);
    return r->ctx && EVP_PKEY_sign_init(r->ctx) == 1 &&
           (!is_rsa(r) || EVP_PKEY_CTX_set_rsa_padding(r->ctx, RSA_NO_PADDING) == 1);
}

static void row_free(struct row *r)
{
    EVP_PKEY_CTX_free(r->ctx);
    EVP_PKEY_free(r->key);
}

static enum err add(struct tls_keys *k, const struct tls_pair *pair, buf *why)
{
    struct tls_loaded l;
    const struct tls_pair whole = {.cert = pair->cert, .key = pair->key};
    enum err e = tls_load_pair(&whole, &l, why);
    if (e != ERR_OK)
        return e;
    struct row r = {.key = l.key};
    if (tls_key_apart(l.key)) {
        l.key = NULL;
        if (tls_key_id(l.leaf, r.id) && prepare(&r)) {
            k->rows[k->count++] = r;
        } else {
            buf_printf(why, "key %.*s cannot be used: %s", SLICE_ARG(pair->key), tls_reason());
            ERR_clear_error();
            row_free(&r);
            e = ERR_TLS;
        }
    }
    tls_loaded_free(&l);
    return e;
}

enum err tls_keys_open(const struct tls_pair *pairs, size_t count, struct tls_keys **k_r, buf *why)
{
    struct tls_keys *k = calloc(1, sizeof(*k));
    if (!k)
        return ERR_NOMEM;
    k->rows = calloc(count ? count : 1, sizeof(*k->rows));
    enum err e = k->rows ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; e == ERR_OK && i < count; i++)
        e = add(k, &pairs[i], why);
    if (e != ERR_OK)
        tls_keys_close(&k);
    else
        *k_r = k;
    return e;
}

void tls_keys_close(struct tls_keys **k)
{
    if (!*k)
        return;
    for (size_t i = 0; i < (*k)->count; i++)
        row_free(&(*k)->rows[i]);
    free((*k)->rows);
    free(*k);
    *k = NULL;
}

static const struct row *find(const struct tls_keys *k, slice id)
{
    for (size_t i = 0; id.len == TLS_KEY_ID_SIZE && i < k->count; i++) {
        if (memcmp(k->rows[i].id, id.ptr, TLS_KEY_ID_SIZE) == 0)
            return &k->rows[i];
    }
    return NULL;
}

static bool well_formed(const struct row *r, const struct tls_question *q)
{
    if (is_rsa(r))
        return q->algorithm == TLS_SIGN_RSA && tls_padding_signs(q->bytes, (size_t)EVP_PKEY_get_bits(r->key));
    return q->algorithm == TLS_SIGN_ECDSA && q->bytes.len >= DIGEST_MIN && q->bytes.len <= DIGEST_MAX;
}

enum err tls_keys_sign(const struct tls_keys *k, const struct tls_question *q, buf *signature)
{
    unsigned char out[TLS_SIGNATURE_MAX];
    size_t size = sizeof(out);
    const struct row *r = find(k, q->key);
    if (!r)
        return ERR_NOTFOUND;
    if (!well_formed(r, q))
        return ERR_SYNTAX;
    if (EVP_PKEY_sign(r->ctx, out, &size, (const unsigned char *)q->bytes.ptr, q->bytes.len) != 1) {
        ERR_clear_error();
        return ERR_TLS;
    }
    buf_append(signature, slice_of((const char *)out, size));
    return buf_ok(signature) ? ERR_OK : ERR_NOMEM;
}
