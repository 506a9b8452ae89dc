/* SPDX-License-Identifier: ISC */
#include "crypt/crypt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static void assert_hex(const uint8_t *bytes, size_t size, const char *hex)
{
    char text[2 * CRYPT_DIGEST_MAX + 1];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    for (size_t i = 0; i < size; i++)
        buf_printf(&b, "%02x", bytes[i]);
    buf_append_char(&b, 0);
    assert_true(buf_ok(&b));
    assert_string_equal(text, hex);
}

/* RFC 3174 section 7.3, FIPS 180-2 B.1, RFC 2202 test 2, RFC 4231 test 2, RFC 6070 tests 1 and 3, RFC 7914 section 11. */
static void digests_are_the_standards(void **state)
{
    uint8_t out[CRYPT_DIGEST_MAX];
    (void)state;
    assert_int_equal(crypt_hash(CRYPT_SHA1, SLICE("abc"), out), ERR_OK);
    assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_int_equal(crypt_hash(CRYPT_SHA256, SLICE("abc"), out), ERR_OK);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(crypt_hmac(CRYPT_SHA1, SLICE("Jefe"), SLICE("what do ya want for nothing?"), out), ERR_OK);
    assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    assert_int_equal(crypt_hmac(CRYPT_SHA256, SLICE("Jefe"), SLICE("what do ya want for nothing?"), out), ERR_OK);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    struct crypt_pbkdf2 p = {SLICE("password"), SLICE("salt"), 1};
    assert_int_equal(crypt_derive(CRYPT_SHA1, &p, out), ERR_OK);
    assert_hex(out, 20, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
    p.iterations = 4096;
    assert_int_equal(crypt_derive(CRYPT_SHA1, &p, out), ERR_OK);
    assert_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
    assert_int_equal(crypt_derive(CRYPT_SHA256, &p, out), ERR_OK);
    assert_hex(out, 32, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
    p.iterations = 0;
    assert_int_equal(crypt_derive(CRYPT_SHA1, &p, out), ERR_SYSTEM);
}

static void write_pem(EVP_PKEY *key, buf *pem)
{
    char *at;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PUBKEY(bio, key));
    long len = BIO_get_mem_data(bio, &at);
    buf_append(pem, slice_of(at, (size_t)len));
    BIO_free(bio);
}

static size_t sign(EVP_PKEY *key, bool eddsa, slice text, uint8_t out[600])
{
    size_t len = 600;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, eddsa ? NULL : EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &len, (const unsigned char *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    return len;
}

/* DER to r and s. */
static size_t flatten(uint8_t *signature, size_t len)
{
    const unsigned char *at = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 32, 32), 32);
    ECDSA_SIG_free(pair);
    return 64;
}

static void signatures_count_for_their_own_kind_only(void **state)
{
    static const enum crypt_signature kinds[] = {CRYPT_RS256, CRYPT_ES256, CRYPT_EDDSA};
    EVP_PKEY *made[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-256"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    struct crypt_keys *keys = NULL;
    buf pem, why;
    char memory[200];
    (void)state;
    buf_init(&pem, 1 << 16);
    buf_init_fixed(&why, memory, sizeof memory);
    for (size_t i = 0; i < 3; i++)
        write_pem(made[i], &pem);
    assert_int_equal(crypt_keys_open(buf_slice(&pem), &keys, &why), ERR_OK);
    for (size_t i = 0; i < 3; i++) {
        uint8_t signature[600];
        size_t len = sign(made[i], i == 2, SLICE("text"), signature);
        if (i == 1)
            len = flatten(signature, len);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(crypt_keys_verify(keys, kinds[k], SLICE("text"), slice_of(signature, len)), k == i);
        assert_false(crypt_keys_verify(keys, kinds[i], SLICE("texT"), slice_of(signature, len)));
        assert_false(crypt_keys_verify(keys, kinds[i], SLICE("text"), slice_of(signature, len - 1)));
        assert_false(crypt_keys_verify(keys, kinds[i], SLICE("text"), SLICE_NONE));
        signature[5] ^= 1;
        assert_false(crypt_keys_verify(keys, kinds[i], SLICE("text"), slice_of(signature, len)));
        EVP_PKEY_free(made[i]);
    }
    crypt_keys_close(&keys);
    assert_null(keys);
    buf_deinit(&pem);
}

static void weak_and_other_keys_are_refused(void **state)
{
    EVP_PKEY *made[] = {EVP_RSA_gen(1024), EVP_EC_gen("P-384"), EVP_PKEY_Q_keygen(NULL, NULL, "X25519")};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct crypt_keys *keys = NULL;
        char memory[200];
        buf pem, why;
        buf_init(&pem, 1 << 16);
        buf_init_fixed(&why, memory, sizeof memory);
        write_pem(made[i], &pem);
        assert_int_equal(crypt_keys_open(buf_slice(&pem), &keys, &why), ERR_SYNTAX);
        assert_true(slice_find(buf_slice(&why), SLICE("neither RSA")) >= 0);
        assert_null(keys);
        buf_clear(&why);
        assert_int_equal(crypt_keys_open(SLICE("no key"), &keys, &why), ERR_SYNTAX);
        assert_true(slice_find(buf_slice(&why), SLICE("no public key")) >= 0);
        EVP_PKEY_free(made[i]);
        buf_deinit(&pem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_standards),
        cmocka_unit_test(signatures_count_for_their_own_kind_only),
        cmocka_unit_test(weak_and_other_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
