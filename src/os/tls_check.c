/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#include <openssl/err.h>

#include "os/file.h"

#define EXPIRY_WARNING_S (14 * 86400)

static void print_time(buf *b, const ASN1_TIME *t)
{
    struct tm tm;
    char text[32];
    if (ASN1_TIME_to_tm(t, &tm) == 1 && strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm) > 0)
        buf_append(b, slice_str(text));
    else
        buf_append(b, SLICE("an unreadable date"));
}

static enum err check_times(const struct tls_pair *pair, const X509 *leaf, int64_t now_s, buf *why, buf *warnings)
{
    time_t now = (time_t)now_s, soon = (time_t)(now_s + EXPIRY_WARNING_S);
    const ASN1_TIME *until = X509_get0_notAfter(leaf), *from = X509_get0_notBefore(leaf);
    if (X509_cmp_time(until, &now) <= 0) {
        buf_printf(why, "certificate %.*s expired on ", SLICE_ARG(pair->cert));
        print_time(why, until);
        buf_append(why, SLICE("; renew it"));
        return ERR_TLS;
    }
    if (X509_cmp_time(from, &now) > 0) {
        buf_printf(why, "certificate %.*s is valid from ", SLICE_ARG(pair->cert));
        print_time(why, from);
        buf_append(why, SLICE(" only; set this machine's clock, or wait"));
        return ERR_TLS;
    }
    if (X509_cmp_time(until, &soon) <= 0) {
        buf_printf(warnings, "certificate %.*s expires on ", SLICE_ARG(pair->cert));
        print_time(warnings, until);
        buf_append(warnings, SLICE("; renew it soon\n"));
    }
    return ERR_OK;
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

static void check_key_mode(const struct tls_pair *pair, buf *warnings)
{
    struct os_file_stamp stamp;
    if (os_file_stamp(AT_FDCWD, pair->key, true, &stamp) == ERR_OK && (stamp.mode & 0007))
        buf_printf(warnings, "key %.*s is open to every user of this machine; take that away with: chmod o-rwx %.*s\n",
                   SLICE_ARG(pair->key), SLICE_ARG(pair->key));
}

enum err tls_pair_check(const struct tls_pair *pair, int64_t now_s, buf *why, buf *warnings)
{
    struct tls_loaded l;
    enum err e = tls_load_pair(pair, &l, why);
    if (e != ERR_OK)
        return e;
    e = check_times(pair, l.leaf, now_s, why, warnings);
    if (e == ERR_OK) {
        check_chain(pair, &l, now_s, warnings);
        check_name(pair, l.leaf, warnings);
        check_key_mode(pair, warnings);
    }
    tls_loaded_free(&l);
    return e;
}

void tls_pair_print_end(const struct tls_pair *pair, buf *b)
{
    struct tls_loaded l;
    char memory[256];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    if (tls_load_pair(pair, &l, &why) != ERR_OK) {
        buf_append(b, SLICE("an unreadable date"));
        return;
    }
    print_time(b, X509_get0_notAfter(l.leaf));
    tls_loaded_free(&l);
}
