/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#include <openssl/err.h>

struct tls_client {
    SSL_CTX *ctx;
};

/* The system's certificate authorities: reading them takes long, and a megabyte, so all clients that are open have the same ones. */
static struct {
    X509_STORE *store;
    size_t users;
} authorities;

static bool authorities_use(SSL_CTX *ctx)
{
    if (!authorities.store) {
        X509_STORE *store = X509_STORE_new();
        if (!store || X509_STORE_set_default_paths(store) != 1) {
            X509_STORE_free(store);
            return false;
        }
        authorities.store = store;
    }
    authorities.users++;
    SSL_CTX_set1_cert_store(ctx, authorities.store);
    return true;
}

static void authorities_leave(void)
{
    if (--authorities.users > 0)
        return;
    X509_STORE_free(authorities.store);
    authorities.store = NULL;
}

enum err tls_client_open(bool verify, struct tls_client **t_r, buf *why)
{
    struct tls_client *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    ERR_clear_error();
    t->ctx = tls_context_new(TLS_client_method());
    if (!t->ctx) {
        free(t);
        return ERR_NOMEM;
    }
    SSL_CTX_set_verify(t->ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!authorities_use(t->ctx)) {
        buf_printf(why, "the system's certificate authorities cannot be loaded: %s", tls_reason());
        SSL_CTX_free(t->ctx);
        free(t);
        return ERR_TLS;
    }
    *t_r = t;
    return ERR_OK;
}

void tls_client_close(struct tls_client **t)
{
    if (!*t)
        return;
    SSL_CTX_free((*t)->ctx);
    authorities_leave();
    free(*t);
    *t = NULL;
}

SSL_CTX *tls_client_context(const struct tls_client *t)
{
    return t->ctx;
}
