/* SPDX-License-Identifier: ISC */
#include "sasl/scram.h"

#include "os/os.h"
#include "sasl/scram_parts.h"

bool scram_mechanism(slice mechanism, enum crypt_digest *digest_r, bool *plus_r)
{
    static const struct {
        slice name;
        enum crypt_digest digest;
        bool plus;
    } rows[] = {{{"SCRAM-SHA-256-PLUS", 18}, CRYPT_SHA256, true},
                {{"SCRAM-SHA-256", 13}, CRYPT_SHA256, false},
                {{"SCRAM-SHA-1-PLUS", 16}, CRYPT_SHA1, true},
                {{"SCRAM-SHA-1", 11}, CRYPT_SHA1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!slice_equal(rows[i].name, mechanism))
            continue;
        *digest_r = rows[i].digest;
        *plus_r = rows[i].plus;
        return true;
    }
    return false;
}

void scram_init(struct scram *s, enum crypt_digest digest, bool plus, slice binding)
{
    *s = (struct scram){.digest = digest, .plus = plus};
    buf_init(&s->header, SCRAM_MESSAGE_MAX);
    buf_init(&s->message, (size_t)3 * SCRAM_MESSAGE_MAX);
    buf_init(&s->nonce, (size_t)2 * SCRAM_NONCE_MAX);
    s->binding_len = binding.len <= sizeof s->binding ? binding.len : 0;
    if (s->binding_len > 0)
        memcpy(s->binding, binding.ptr, s->binding_len);
}

void scram_deinit(struct scram *s)
{
    buf_deinit(&s->header);
    buf_deinit(&s->message);
    buf_deinit(&s->nonce);
    explicit_bzero(s, sizeof *s);
}

bool scram_take(slice *rest, char name, slice *value_r)
{
    if (rest->len < 2 || rest->ptr[0] != name || rest->ptr[1] != '=')
        return false;
    slice whole;
    (void)slice_cut(*rest, ',', &whole, rest);
    *value_r = slice_skip(whole, 2);
    return true;
}

bool scram_name_decode(slice text, buf *name)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == 0)
            return false;
        if (c == '=') {
            slice escape = slice_sub(text, i, i + 3);
            bool comma = slice_equal(escape, SLICE("=2C"));
            if (!comma && !slice_equal(escape, SLICE("=3D")))
                return false;
            c = comma ? ',' : '=';
            i += 2;
        }
        buf_append_char(name, c);
    }
    return buf_ok(name) && name->len > 0;
}

void scram_name_encode(slice name, buf *text)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ',')
            buf_append(text, SLICE("=2C"));
        else if (name.ptr[i] == '=')
            buf_append(text, SLICE("=3D"));
        else
            buf_append_char(text, name.ptr[i]);
    }
}

bool scram_is_nonce(slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f || s.ptr[i] == ',')
            return false;
    }
    return s.len > 0 && s.len <= SCRAM_NONCE_MAX;
}

void scram_add_nonce(buf *nonce)
{
    uint8_t bytes[SCRAM_NONCE_BYTES];
    os_random(bytes, sizeof bytes);
    buf_append_base64(nonce, slice_of(bytes, sizeof bytes));
}

void scram_binding(const struct scram *s, buf *text)
{
    char memory[SCRAM_MESSAGE_MAX + sizeof s->binding];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, buf_slice(&s->header));
    if (s->plus)
        buf_append(&b, slice_of(s->binding, s->binding_len));
    buf_append_base64(text, buf_slice(&b));
}

enum err scram_sign(const struct scram *s, const uint8_t *key, uint8_t *out)
{
    return crypt_hmac(s->digest, slice_of(key, crypt_digest_size(s->digest)), buf_slice(&s->message), out);
}

void scram_xor(uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        a[i] ^= b[i];
}

enum err sasl_scram_make(enum crypt_digest d, slice password, struct sasl_scram_keys *keys)
{
    uint8_t salted[CRYPT_DIGEST_MAX], client[CRYPT_DIGEST_MAX];
    size_t size = crypt_digest_size(d);
    struct crypt_pbkdf2 p = {password, slice_of(keys->salt, keys->salt_len), keys->iterations};
    enum err e = crypt_derive(d, &p, salted);
    if (e == ERR_OK)
        e = crypt_hmac(d, slice_of(salted, size), SLICE("Client Key"), client);
    if (e == ERR_OK)
        e = crypt_hash(d, slice_of(client, size), keys->stored);
    if (e == ERR_OK)
        e = crypt_hmac(d, slice_of(salted, size), SLICE("Server Key"), keys->server);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    return e;
}
