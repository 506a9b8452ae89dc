/* SPDX-License-Identifier: ISC */
/* What the accounts have for SCRAM: one salt and count an account, and per digest StoredKey and ServerKey in one value. */
#include "store/scram.h"

#include <string.h>

#include "store/password.h"

#define SALT_SIZE 16

static const enum crypt_digest digests[2] = {CRYPT_SHA256, CRYPT_SHA1};

bool store_scram_make(slice password, struct store_scram *made)
{
    char memory[PASSWORD_MAX];
    buf prepared;
    *made = (struct store_scram){.there = false};
    buf_init_fixed(&prepared, memory, sizeof memory);
    enum err e = sasl_prepare(password, &prepared);
    uint8_t salt[SALT_SIZE];
    os_random(salt, sizeof salt);
    for (size_t i = 0; e == ERR_OK && i < 2; i++) {
        struct sasl_scram_keys *k = &made->keys[i];
        k->iterations = SASL_SCRAM_ITERATIONS;
        k->salt_len = SALT_SIZE;
        memcpy(k->salt, salt, sizeof salt);
        e = sasl_scram_make(digests[i], buf_slice(&prepared), k);
    }
    explicit_bzero(memory, sizeof memory);
    made->there = e == ERR_OK;
    return made->there;
}

void store_scram_wipe(struct store_scram *made)
{
    explicit_bzero(made, sizeof *made);
}

static void bind_keys(sqlite3_stmt *statement, int at, const struct sasl_scram_keys *k, size_t size)
{
    uint8_t both[2 * CRYPT_DIGEST_MAX];
    memcpy(both, k->stored, size);
    memcpy(both + size, k->server, size);
    (void)sqlite3_bind_blob(statement, at, both, (int)(2 * size), SQLITE_TRANSIENT);
    explicit_bzero(both, sizeof both);
}

void store_scram_bind(sqlite3_stmt *statement, int at, const struct store_scram *made)
{
    if (!made->there)
        return; /* what is not bound is NULL */
    (void)sqlite3_bind_blob(statement, at, made->keys[0].salt, made->keys[0].salt_len, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(statement, at + 1, made->keys[0].iterations);
    for (int i = 0; i < 2; i++)
        bind_keys(statement, at + 2 + i, &made->keys[i], crypt_digest_size(digests[i]));
}

/* Of an account that there is not: always the same, as a real one's is; whoever asks twice learns nothing, and no password fits. */
static enum err invent(struct store *s, slice address, enum crypt_digest d, struct sasl_scram_keys *keys)
{
    char lower[STORE_ADDRESS_MAX + 16];
    uint8_t digest[CRYPT_DIGEST_MAX];
    buf b;
    slice secret = slice_of(s->secret, sizeof s->secret);
    buf_init_fixed(&b, lower, sizeof lower);
    buf_append(&b, SLICE("salt "));
    for (size_t i = 0; i < address.len && i < STORE_ADDRESS_MAX; i++)
        buf_append_char(&b, ascii_lower(address.ptr[i]));
    enum err e = crypt_hmac(CRYPT_SHA256, secret, buf_slice(&b), digest);
    memcpy(keys->salt, digest, SALT_SIZE);
    keys->salt_len = SALT_SIZE;
    keys->iterations = SASL_SCRAM_ITERATIONS;
    (void)d;
    os_random(keys->stored, sizeof keys->stored);
    os_random(keys->server, sizeof keys->server);
    return e;
}

static bool read_keys(sqlite3_stmt *statement, enum crypt_digest d, struct sasl_scram_keys *keys)
{
    size_t size = crypt_digest_size(d);
    const uint8_t *salt = sqlite3_column_blob(statement, 0),
                  *both = sqlite3_column_blob(statement, d == CRYPT_SHA256 ? 2 : 3);
    int salt_len = sqlite3_column_bytes(statement, 0);
    int64_t iterations = sqlite3_column_int64(statement, 1);
    if (!salt || !both || salt_len <= 0 || salt_len > SASL_SCRAM_SALT_MAX || iterations < SASL_SCRAM_ITERATIONS_MIN ||
        iterations > UINT32_MAX || (size_t)sqlite3_column_bytes(statement, d == CRYPT_SHA256 ? 2 : 3) != 2 * size)
        return false;
    memcpy(keys->salt, salt, (size_t)salt_len);
    keys->salt_len = (uint8_t)salt_len;
    keys->iterations = (uint32_t)iterations;
    memcpy(keys->stored, both, size);
    memcpy(keys->server, both + size, size);
    return true;
}

enum err store_scram_find(struct store *s, slice address, enum crypt_digest d, struct sasl_scram_keys *keys_r)
{
    sqlite3_stmt *statement;
    struct sasl_scram_keys keys = {0};
    enum err e = store_statement(s, STORE_SCRAM, &statement);
    if (e != ERR_OK)
        return e;
    int code = store_bind_address(statement, address) == ERR_OK ? sqlite3_step(statement) : SQLITE_DONE;
    bool there = code == SQLITE_ROW && read_keys(statement, d, &keys);
    (void)sqlite3_reset(statement);
    e = store_err(code);
    struct sasl_scram_keys invented = {0};
    if (e == ERR_OK)
        e = invent(s, address, d, &invented); /* also when nobody needs it: the same work */
    if (e == ERR_OK)
        *keys_r = there ? keys : invented;
    explicit_bzero(&keys, sizeof keys);
    return e;
}
