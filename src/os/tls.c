/* SPDX-License-Identifier: ISC */
#include "os/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "os/file.h"
#include "os/tls_openssl.h"

#define PEM_MAX (1024 * 1024)

const char *tls_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return reason ? reason : "the TLS protocol was broken";
}

SSL_CTX *tls_context_new(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

void tls_loaded_free(struct tls_loaded *l)
{
    X509_free(l->leaf);
    sk_X509_pop_free(l->chain, X509_free);
    EVP_PKEY_free(l->key);
    *l = (struct tls_loaded){0};
}

/* OpenSSL would else ask for a passphrase at the terminal. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static enum err read_pem(const char *kind, slice path, buf *pem, buf *why)
{
    const char *remedy = "";
    if (path.len == 0) {
        buf_printf(why, "no %s file is given", kind);
        return ERR_NOTFOUND;
    }
    enum err e = os_file_read(AT_FDCWD, path, pem);
    if (e == ERR_NOTFOUND)
        remedy = "; create it or correct the path";
    else if (e == ERR_PERMISSION)
        remedy = "; let the server's user read it and enter its folders";
    if (e != ERR_OK)
        buf_printf(why, "%s %.*s: %s%s", kind, SLICE_ARG(path), err_text(e), remedy);
    return e;
}

static enum err load_certificates(slice path, struct tls_loaded *l, buf *why)
{
    buf pem;
    buf_init(&pem, PEM_MAX);
    enum err e = read_pem("certificate", path, &pem, why);
    BIO *bio = e == ERR_OK ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    l->chain = sk_X509_new_null();
    if (e == ERR_OK && (!bio || !l->chain))
        e = ERR_NOMEM;
    if (e == ERR_OK) {
        l->leaf = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        for (X509 *next; l->leaf && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL));) {
            if (!sk_X509_push(l->chain, next)) {
                X509_free(next);
                e = ERR_NOMEM;
                break;
            }
        }
    }
    if (e == ERR_OK && !l->leaf) {
        buf_printf(why, "certificate %.*s: there is no certificate in PEM form in it", SLICE_ARG(path));
        e = ERR_TLS;
    }
    ERR_clear_error(); /* the end of the file is an error to the last read */
    BIO_free(bio);
    buf_deinit(&pem);
    return e;
}

static enum err load_key(slice path, struct tls_loaded *l, buf *why)
{
    buf pem;
    buf_init(&pem, PEM_MAX);
    enum err e = read_pem("key", path, &pem, why);
    BIO *bio = e == ERR_OK ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    if (e == ERR_OK && !bio)
        e = ERR_NOMEM;
    if (e == ERR_OK) {
        l->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        if (!l->key) {
            buf_printf(why, "key %.*s: there is no private key without a passphrase in PEM form in it",
                       SLICE_ARG(path));
            e = ERR_TLS;
        }
    }
    ERR_clear_error();
    BIO_free(bio);
    if (pem.ptr)
        OPENSSL_cleanse(pem.ptr, pem.cap);
    buf_deinit(&pem);
    return e;
}

enum err tls_load_pair(const struct tls_pair *pair, struct tls_loaded *loaded_r, buf *why)
{
    struct tls_loaded l = {0};
    enum err e = load_certificates(pair->cert, &l, why);
    enum err apart = e == ERR_OK && pair->signer ? tls_proxy_key(l.leaf, pair->signer, &l.key) : ERR_UNSUPPORTED;
    if (e == ERR_OK)
        e = apart == ERR_UNSUPPORTED ? load_key(pair->key, &l, why) : apart;
    if (e == ERR_OK && X509_check_private_key(l.leaf, l.key) != 1) {
        buf_printf(why, "key %.*s does not belong to certificate %.*s; name the two files that were made together",
                   SLICE_ARG(pair->key), SLICE_ARG(pair->cert));
        ERR_clear_error();
        e = ERR_TLS;
    }
    if (e != ERR_OK) {
        tls_loaded_free(&l);
        return e;
    }
    *loaded_r = l;
    return ERR_OK;
}

bool tls_pair_apart(const struct tls_pair *pair)
{
    char memory[512];
    buf why;
    struct tls_loaded l = {0};
    buf_init_fixed(&why, memory, sizeof memory);
    bool apart = load_certificates(pair->cert, &l, &why) == ERR_OK && tls_key_apart(X509_get0_pubkey(l.leaf));
    tls_loaded_free(&l);
    return apart;
}
