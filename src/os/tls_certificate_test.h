/* SPDX-License-Identifier: ISC */
/* For the tests of TLS: self-signed certificates with their keys, made on the spot in a folder of the test's. */
#ifndef OS_TLS_CERTIFICATE_TEST_H
#define OS_TLS_CERTIFICATE_TEST_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/base.h"

/* name: of the subject; dns: the alternative name. Valid from a day before valid[0] on, for valid[1] days. */
static inline void certificate_make_for(const char *const paths[2], const char *name, const char *dns, bool rsa,
                                        const int64_t valid[2])
{
    const char *cert_path = paths[0], *key_path = paths[1];
    int64_t now_s = valid[0], days = valid[1];
    EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    char alternative[300];
    assert_non_null(key);
    assert_true(X509_set_version(cert, 2));
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_s - 86400));
    ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now_s + days * 86400));
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    snprintf(alternative, sizeof(alternative), "DNS:%s", dns);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(cert, key, EVP_sha256()));
    FILE *f = fopen(cert_path, "w");
    assert_non_null(f);
    assert_true(PEM_write_X509(f, cert));
    fclose(f);
    f = fopen(key_path, "w");
    assert_non_null(f);
    assert_true(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* Valid from a day before now_s on, for the days given. */
static inline void certificate_make(const char *cert_path, const char *key_path, const char *name, bool rsa,
                                    int64_t now_s, int days)
{
    certificate_make_for((const char *const[]){cert_path, key_path}, name, name, rsa, (const int64_t[]){now_s, days});
}

#endif
