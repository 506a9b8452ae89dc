/* SPDX-License-Identifier: ISC */
#include "store/password.h"

#include <crypt.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "sasl/sasl.h"

#define ARGON2ID "$argon2id$"

/* Of the work that one hash needs: the phrase, crypt's own memory, and what came out. */
struct work {
    struct crypt_data data;
    char phrase[PASSWORD_MAX + 1];
    char setting[PASSWORD_HASH_MAX];
};

static struct work *work_open(slice password)
{
    struct work *w = calloc(1, sizeof *w);
    if (w && password.len > 0)
        memcpy(w->phrase, password.ptr, password.len < PASSWORD_MAX ? password.len : PASSWORD_MAX);
    return w;
}

static void work_close(struct work *w)
{
    explicit_bzero(w, sizeof *w);
    free(w);
}

static bool usable(slice password)
{
    return password.len > 0 && password.len <= PASSWORD_MAX && slice_find_char(password, 0) < 0;
}

/* With a fresh salt; false when the library cannot. */
static bool hash_new(struct work *w, enum store_hash kind, buf *hash)
{
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    const char *out = NULL;
    if (kind == STORE_HASH_ARGON2ID) {
        if (sodium_init() >= 0 &&
            crypto_pwhash_str_alg(w->setting, w->phrase, strlen(w->phrase), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                  crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13) == 0)
            out = w->setting;
    } else if (crypt_gensalt_rn("$y$", 0, NULL, 0, salt, (int)sizeof salt)) {
        out = crypt_r(w->phrase, salt, &w->data);
    }
    if (!out || out[0] != '$')
        return false;
    buf_append(hash, slice_str(out));
    return true;
}

static enum err hash_raw(slice password, enum store_hash kind, buf *hash)
{
    struct work *w = work_open(password);
    if (!w)
        return ERR_NOMEM;
    bool done = hash_new(w, kind, hash);
    work_close(w);
    if (!done)
        return ERR_SYSTEM;
    return buf_ok(hash) ? ERR_OK : ERR_LIMIT;
}

enum err password_hash(slice password, enum store_hash kind, buf *hash)
{
    char memory[PASSWORD_MAX];
    buf prepared;
    if (password.len > PASSWORD_MAX)
        return ERR_LIMIT;
    if (!usable(password))
        return ERR_SYNTAX;
    buf_init_fixed(&prepared, memory, sizeof memory);
    bool can = sasl_prepare(password, &prepared) == ERR_OK;
    enum err e = hash_raw(can ? buf_slice(&prepared) : password, kind, hash);
    explicit_bzero(memory, sizeof memory);
    return e;
}

static pthread_once_t nobody_once = PTHREAD_ONCE_INIT;
static char nobody[2][PASSWORD_HASH_MAX];

/* What a password is compared with when there is no account: a hash of the same cost. */
static void make_nobody(void)
{
    for (int kind = 0; kind < 2; kind++) {
        buf b;
        buf_init_fixed(&b, nobody[kind], sizeof nobody[kind] - 1);
        if (hash_raw(SLICE("nobody"), (enum store_hash)kind, &b) != ERR_OK)
            nobody[kind][0] = 0;
    }
}

/* True when one hash was made; whether it is the same, in *same_r. */
static bool compare(struct work *w, bool *same_r)
{
    if (slice_starts(slice_str(w->setting), SLICE(ARGON2ID))) {
        *same_r = sodium_init() >= 0 && crypto_pwhash_str_verify(w->setting, w->phrase, strlen(w->phrase)) == 0;
        return true;
    }
    const char *out = crypt_r(w->phrase, w->setting, &w->data);
    *same_r = out && out[0] == '$' && slice_equal_secret(slice_str(out), slice_str(w->setting));
    return out && out[0] == '$';
}

static enum err check_raw(slice password, slice hash, enum store_hash kind)
{
    bool known = hash.len > 0 && usable(password), same = false;
    struct work *w = work_open(password);
    if (!w)
        return ERR_NOMEM;
    if (hash.len >= sizeof w->setting) {
        work_close(w);
        return ERR_CORRUPT;
    }
    memcpy(w->setting, hash.len > 0 ? hash.ptr : nobody[kind], hash.len > 0 ? hash.len : sizeof nobody[kind]);
    bool worked = compare(w, &same);
    work_close(w);
    if (!worked)
        return ERR_CORRUPT;
    return known && same ? ERR_OK : ERR_PERMISSION;
}

enum err password_check(slice password, slice hash, enum store_hash kind)
{
    char memory[PASSWORD_MAX];
    buf prepared;
    (void)pthread_once(&nobody_once, make_nobody);
    buf_init_fixed(&prepared, memory, sizeof memory);
    bool other = sasl_prepare(password, &prepared) == ERR_OK && !slice_equal(buf_slice(&prepared), password);
    enum err e = other ? check_raw(buf_slice(&prepared), hash, kind) : ERR_PERMISSION;
    if (e == ERR_PERMISSION)
        e = check_raw(password, hash, kind);
    explicit_bzero(memory, sizeof memory);
    return e;
}
