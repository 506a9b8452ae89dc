/* SPDX-License-Identifier: ISC */
/* Handshakes whose signatures somebody else makes, and what that one refuses. */
#include "os/tls_openssl.h"

#include <openssl/rsa.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/tls_certificate_test.h"

static const struct kind {
    const char *name;
    int id, size; /* RSA: bits */
    bool apart;
} kinds[] = {
    {"rsa", EVP_PKEY_RSA, 2048, true}, {"odd", EVP_PKEY_RSA, 2049, true},       {"p256", EVP_PKEY_EC, 0, true},
    {"p384", EVP_PKEY_EC, 0, true},    {"ed25519", EVP_PKEY_ED25519, 0, false},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static char folder[] = "/tmp/thurn-keys-XXXXXX";
static char cert_path[KINDS][64], key_path[KINDS][64];
static char text[512];
static buf why;

static EVP_PKEY *make_key(const struct kind *k)
{
    if (k->id == EVP_PKEY_RSA)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)k->size);
    if (k->id == EVP_PKEY_EC)
        return EVP_EC_gen(strcmp(k->name, "p256") == 0 ? "P-256" : "P-384");
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void write_pair(size_t i)
{
    EVP_PKEY *key = make_key(&kinds[i]);
    X509 *cert = X509_new();
    assert_non_null(key);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 864000);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"mx", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    assert_true(X509_set_pubkey(cert, key));
    assert_true(X509_sign(cert, key, kinds[i].id == EVP_PKEY_ED25519 ? NULL : EVP_sha256()));
    snprintf(cert_path[i], sizeof(cert_path[i]), "%s/%s.pem", folder, kinds[i].name);
    snprintf(key_path[i], sizeof(key_path[i]), "%s/%s.key", folder, kinds[i].name);
    FILE *f = fopen(cert_path[i], "w");
    assert_true(f && PEM_write_X509(f, cert));
    fclose(f);
    f = fopen(key_path[i], "w");
    assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int make_pairs(void **state)
{
    (void)state;
    buf_init_fixed(&why, text, sizeof(text));
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < KINDS; i++)
        write_pair(i);
    return 0;
}

static int remove_pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        unlink(cert_path[i]);
        unlink(key_path[i]);
    }
    return rmdir(folder);
}

/* The other process, in this one. It keeps the last question. */
struct holder {
    struct tls_keys *keys;
    size_t asked;
    bool silent;
    char id[TLS_KEY_ID_SIZE], bytes[TLS_SIGNATURE_MAX];
    struct tls_question last;
};

static enum err sign(void *ctx, const struct tls_question *q, buf *signature)
{
    struct holder *h = ctx;
    h->asked++;
    memcpy(h->id, q->key.ptr, q->key.len);
    memcpy(h->bytes, q->bytes.ptr, q->bytes.len);
    h->last = (struct tls_question){slice_of(h->id, q->key.len), slice_of(h->bytes, q->bytes.len), q->algorithm};
    return h->silent ? ERR_TIMEOUT : tls_keys_sign(h->keys, q, signature);
}

static struct holder holder_open(void)
{
    struct holder h = {.asked = 0};
    struct tls_pair pairs[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        pairs[i] = (struct tls_pair){.cert = slice_str(cert_path[i]), .key = slice_str(key_path[i])};
    assert_int_equal(tls_keys_open(pairs, KINDS, &h.keys, &why), ERR_OK);
    return h;
}

static void carry(struct tls_session *from, struct tls_session *to)
{
    buf b;
    buf_init(&b, 1 << 20);
    tls_session_output(from, &b);
    assert_int_equal(tls_session_feed(to, buf_slice(&b)), ERR_OK);
    buf_deinit(&b);
}

/* The server has no key file where there is one to be had from the holder. */
static enum err shake(struct holder *h, size_t kind, int version, const char *ciphers)
{
    struct tls_server *t;
    struct tls_client *c;
    struct tls_session *server, *client;
    const struct tls_signer signer = {sign, h};
    const struct tls_pair pair = {.cert = slice_str(cert_path[kind]),
                                  .key = kinds[kind].apart ? SLICE("/nonexistent") : slice_str(key_path[kind]),
                                  .signer = &signer};
    enum err e = ERR_AGAIN, of_client = ERR_AGAIN;
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    assert_int_equal(SSL_CTX_set_max_proto_version(tls_client_context(c), version), 1);
    if (ciphers)
        assert_int_equal(SSL_CTX_set_cipher_list(tls_client_context(c), ciphers), 1);
    assert_int_equal(tls_session_open_server(t, &server), ERR_OK);
    assert_int_equal(tls_session_open_client(c, SLICE("mx"), &client), ERR_OK);
    for (int i = 0; i < 10 && (e == ERR_AGAIN || of_client == ERR_AGAIN); i++) {
        if (of_client == ERR_AGAIN)
            of_client = tls_session_handshake(client);
        carry(client, server);
        if (e == ERR_AGAIN)
            e = tls_session_handshake(server);
        carry(server, client);
    }
    assert_int_equal(e == ERR_OK, of_client == ERR_OK);
    tls_session_close(&server);
    tls_session_close(&client);
    tls_client_close(&c);
    tls_server_close(&t);
    return e;
}

static void g8_handshakes_are_signed_elsewhere(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct holder h = holder_open();
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t v = 0; v < 2; v++) {
            h.asked = 0;
            assert_int_equal(shake(&h, i, versions[v], NULL), ERR_OK);
            assert_int_equal(h.asked, kinds[i].apart ? 1 : 0);
        }
        const struct tls_pair pair = {.cert = slice_str(cert_path[i])};
        assert_int_equal(tls_pair_apart(&pair), kinds[i].apart);
    }
    tls_keys_close(&h.keys);
}

static void threat_a_handshake_without_an_answer_fails(void **state)
{
    (void)state;
    struct holder h = holder_open();
    h.silent = true;
    for (size_t i = 0; i < KINDS; i++)
        assert_int_equal(shake(&h, i, TLS1_3_VERSION, NULL), kinds[i].apart ? ERR_TLS : ERR_OK);
    tls_keys_close(&h.keys);
}

/* Where a client knows only the key exchange that has the server decrypt, nobody is asked. */
static void threat_nothing_is_decrypted(void **state)
{
    (void)state;
    struct holder h = holder_open();
    assert_int_equal(shake(&h, 0, TLS1_2_VERSION, "kRSA"), ERR_TLS);
    assert_int_equal(h.asked, 0);
    tls_keys_close(&h.keys);
}

/* Nor is a cipher with that exchange offered, so that such a client hears it before it has sent its secret; what else the library has by default is. */
static void threat_no_cipher_has_the_server_decrypt(void **state)
{
    (void)state;
    struct tls_server *t;
    const struct tls_pair pair = {.cert = slice_str(cert_path[0]), .key = slice_str(key_path[0])};
    SSL_CTX *plain = SSL_CTX_new(TLS_server_method());
    size_t cut = 0;
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    const STACK_OF(SSL_CIPHER) *ours = SSL_CTX_get_ciphers(tls_server_context(t)), *all = SSL_CTX_get_ciphers(plain);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        bool decrypts = SSL_CIPHER_get_kx_nid(sk_SSL_CIPHER_value(all, i)) == NID_kx_rsa;
        assert_int_equal(sk_SSL_CIPHER_find((STACK_OF(SSL_CIPHER) *)(uintptr_t)ours, sk_SSL_CIPHER_value(all, i)) >= 0,
                         !decrypts);
        cut += decrypts;
    }
    assert_true(cut > 0);
    SSL_CTX_free(plain);
    tls_server_close(&t);
}

static enum err ask(const struct holder *h, slice id, unsigned algorithm, slice bytes)
{
    char memory[TLS_SIGNATURE_MAX];
    buf signature;
    buf_init_fixed(&signature, memory, sizeof(memory));
    const struct tls_question q = {id, bytes, (uint8_t)algorithm};
    enum err e = tls_keys_sign(h->keys, &q, &signature);
    assert_int_equal(signature.len > 0, e == ERR_OK);
    return e;
}

static void threat_only_padded_digests_are_signed_with_rsa(void **state)
{
    (void)state;
    struct holder h = holder_open();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(shake(&h, i, TLS1_3_VERSION, NULL), ERR_OK);
        slice id = h.last.key, whole = h.last.bytes;
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, whole), ERR_OK);
        static const size_t places[] = {0, 1, 10, 100, 185};
        for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
            h.bytes[places[p]] ^= 1;
            assert_int_equal(ask(&h, id, TLS_SIGN_RSA, whole), ERR_SYNTAX);
            h.bytes[places[p]] ^= 1;
        }
        h.bytes[whole.len - 1] ^= 1; /* the mark at the end */
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, whole), ERR_SYNTAX);
        h.bytes[whole.len - 1] ^= 1;
        h.bytes[whole.len - 5] ^= 1; /* the digest, from which the mask is made */
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, whole), ERR_SYNTAX);
        h.bytes[whole.len - 5] ^= 1;
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, slice_sub(whole, 0, whole.len - 1)), ERR_SYNTAX);
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, slice_sub(whole, 0, 1)), ERR_SYNTAX);
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, SLICE_NONE), ERR_SYNTAX);
        assert_int_equal(ask(&h, id, TLS_SIGN_ECDSA, whole), ERR_SYNTAX);
        assert_int_equal(ask(&h, id, 0, whole), ERR_SYNTAX);
        assert_int_equal(ask(&h, slice_sub(id, 0, 31), TLS_SIGN_RSA, whole), ERR_NOTFOUND);
        assert_int_equal(ask(&h, SLICE_NONE, TLS_SIGN_RSA, whole), ERR_NOTFOUND);
        h.id[3] ^= 1;
        assert_int_equal(ask(&h, id, TLS_SIGN_RSA, whole), ERR_NOTFOUND);
    }
    tls_keys_close(&h.keys);
}

/* PKCS #1 v1.5: 00 01, `fill` times FF, 00, and what follows. */
static enum err ask_pkcs1(const struct holder *h, slice id, size_t fill, slice first)
{
    unsigned char block[256] = {0, 1};
    memset(block + 2, 0xff, fill);
    block[2 + fill] = 0;
    memcpy(block + 3 + fill, first.ptr, first.len);
    return ask(h, id, TLS_SIGN_RSA, slice_of((const char *)block, sizeof(block)));
}

static void threat_pkcs1_blocks_hold_a_digest_and_nothing_else(void **state)
{
    (void)state;
    struct holder h = holder_open();
    assert_int_equal(shake(&h, 0, TLS1_3_VERSION, NULL), ERR_OK);
    slice id = h.last.key;
    assert_int_equal(ask_pkcs1(&h, id, 202, SLICE("\x30\x31")), ERR_OK); /* 51 bytes: SHA-256 */
    assert_int_equal(ask_pkcs1(&h, id, 202, SLICE("\x30\x30")), ERR_SYNTAX);
    assert_int_equal(ask_pkcs1(&h, id, 202, SLICE("\x31\x31")), ERR_SYNTAX);
    assert_int_equal(ask_pkcs1(&h, id, 8, SLICE("\x30\xf3")), ERR_SYNTAX);   /* as much as a secret needs */
    assert_int_equal(ask_pkcs1(&h, id, 169, SLICE("\x30\x52")), ERR_SYNTAX); /* a byte more than SHA-512 */
    assert_int_equal(ask_pkcs1(&h, id, 170, SLICE("\x30\x51")), ERR_OK);
    assert_int_equal(ask_pkcs1(&h, id, 253, SLICE("")), ERR_SYNTAX);
    assert_int_equal(ask_pkcs1(&h, id, 251, SLICE("\x30")), ERR_SYNTAX);
    tls_keys_close(&h.keys);
}

static void threat_only_digests_are_signed_with_ecdsa(void **state)
{
    (void)state;
    struct holder h = holder_open();
    assert_int_equal(shake(&h, 2, TLS1_2_VERSION, NULL), ERR_OK);
    slice id = h.last.key;
    static const struct {
        size_t size;
        enum err e;
    } rows[] = {{0, ERR_SYNTAX}, {19, ERR_SYNTAX}, {20, ERR_OK},      {32, ERR_OK},
                {64, ERR_OK},    {65, ERR_SYNTAX}, {2048, ERR_SYNTAX}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(ask(&h, id, TLS_SIGN_ECDSA, slice_of(h.bytes, rows[i].size)), rows[i].e);
    assert_int_equal(ask(&h, id, TLS_SIGN_RSA, slice_of(h.bytes, 32)), ERR_SYNTAX);
    tls_keys_close(&h.keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g8_handshakes_are_signed_elsewhere),
        cmocka_unit_test(threat_a_handshake_without_an_answer_fails),
        cmocka_unit_test(threat_nothing_is_decrypted),
        cmocka_unit_test(threat_no_cipher_has_the_server_decrypt),
        cmocka_unit_test(threat_only_padded_digests_are_signed_with_rsa),
        cmocka_unit_test(threat_pkcs1_blocks_hold_a_digest_and_nothing_else),
        cmocka_unit_test(threat_only_digests_are_signed_with_ecdsa),
    };
    return cmocka_run_group_tests(tests, make_pairs, remove_pairs);
}
