/* SPDX-License-Identifier: ISC */
/* Who is at the other end: certificates of clients and of ourselves as a client, and what binds a login to the channel that it is made in. */
#include "os/tls_openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "os/file.h"

#define AUTHORITIES_MAX (1024 * 1024)
#define AUTHORITY_COUNT_MAX 200
#define MAIL_MAX 254

/* RFC 9266 section 2. In TLS 1.2 with the extended master secret the exporter would do as well, and peers take tls-unique there (libgsasl does): one that was offered
 * -PLUS with tls-exporter only could not sign in at all. */
bool tls_session_binding(const struct tls_session *s, uint8_t binding[TLS_BINDING_SIZE])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    SSL *ssl = tls_session_ssl(s);
    if (!ssl || SSL_version(ssl) < TLS1_3_VERSION)
        return false;
    bool done = SSL_export_keying_material(ssl, binding, TLS_BINDING_SIZE, label, sizeof(label) - 1, NULL, 0, 0) == 1;
    ERR_clear_error();
    return done;
}

/* A name that could be taken for two, or for none, is nobody's. */
static bool is_plain_mail(const unsigned char *text, size_t len)
{
    size_t signs = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
        signs += text[i] == '@';
    }
    return len <= MAIL_MAX && signs == 1 && text[0] != '@' && text[len - 1] != '@';
}

void tls_session_client_mails(const struct tls_session *s, buf *out)
{
    SSL *ssl = tls_session_ssl(s);
    X509 *leaf = ssl && SSL_is_server(ssl) ? SSL_get0_peer_certificate(ssl) : NULL;
    if (!leaf || SSL_get_verify_result(ssl) != X509_V_OK)
        return;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int kind = 0;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        int len = kind == GEN_EMAIL ? ASN1_STRING_length(text) : 0;
        if (len <= 0 || !is_plain_mail(ASN1_STRING_get0_data(text), (size_t)len))
            continue;
        buf_append(out, slice_of(ASN1_STRING_get0_data(text), (size_t)len));
        buf_append_char(out, '\n');
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

/* Whatever the chain is worth, the handshake goes on: what was found stays in the session's verify result. */
static int go_on(int good, X509_STORE_CTX *ctx)
{
    (void)good;
    (void)ctx;
    return 1;
}

/* The names of all authorities, in the order of the file, are the hint that clients choose their certificate by. */
static enum err load_authorities(slice path, X509_STORE *store, STACK_OF(X509_NAME) * names, buf *why)
{
    buf pem;
    buf_init(&pem, AUTHORITIES_MAX);
    enum err e = os_file_read(AT_FDCWD, path, &pem);
    BIO *bio = e == ERR_OK ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    size_t count = 0;
    X509 *next;
    if (e != ERR_OK)
        buf_printf(why, "client_ca %.*s: %s", SLICE_ARG(path), err_text(e));
    else if (!bio)
        e = ERR_NOMEM;
    while (e == ERR_OK && count < AUTHORITY_COUNT_MAX && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(next));
        if (!name || X509_STORE_add_cert(store, next) != 1 || sk_X509_NAME_push(names, name) == 0) {
            X509_NAME_free(name);
            e = ERR_NOMEM;
        }
        X509_free(next);
        count++;
    }
    if (e == ERR_OK && count == 0) {
        buf_printf(why, "client_ca %.*s: there is no certificate in PEM form in it", SLICE_ARG(path));
        e = ERR_TLS;
    }
    ERR_clear_error(); /* the end of the file is an error to the last read */
    BIO_free(bio);
    buf_deinit(&pem);
    return e;
}

static void free_names(STACK_OF(X509_NAME) * names)
{
    sk_X509_NAME_pop_free(names, X509_NAME_free);
}

/* No tickets: one would carry the certificate past the day on which its authority was taken out of the file. */
static enum err ask_in(SSL_CTX *ctx, slice path, buf *why)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    enum err e = store && names ? load_authorities(path, store, names, why) : ERR_NOMEM;
    if (e == ERR_OK && SSL_CTX_set1_verify_cert_store(ctx, store) != 1)
        e = ERR_NOMEM;
    X509_STORE_free(store);
    if (e != ERR_OK) {
        free_names(names);
        return e;
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, go_on);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 ? ERR_OK : ERR_NOMEM;
}

enum err tls_server_ask_clients(struct tls_server *t, slice ca_path, buf *why)
{
    SSL_CTX *ctx;
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && (ctx = tls_server_context_at(t, i)); i++)
        e = ask_in(ctx, ca_path, why);
    return e;
}

enum err tls_client_identify(struct tls_client *t, const struct tls_pair *pair, buf *why)
{
    struct tls_loaded l;
    enum err e = tls_load_pair(pair, &l, why);
    if (e != ERR_OK)
        return e;
    if (SSL_CTX_use_cert_and_key(tls_client_context(t), l.leaf, l.key, l.chain, 1) != 1) {
        buf_printf(why, "certificate %.*s cannot be used: %s", SLICE_ARG(pair->cert), tls_reason());
        e = ERR_TLS;
    }
    tls_loaded_free(&l);
    return e;
}
