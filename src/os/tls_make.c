/* SPDX-License-Identifier: ISC */
#include "os/tls_openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#define COMMON_NAME_MAX 64 /* ub-common-name, RFC 5280 appendix A.1 */
#define DAY_S 86400

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = x && X509_add_ext(cert, x, -1) == 1;
    X509_EXTENSION_free(x);
    return good;
}

static bool set_serial(X509 *cert)
{
    unsigned char random[8];
    uint64_t number = 0;
    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    memcpy(&number, random, sizeof number);
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number >> 1) == 1;
}

static bool set_names(X509 *cert, slice name)
{
    char alternative[300];
    buf b;
    X509_NAME *subject = X509_get_subject_name(cert);
    slice common = slice_sub(name, 0, COMMON_NAME_MAX);
    buf_init_fixed(&b, alternative, sizeof alternative);
    buf_printf(&b, "DNS:%.*s%c", SLICE_ARG(name), 0);
    return buf_ok(&b) && subject &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common.ptr, (int)common.len,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1 && add_extension(cert, NID_subject_alt_name, alternative);
}

static bool fill(X509 *cert, EVP_PKEY *key, slice name, int64_t from_s, int days)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(from_s - DAY_S)) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(from_s + (int64_t)days * DAY_S)) &&
           X509_set_pubkey(cert, key) == 1 && set_names(cert, name) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") && X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool take(BIO *bio, buf *out)
{
    char *memory = NULL;
    long len = BIO_get_mem_data(bio, &memory);
    if (len <= 0)
        return false;
    buf_append(out, slice_of(memory, (size_t)len));
    OPENSSL_cleanse(memory, (size_t)len);
    return buf_ok(out);
}

enum err tls_self_signed(slice name, int64_t now_s, int days, buf *cert_pem, buf *key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
    bool good = key && cert && cert_bio && key_bio && name.len > 0 && fill(cert, key, name, now_s, days) &&
                PEM_write_bio_X509(cert_bio, cert) == 1 &&
                PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1 && take(cert_bio, cert_pem) &&
                take(key_bio, key_pem);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good ? ERR_OK : ERR_TLS;
}
