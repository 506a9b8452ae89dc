/* SPDX-License-Identifier: ISC */
/* OpenSSL 3 makes the table of an operation's algorithms when the first of them is asked for, and marks it as made whatever came of it: one that memory did not suffice for in that
 * moment is "unsupported" from then on, and no handshake of that process succeeds any more. So all tables are made, and looked at, before there are processes. */
#include "os/tls_openssl.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/store.h>

#include "os/clock.h"

#define PEM_MAX 8192
#define FLIGHTS_MAX 16

/* What TLS 1.2 and 1.3 cannot do without, and what no policy takes away. */
static const struct {
    enum operation { CIPHER, DIGEST, MAC, KDF, KEYMGMT, KEYEXCH, SIGNATURE, DECODER } operation;
    const char *name;
} needed[] = {
    {CIPHER, "AES-128-GCM"}, {CIPHER, "AES-256-GCM"}, {DIGEST, "SHA2-256"}, {DIGEST, "SHA2-384"}, {MAC, "HMAC"},
    {KDF, "HKDF"},           {KDF, "TLS13-KDF"},      {KDF, "TLS1-PRF"},    {KEYMGMT, "EC"},      {KEYMGMT, "RSA"},
    {KEYEXCH, "ECDH"},       {SIGNATURE, "ECDSA"},    {SIGNATURE, "RSA"},   {DECODER, "EC"},      {DECODER, "RSA"},
};

#define HAS(type, name)                                                                                                \
    do {                                                                                                               \
        type *found = type##_fetch(NULL, name, NULL);                                                                  \
        type##_free(found);                                                                                            \
        return found != NULL;                                                                                          \
    } while (0)

static bool has(enum operation operation, const char *name)
{
    switch (operation) {
    case CIPHER:
        HAS(EVP_CIPHER, name);
    case DIGEST:
        HAS(EVP_MD, name);
    case MAC:
        HAS(EVP_MAC, name);
    case KDF:
        HAS(EVP_KDF, name);
    case KEYMGMT:
        HAS(EVP_KEYMGMT, name);
    case KEYEXCH:
        HAS(EVP_KEYEXCH, name);
    case SIGNATURE:
        HAS(EVP_SIGNATURE, name);
    case DECODER:
        HAS(OSSL_DECODER, name);
    }
    return false;
}

/* What a machine's policy (openssl.cnf) asks of a certificate is not asked of this one, which nobody else sees: the server's own may well have it. */
static bool leave_policy(SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 1);
    return SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ctx, "P-256") == 1 && SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1;
}

static bool use_own(SSL_CTX *server, SSL_CTX *client)
{
    buf cert, key;
    buf_init(&cert, PEM_MAX);
    buf_init(&key, PEM_MAX);
    bool good = tls_self_signed(SLICE("localhost"), os_wall_s(), 2, &cert, &key) == ERR_OK;
    BIO *cert_bio = good ? BIO_new_mem_buf(cert.ptr, (int)cert.len) : NULL;
    BIO *key_bio = good ? BIO_new_mem_buf(key.ptr, (int)key.len) : NULL;
    X509 *x = cert_bio ? PEM_read_bio_X509(cert_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *k = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;
    good = x && k && SSL_CTX_use_certificate(server, x) == 1 && SSL_CTX_use_PrivateKey(server, k) == 1 &&
           X509_STORE_add_cert(SSL_CTX_get_cert_store(client), x) == 1;
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    EVP_PKEY_free(k);
    X509_free(x);
    BIO_free(key_bio);
    BIO_free(cert_bio);
    if (key.ptr)
        OPENSSL_cleanse(key.ptr, key.len);
    buf_deinit(&key);
    buf_deinit(&cert);
    return good;
}

/* Both ends of a handshake in turn, and a byte. */
static bool talk(SSL *server, SSL *client)
{
    char byte = 'x';
    int done = 0;
    for (int i = 0; i < FLIGHTS_MAX && done != 2; i++)
        done = (SSL_do_handshake(client) == 1) + (SSL_do_handshake(server) == 1);
    return done == 2 && SSL_write(client, &byte, 1) == 1 && SSL_read(server, &byte, 1) == 1 && byte == 'x';
}

static bool shake_hands(void)
{
    SSL_CTX *server_ctx = tls_context_new(TLS_server_method()), *client_ctx = tls_context_new(TLS_client_method());
    SSL *server = NULL, *client = NULL;
    BIO *ours = NULL, *theirs = NULL;
    bool good = server_ctx && client_ctx && leave_policy(server_ctx) && leave_policy(client_ctx) &&
                use_own(server_ctx, client_ctx);
    if (good) {
        server = SSL_new(server_ctx);
        client = SSL_new(client_ctx);
        good = server && client && BIO_new_bio_pair(&ours, 0, &theirs, 0) == 1;
    }
    if (good) {
        SSL_set_bio(server, ours, ours);
        SSL_set_bio(client, theirs, theirs);
        SSL_set_accept_state(server);
        SSL_set_connect_state(client);
        good = talk(server, client);
    }
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    return good;
}

enum err tls_prepare(buf *why)
{
    ERR_clear_error();
    const char *lacks = shake_hands() ? NULL : "a handshake with itself";
    /* A library that could not begin takes no more questions: some crash it. */
    if (!lacks)
        OSSL_STORE_LOADER_free(OSSL_STORE_LOADER_fetch(NULL, "file", NULL));
    for (size_t i = 0; !lacks && i < sizeof needed / sizeof needed[0]; i++)
        lacks = has(needed[i].operation, needed[i].name) ? NULL : needed[i].name;
    if (lacks)
        buf_printf(why, "OpenSSL cannot do %s: %s", lacks, tls_reason());
    ERR_clear_error();
    return lacks ? ERR_TLS : ERR_OK;
}
