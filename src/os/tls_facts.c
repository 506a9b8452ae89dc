/* SPDX-License-Identifier: ISC */
/* What a handshake came to, told to people: of the connection and of the peer's certificate. Chain and name are judged apart, so that one fault does not hide the other. */
#include "os/tls_openssl.h"

#include <openssl/err.h>

#define NAME_MAX_BYTES 255

enum err tls_client_trust(struct tls_client *t, slice ca_path, buf *why)
{
    char path[4096];
    if (ca_path.len == 0 || ca_path.len >= sizeof path || memchr(ca_path.ptr, 0, ca_path.len)) {
        buf_printf(why, "authorities %.*s: no such path", SLICE_ARG(ca_path));
        return ERR_NOTFOUND;
    }
    memcpy(path, ca_path.ptr, ca_path.len);
    path[ca_path.len] = 0;
    X509_STORE *store = X509_STORE_new();
    if (!store)
        return ERR_NOMEM;
    ERR_clear_error();
    if (X509_STORE_load_file(store, path) != 1) {
        buf_printf(why, "authorities %s: %s", path, tls_reason());
        ERR_clear_error();
        X509_STORE_free(store);
        return ERR_TLS;
    }
    SSL_CTX_set_cert_store(tls_client_context(t), store);
    return ERR_OK;
}

static enum err keep(struct arena *arena, const char *text, slice *kept_r)
{
    return arena_copy(arena, slice_str(text ? text : ""), kept_r);
}

static enum err keep_name_part(struct arena *arena, const X509_NAME *name, int what, slice *kept_r)
{
    int at = X509_NAME_get_index_by_NID(name, what, -1);
    unsigned char *text = NULL;
    int len = at < 0 ? 0 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    enum err e = arena_copy(arena, slice_of(text, len > 0 ? (size_t)len : 0), kept_r);
    OPENSSL_free(text);
    return e;
}

static enum err keep_address(struct arena *arena, const ASN1_STRING *ip, slice *kept_r)
{
    const unsigned char *b = ASN1_STRING_get0_data(ip);
    int len = ASN1_STRING_length(ip);
    char memory[64];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    if (len == 4)
        buf_printf(&text, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    for (int i = 0; len == 16 && i < 16; i += 2)
        buf_printf(&text, "%s%x", i > 0 ? ":" : "", (unsigned)(b[i] << 8 | b[i + 1]));
    return arena_copy(arena, buf_slice(&text), kept_r);
}

static enum err keep_names(struct arena *arena, X509 *leaf, struct tls_facts *f)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < sk_GENERAL_NAME_num(names) && f->name_count < TLS_FACTS_NAMES_MAX; i++) {
        int kind = 0;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        slice *to = &f->names[f->name_count];
        if (kind == GEN_DNS)
            e = arena_copy(arena, slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)), to);
        else if (kind == GEN_IPADD)
            e = keep_address(arena, text, to);
        else
            continue;
        f->name_count++;
    }
    GENERAL_NAMES_free(names);
    return e;
}

static int64_t unix_time(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool name_fits(X509 *leaf, slice name)
{
    char text[NAME_MAX_BYTES + 1];
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > NAME_MAX_BYTES || memchr(name.ptr, 0, name.len))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    return X509_check_ip_asc(leaf, text, 0) == 1 ||
           X509_check_host(leaf, text, name.len, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static enum err judge_chain(SSL *ssl, X509 *leaf, struct arena *arena, struct tls_facts *f)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    if (!ctx || X509_STORE_CTX_init(ctx, store, leaf, SSL_get_peer_cert_chain(ssl)) != 1) {
        X509_STORE_CTX_free(ctx);
        return ERR_NOMEM;
    }
    (void)X509_STORE_CTX_set_default(ctx, "ssl_server");
    f->chain_ok = X509_verify_cert(ctx) == 1;
    const char *why = f->chain_ok ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    enum err e = keep(arena, why, &f->chain_why);
    X509_STORE_CTX_free(ctx);
    return e;
}

static enum err keep_certificate(SSL *ssl, X509 *leaf, struct arena *arena, struct tls_facts *f)
{
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    const X509_NAME *issuer = X509_get_issuer_name(leaf);
    enum err e = keep_name_part(arena, X509_get_subject_name(leaf), NID_commonName, &f->common_name);
    if (e == ERR_OK)
        e = keep_name_part(arena, issuer, NID_commonName, &f->issuer);
    if (e == ERR_OK && f->issuer.len == 0)
        e = keep_name_part(arena, issuer, NID_organizationName, &f->issuer);
    if (e == ERR_OK)
        e = keep_names(arena, leaf, f);
    if (e == ERR_OK && key)
        e = keep(arena, EVP_PKEY_get0_type_name(key), &f->key);
    f->key_bits = key ? (unsigned)EVP_PKEY_get_bits(key) : 0;
    f->from_s = unix_time(X509_get0_notBefore(leaf));
    f->until_s = unix_time(X509_get0_notAfter(leaf));
    f->has_certificate = true;
    return e == ERR_OK ? judge_chain(ssl, leaf, arena, f) : e;
}

enum err tls_session_facts(const struct tls_session *s, slice name, struct arena *arena, struct tls_facts *facts_r)
{
    struct tls_facts f = {0};
    SSL *ssl = tls_session_ssl(s);
    if (!ssl)
        return ERR_TLS;
    int group = (int)SSL_get_negotiated_group(ssl);
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    enum err e = keep(arena, SSL_get_version(ssl), &f.version);
    if (e == ERR_OK)
        e = keep(arena, SSL_get_cipher_name(ssl), &f.cipher);
    if (e == ERR_OK)
        e = keep(arena, group != NID_undef ? SSL_group_to_name(ssl, group) : NULL, &f.group);
    if (e == ERR_OK && leaf)
        e = keep_certificate(ssl, leaf, arena, &f);
    f.name_ok = leaf && name_fits(leaf, name);
    ERR_clear_error();
    if (e == ERR_OK)
        *facts_r = f;
    return e;
}
