/* SPDX-License-Identifier: ISC */
/* Inside the room only, and there only for os/tls*.c: what the server, the client, the sessions and the check of a pair share of
 * OpenSSL. Everything loaded from files is read by os/file, so that messages can name the file and what to do. OpenSSL's
 * error queue is a thread's; it is emptied before each call whose error will be told. */
#ifndef OS_TLS_OPENSSL_H
#define OS_TLS_OPENSSL_H

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "os/tls.h"

struct tls_loaded {
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf */
    EVP_PKEY *key;
};

/* Reads both files and checks that they belong together; why gets one line. With a signer: a key that asks it. */
must_check enum err tls_load_pair(const struct tls_pair *pair, struct tls_loaded *loaded_r, buf *why);
void tls_loaded_free(struct tls_loaded *l);

/* tls_proxy.c: the key of the certificate with its public half only. ERR_UNSUPPORTED: of another kind than RSA and ECDSA. */
must_check enum err tls_proxy_key(X509 *leaf, const struct tls_signer *signer, EVP_PKEY **key_r);
/* By which signer and holder know the key: TLS_KEY_ID_SIZE bytes. */
bool tls_key_id(const X509 *leaf, unsigned char *id);
/* Can the kind of key be another process's? */
bool tls_key_apart(EVP_PKEY *key);
/* tls_padding.c: is it a block of a signature (PKCS #1 v1.5 of a digest, or PSS with a salt as long as the digest, RFC 8017 sections 9.1, 9.2) for a modulus of so many bits? */
bool tls_padding_signs(slice block, size_t bits);

/* With what holds for both sides set; NULL without memory. */
SSL_CTX *tls_context_new(const SSL_METHOD *method);
/* The reason of the oldest error in the queue, or a text that says no more than that it failed. */
const char *tls_reason(void);

/* The context a session begins with; SNI may exchange it. */
SSL_CTX *tls_server_context(const struct tls_server *t);
SSL_CTX *tls_client_context(const struct tls_client *t);
/* Each context of the server once; NULL behind the last. */
SSL_CTX *tls_server_context_at(const struct tls_server *t, size_t at);
/* NULL until the handshake is done. */
SSL *tls_session_ssl(const struct tls_session *s);

#endif
