/* SPDX-License-Identifier: ISC */
#include "sasl/scram_client.h"

#include "sasl/prepare.h"

/* RFC 5802 section 6: with a binding of ours that the server seems not to know, "y". */
static slice gs2_header(const struct scram *s)
{
    if (s->plus)
        return SLICE("p=tls-exporter,,");
    return s->binding_len > 0 ? SLICE("y,,") : SLICE("n,,");
}

enum sasl_status scram_client_first(struct scram_client *c, slice login, buf *response)
{
    char memory[2048];
    buf name;
    struct scram *s = &c->s;
    buf_init_fixed(&name, memory, sizeof memory);
    if ((s->plus && s->binding_len == 0) || sasl_prepare(login, &name) != ERR_OK)
        return SASL_REFUSED;
    if (s->nonce.len == 0)
        scram_add_nonce(&s->nonce);
    buf_append(&s->header, gs2_header(s));
    buf_append(&s->message, SLICE("n="));
    scram_name_encode(buf_slice(&name), &s->message);
    buf_append(&s->message, SLICE(",r="));
    buf_append(&s->message, buf_slice(&s->nonce));
    buf_append(response, buf_slice(&s->header));
    buf_append(response, buf_slice(&s->message));
    c->stage = 1;
    return buf_ok(&s->header) && buf_ok(&s->message) && buf_ok(&s->nonce) ? SASL_MORE : SASL_REFUSED;
}

/* server-first-message. Salt and iterations go to keys, the whole nonce to the state. */
static bool read_first(struct scram *s, slice challenge, struct sasl_scram_keys *keys)
{
    slice rest = challenge, nonce, salt_text, count_text;
    uint64_t count;
    buf salt;
    buf_init_fixed(&salt, keys->salt, sizeof keys->salt);
    if (challenge.len > SCRAM_MESSAGE_MAX || !scram_take(&rest, 'r', &nonce) || !scram_take(&rest, 's', &salt_text) ||
        !scram_take(&rest, 'i', &count_text))
        return false;
    if (nonce.len <= s->nonce.len || nonce.len > (size_t)2 * SCRAM_NONCE_MAX ||
        !scram_is_nonce(slice_skip(nonce, s->nonce.len)) || !slice_starts(nonce, buf_slice(&s->nonce)))
        return false;
    if (buf_append_base64_decoded(&salt, salt_text) != ERR_OK || salt.len == 0 ||
        slice_to_u64(count_text, SASL_SCRAM_ITERATIONS_MAX, &count) != ERR_OK || count < SASL_SCRAM_ITERATIONS_MIN)
        return false;
    keys->salt_len = (uint8_t)salt.len;
    keys->iterations = (uint32_t)count;
    buf_append(&s->nonce, slice_skip(nonce, s->nonce.len));
    return true;
}

/* ClientKey, which is as good as the password for this salt. */
static enum err client_key(enum crypt_digest d, slice password, const struct sasl_scram_keys *keys, uint8_t *key)
{
    uint8_t salted[CRYPT_DIGEST_MAX];
    struct crypt_pbkdf2 p = {password, slice_of(keys->salt, keys->salt_len), keys->iterations};
    enum err e = crypt_derive(d, &p, salted);
    if (e == ERR_OK)
        e = crypt_hmac(d, slice_of(salted, crypt_digest_size(d)), SLICE("Client Key"), key);
    if (e == ERR_OK)
        e = crypt_hmac(d, slice_of(salted, crypt_digest_size(d)), SLICE("Server Key"), key + CRYPT_DIGEST_MAX);
    explicit_bzero(salted, sizeof salted);
    return e;
}

/* Both proofs: ours into the response, the server's kept. */
static enum err prove(struct scram_client *c, slice password, const struct sasl_scram_keys *keys, buf *response)
{
    uint8_t key[2 * CRYPT_DIGEST_MAX], stored[CRYPT_DIGEST_MAX], signature[CRYPT_DIGEST_MAX];
    enum crypt_digest d = c->s.digest;
    size_t size = crypt_digest_size(d);
    enum err e = client_key(d, password, keys, key);
    if (e == ERR_OK)
        e = crypt_hash(d, slice_of(key, size), stored);
    if (e == ERR_OK)
        e = scram_sign(&c->s, stored, signature);
    if (e == ERR_OK)
        e = scram_sign(&c->s, key + CRYPT_DIGEST_MAX, c->proof);
    if (e == ERR_OK) {
        scram_xor(key, signature, size);
        buf_append(response, SLICE(",p="));
        buf_append_base64(response, slice_of(key, size));
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(stored, sizeof stored);
    return e;
}

enum sasl_status scram_client_final(struct scram_client *c, slice password, slice challenge, buf *response)
{
    struct scram *s = &c->s;
    struct sasl_scram_keys keys;
    char memory[4096];
    buf prepared;
    if (!read_first(s, challenge, &keys))
        return SASL_REFUSED;
    size_t from = s->message.len + 1 + challenge.len + 1;
    buf_append_char(&s->message, ',');
    buf_append(&s->message, challenge);
    buf_append(&s->message, SLICE(",c="));
    scram_binding(s, &s->message);
    buf_append(&s->message, SLICE(",r="));
    buf_append(&s->message, buf_slice(&s->nonce));
    if (!buf_ok(&s->message) || !buf_ok(&s->nonce))
        return SASL_REFUSED;
    buf_append(response, slice_skip(buf_slice(&s->message), from));
    buf_init_fixed(&prepared, memory, sizeof memory);
    if (sasl_prepare(password, &prepared) != ERR_OK) {
        buf_clear(&prepared);
        buf_append(&prepared, password);
    }
    enum err e = buf_ok(&prepared) ? prove(c, buf_slice(&prepared), &keys, response) : ERR_LIMIT;
    explicit_bzero(memory, sizeof memory);
    c->stage = 2;
    return e == ERR_OK ? SASL_MORE : SASL_REFUSED;
}

enum sasl_status scram_client_check(struct scram_client *c, slice challenge)
{
    uint8_t memory[CRYPT_DIGEST_MAX + 8];
    slice rest = challenge, text;
    buf proof;
    buf_init_fixed(&proof, memory, sizeof memory);
    c->stage = 3;
    if (!scram_take(&rest, 'v', &text) || buf_append_base64_decoded(&proof, text) != ERR_OK)
        return SASL_REFUSED;
    slice wanted = slice_of(c->proof, crypt_digest_size(c->s.digest));
    return slice_equal_secret(buf_slice(&proof), wanted) ? SASL_DONE : SASL_REFUSED;
}
