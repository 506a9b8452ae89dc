/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#include <openssl/err.h>

#define EXPIRY_WARNING_S (21 * 86400)
#define RSA_LEAST 2048
#define EC_LEAST 224

static void print_time(buf *b, const ASN1_TIME *t)
{
    struct tm tm;
    char text[32];
    if (ASN1_TIME_to_tm(t, &tm) == 1 && strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm) > 0)
        buf_append(b, slice_str(text));
    else
        buf_append(b, SLICE("an unreadable date"));
}

/* A server whose certificate has run out does better with it than not at all: other servers take it. */
static void check_times(const struct tls_pair *pair, const X509 *leaf, int64_t now_s, buf *warnings)
{
    time_t now = (time_t)now_s, soon = (time_t)(now_s + EXPIRY_WARNING_S);
    const ASN1_TIME *until = X509_get0_notAfter(leaf), *from = X509_get0_notBefore(leaf);
    if (X509_cmp_time(until, &now) <= 0) {
        buf_printf(warnings, "certificate %.*s expired on ", SLICE_ARG(pair->cert));
        print_time(warnings, until);
        buf_append(warnings, SLICE("; mail programs refuse it: renew it\n"));
    } else if (X509_cmp_time(from, &now) > 0) {
        buf_printf(warnings, "certificate %.*s is valid from ", SLICE_ARG(pair->cert));
        print_time(warnings, from);
        buf_append(warnings, SLICE(" only; set this machine's clock, or wait\n"));
    } else if (X509_cmp_time(until, &soon) <= 0) {
        buf_printf(warnings, "certificate %.*s expires on ", SLICE_ARG(pair->cert));
        print_time(warnings, until);
        buf_append(warnings, SLICE("; renew it soon\n"));
    }
}

/* OpenSSL refuses what is far too weak (its security level) when it is to be used, not when it is read. */
static enum err check_use(const struct tls_pair *pair, const struct tls_loaded *l, buf *why)
{
    SSL_CTX *ctx = tls_context_new(TLS_server_method());
    bool good = ctx && SSL_CTX_use_cert_and_key(ctx, l->leaf, l->key, l->chain, 1) == 1;
    if (!good)
        buf_printf(why, "certificate %.*s cannot be used: %s", SLICE_ARG(pair->cert), tls_reason());
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return good ? ERR_OK : ERR_TLS;
}

static void check_strength(const struct tls_pair *pair, const X509 *leaf, buf *warnings)
{
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    int bits = EVP_PKEY_get_bits(key);
    if ((EVP_PKEY_is_a(key, "RSA") && bits < RSA_LEAST) || (EVP_PKEY_is_a(key, "EC") && bits < EC_LEAST))
        buf_printf(warnings, "key %.*s has %d bits only: make one of RSA with %d, or ECDSA with 256\n",
                   SLICE_ARG(pair->key), bits, RSA_LEAST);
}

static void check_chain(const struct tls_pair *pair, const struct tls_loaded *l, int64_t now_s, buf *warnings)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (store && ctx && X509_STORE_set_default_paths(store) == 1 &&
        X509_STORE_CTX_init(ctx, store, l->leaf, l->chain) == 1) {
        X509_STORE_CTX_set_time(ctx, 0, (time_t)now_s);
        bool trusted = X509_verify_cert(ctx) == 1;
        if (!trusted && X509_STORE_CTX_get_error(ctx) == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
            buf_printf(warnings,
                       "certificate %.*s is signed by itself: other servers take it, mail programs warn of it; put an "
                       "authority's in its place\n",
                       SLICE_ARG(pair->cert));
        else if (!trusted)
            buf_printf(warnings,
                       "certificate %.*s: this machine does not trust its chain (%s); others may not either; put the "
                       "issuer's intermediate certificates behind it in the file\n",
                       SLICE_ARG(pair->cert), X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
}

static void check_name(const struct tls_pair *pair, X509 *leaf, buf *warnings)
{
    if (pair->name.len > 0 && X509_check_host(leaf, pair->name.ptr, pair->name.len, 0, NULL) != 1)
        buf_printf(warnings, "certificate %.*s is not for the name %.*s\n", SLICE_ARG(pair->cert),
                   SLICE_ARG(pair->name));
    ERR_clear_error();
}

enum err tls_pair_check(const struct tls_pair *pair, int64_t now_s, buf *why, buf *warnings)
{
    struct tls_loaded l;
    enum err e = tls_load_pair(pair, &l, why);
    if (e != ERR_OK)
        return e;
    e = check_use(pair, &l, why);
    if (e == ERR_OK) {
        check_times(pair, l.leaf, now_s, warnings);
        check_strength(pair, l.leaf, warnings);
        check_chain(pair, &l, now_s, warnings);
        check_name(pair, l.leaf, warnings);
    }
    tls_loaded_free(&l);
    return e;
}

enum err tls_pair_describe(const struct tls_pair *pair, int64_t now_s, buf *out, buf *why)
{
    struct tls_loaded l;
    int days = 0, seconds = 0;
    enum err e = tls_load_pair(pair, &l, why);
    if (e != ERR_OK)
        return e;
    GENERAL_NAMES *names = X509_get_ext_d2i(l.leaf, NID_subject_alt_name, NULL, NULL);
    const char *comma = "";
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        buf_append(out, slice_str(comma));
        buf_append_escaped(
            out, slice_of(ASN1_STRING_get0_data(name->d.dNSName), (size_t)ASN1_STRING_length(name->d.dNSName)));
        comma = ", ";
    }
    if (*comma == 0)
        buf_append(out, SLICE("no name"));
    ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);
    if (now && ASN1_TIME_diff(&days, &seconds, now, X509_get0_notAfter(l.leaf)) == 1)
        buf_printf(out, "; %d days left", days);
    ASN1_TIME_free(now);
    GENERAL_NAMES_free(names);
    tls_loaded_free(&l);
    ERR_clear_error();
    return ERR_OK;
}
