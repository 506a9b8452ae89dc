/* SPDX-License-Identifier: ISC */
/* SCRAM's server (RFC 5802): client-first, keys, client-final, and the empty answer to our proof, without which SMTP has no way to send it (RFC 4954 section 4). */
#include "sasl/server_state.h"

/* The gs2-header (section 7): what the client says of channel binding, and as whom it wants to act; *rest is behind it. */
static bool read_header(struct sasl_server *s, slice *rest, slice *authzid_r, bool *lied_to_r)
{
    slice flag, authzid, whole = *rest;
    if (!slice_cut(*rest, ',', &flag, rest) || !slice_cut(*rest, ',', &authzid, rest))
        return false;
    if (authzid.len > 0 && !slice_starts(authzid, SLICE("a=")))
        return false;
    *authzid_r = slice_skip(authzid, 2);
    *lied_to_r = slice_equal(flag, SLICE("y")) && s->offers_plus;
    buf_append(&s->scram.header, slice_sub(whole, 0, whole.len - rest->len));
    if (s->scram.plus)
        return slice_equal(flag, SLICE("p=tls-exporter"));
    return slice_equal(flag, SLICE("n")) || slice_equal(flag, SLICE("y"));
}

static void first(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    char memory[SASL_LOGIN_MAX + 1], other_memory[SASL_LOGIN_MAX + 1];
    buf name, other;
    slice rest = response, authzid, user, nonce;
    bool lied_to;
    buf_init_fixed(&name, memory, sizeof memory);
    buf_init_fixed(&other, other_memory, sizeof other_memory);
    if (response.len > SCRAM_MESSAGE_MAX || !read_header(s, &rest, &authzid, &lied_to))
        return;
    buf_append(&s->scram.message, rest);
    if (!scram_take(&rest, 'n', &user) || !scram_take(&rest, 'r', &nonce) || !scram_is_nonce(nonce) ||
        !scram_name_decode(user, &name) || !server_take_login(s, buf_slice(&name)))
        return;
    if (authzid.len > 0 && !scram_name_decode(authzid, &other))
        return;
    if (lied_to || (authzid.len > 0 && !server_is_login(s, buf_slice(&other)))) {
        server_set(s, e, SASL_FAILED);
        return;
    }
    if (s->scram.nonce.len == 0)
        scram_add_nonce(&s->scram.nonce);
    char own_memory[2 * SCRAM_NONCE_MAX];
    buf own;
    buf_init_fixed(&own, own_memory, sizeof own_memory);
    buf_append(&own, buf_slice(&s->scram.nonce));
    buf_clear(&s->scram.nonce);
    buf_append(&s->scram.nonce, nonce);
    buf_append(&s->scram.nonce, buf_slice(&own));
    server_set(s, e, buf_ok(&s->scram.nonce) ? SASL_FIND_KEYS : SASL_MALFORMED);
    e->digest = s->scram.digest;
}

void sasl_server_keys(struct sasl_server *s, const struct sasl_scram_keys *keys, struct sasl_server_event *e_r)
{
    *e_r = (struct sasl_server_event){.kind = SASL_MALFORMED};
    memcpy(s->stored, keys->stored, sizeof s->stored);
    memcpy(s->server_key, keys->server, sizeof s->server_key);
    buf_clear(&s->text);
    buf_append(&s->text, SLICE("r="));
    buf_append(&s->text, buf_slice(&s->scram.nonce));
    buf_append(&s->text, SLICE(",s="));
    buf_append_base64(&s->text, slice_of(keys->salt, keys->salt_len));
    buf_printf(&s->text, ",i=%u", keys->iterations);
    buf_append_char(&s->scram.message, ',');
    buf_append(&s->scram.message, buf_slice(&s->text));
    server_challenge(s, e_r);
}

/* Whether proof is ClientKey XOR ClientSignature (section 3). */
static bool proves(struct sasl_server *s, const uint8_t *proof)
{
    uint8_t key[CRYPT_DIGEST_MAX], hash[CRYPT_DIGEST_MAX];
    size_t size = crypt_digest_size(s->scram.digest);
    if (scram_sign(&s->scram, s->stored, key) != ERR_OK)
        return false;
    scram_xor(key, proof, size);
    bool good = crypt_hash(s->scram.digest, slice_of(key, size), hash) == ERR_OK &&
                slice_equal_secret(slice_of(hash, size), slice_of(s->stored, size));
    explicit_bzero(key, sizeof key);
    return good;
}

/* client-final-message: channel binding, nonce and proof; AuthMessage gets all but the proof. False: it is none. */
static bool read_final(struct sasl_server *s, slice response, bool *bound_r, buf *proof)
{
    char memory[2 * SCRAM_MESSAGE_MAX];
    buf binding;
    slice rest = response, channel, nonce, text;
    ptrdiff_t at = slice_rfind_char(response, ',');
    if (response.len > SCRAM_MESSAGE_MAX || at < 0 || !scram_take(&rest, 'c', &channel) ||
        !scram_take(&rest, 'r', &nonce))
        return false;
    slice last = slice_skip(response, (size_t)at + 1);
    if (!scram_take(&last, 'p', &text) || buf_append_base64_decoded(proof, text) != ERR_OK ||
        proof->len != crypt_digest_size(s->scram.digest))
        return false;
    buf_init_fixed(&binding, memory, sizeof memory);
    scram_binding(&s->scram, &binding);
    *bound_r = slice_equal_secret(channel, buf_slice(&binding)) && slice_equal(nonce, buf_slice(&s->scram.nonce));
    buf_append_char(&s->scram.message, ',');
    buf_append(&s->scram.message, slice_sub(response, 0, (size_t)at));
    return buf_ok(&binding) && buf_ok(&s->scram.message);
}

static void final(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    uint8_t memory[CRYPT_DIGEST_MAX + 8], signature[CRYPT_DIGEST_MAX];
    bool bound = false;
    buf proof;
    buf_init_fixed(&proof, memory, sizeof memory);
    if (!read_final(s, response, &bound, &proof))
        return;
    bool good = proves(s, memory) && bound && scram_sign(&s->scram, s->server_key, signature) == ERR_OK;
    explicit_bzero(memory, sizeof memory);
    if (!good) {
        server_set(s, e, SASL_FAILED);
        return;
    }
    buf_clear(&s->text);
    buf_append(&s->text, SLICE("v="));
    buf_append_base64(&s->text, slice_of(signature, crypt_digest_size(s->scram.digest)));
    server_challenge(s, e);
}

void server_scram_message(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    if (s->stage == 0)
        first(s, response, e);
    else if (s->stage == 1)
        final(s, response, e);
    else if (s->stage == 2 && response.len == 0)
        server_set(s, e, SASL_ACCEPTED);
}
