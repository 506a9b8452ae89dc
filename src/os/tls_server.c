/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#include <openssl/err.h>

#define TICKET_KEY_SIZE 80
#define PAIRS_MAX 1000
#define CIPHERS_MAX 8192

struct named_context {
    char *name; /* empty: answers to no name, only as the default */
    SSL_CTX *ctx;
};

struct tls_server {
    struct named_context *rows;
    size_t count, first; /* first: the default */
};

static struct named_context *find(const struct tls_server *t, slice name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (slice_equal_nocase(slice_str(t->rows[i].name), name))
            return &t->rows[i];
    }
    return NULL;
}

/* An unknown name is no reason to refuse: mail clients that look at names at all will see ours in the certificate. */
static int choose_by_name(SSL *ssl, int *alert, void *ctx)
{
    const struct tls_server *t = ctx;
    slice name = slice_str(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    const struct named_context *row = name.len > 0 ? find(t, name) : NULL;
    (void)alert;
    if (!row)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_set_SSL_CTX(ssl, row->ctx) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Without the ciphers whose secret the private key decrypts: old sessions could be read with a key that gets known, and the key is mostly another process's, which only signs. What
 * the machine's openssl.cnf allows stays the list that is cut down. */
static bool without_rsa_exchange(SSL_CTX *ctx)
{
    char text[CIPHERS_MAX];
    buf list;
    buf_init_fixed(&list, text, sizeof(text));
    const STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *one = sk_SSL_CIPHER_value(all, i);
        int exchange = SSL_CIPHER_get_kx_nid(one);
        if (exchange != NID_kx_rsa && exchange != NID_kx_any) /* any: of TLS 1.3, whose list is another one */
            buf_printf(&list, "%s%s", list.len > 0 ? ":" : "", SSL_CIPHER_get_name(one));
    }
    if (list.len == 0) /* TLS 1.3 only */
        return true;
    buf_append_char(&list, 0);
    return buf_ok(&list) && SSL_CTX_set_cipher_list(ctx, list.ptr) == 1;
}

static bool set_up(SSL_CTX *ctx, const struct tls_server *t, slice ticket_key)
{
    unsigned char key[TICKET_KEY_SIZE];
    static const unsigned char id[] = "thurn";
    if (ticket_key.len == TICKET_KEY_SIZE) {
        memcpy(key, ticket_key.ptr, sizeof(key));
        long set = SSL_CTX_set_tlsext_ticket_keys(ctx, key, sizeof(key));
        OPENSSL_cleanse(key, sizeof(key));
        if (set != 1)
            return false;
    }
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_dh_auto(ctx, 0);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_by_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, (void *)(uintptr_t)t);
    return without_rsa_exchange(ctx) && SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1;
}

/* Several pairs of one name, an ECDSA and an RSA one, share a context: OpenSSL takes the one that the client can use. */
static enum err context_of(struct tls_server *t, slice name, slice ticket_key, SSL_CTX **ctx_r)
{
    struct named_context *row = find(t, name);
    if (row) {
        *ctx_r = row->ctx;
        return ERR_OK;
    }
    row = &t->rows[t->count];
    row->name = strndup(name.len > 0 ? name.ptr : "", name.len);
    row->ctx = row->name ? tls_context_new(TLS_server_method()) : NULL;
    if (!row->ctx || !set_up(row->ctx, t, ticket_key)) {
        SSL_CTX_free(row->ctx);
        free(row->name);
        return ERR_NOMEM;
    }
    if (name.len == 0)
        t->first = t->count;
    t->count++;
    *ctx_r = row->ctx;
    return ERR_OK;
}

static enum err add_pair(struct tls_server *t, const struct tls_pair *pair, slice ticket_key, buf *why)
{
    struct tls_loaded l;
    SSL_CTX *ctx;
    enum err e = tls_load_pair(pair, &l, why);
    if (e != ERR_OK)
        return e;
    e = context_of(t, pair->name, ticket_key, &ctx);
    if (e == ERR_OK && SSL_CTX_use_cert_and_key(ctx, l.leaf, l.key, l.chain, 1) != 1) {
        buf_printf(why, "certificate %.*s cannot be used: %s", SLICE_ARG(pair->cert), tls_reason());
        e = ERR_TLS;
    }
    tls_loaded_free(&l);
    return e;
}

enum err tls_server_open(const struct tls_pair *pairs, size_t count, slice ticket_key, struct tls_server **t_r,
                         buf *why)
{
    if (count == 0 || count > PAIRS_MAX) {
        buf_printf(why, "%zu certificates are given; 1 to %d are possible", count, PAIRS_MAX);
        return ERR_LIMIT;
    }
    struct tls_server *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    t->rows = calloc(count, sizeof(*t->rows));
    enum err e = t->rows ? ERR_OK : ERR_NOMEM;
    ERR_clear_error();
    for (size_t i = 0; e == ERR_OK && i < count; i++)
        e = add_pair(t, &pairs[i], ticket_key, why);
    if (e != ERR_OK)
        tls_server_close(&t);
    else
        *t_r = t;
    return e;
}

void tls_server_close(struct tls_server **t)
{
    if (!*t)
        return;
    for (size_t i = 0; i < (*t)->count; i++) {
        SSL_CTX_free((*t)->rows[i].ctx);
        free((*t)->rows[i].name);
    }
    free((*t)->rows);
    free(*t);
    *t = NULL;
}

SSL_CTX *tls_server_context(const struct tls_server *t)
{
    return t->rows[t->first].ctx;
}

SSL_CTX *tls_server_context_at(const struct tls_server *t, size_t at)
{
    return at < t->count ? t->rows[at].ctx : NULL;
}
