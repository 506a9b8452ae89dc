/* SPDX-License-Identifier: ISC */
#include "store/password.h"

#include <crypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Of the work that one hash needs: the phrase, crypt's own memory, and what came out. */
struct work {
    struct crypt_data data;
    char phrase[PASSWORD_MAX + 1];
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

/* With a fresh salt; NULL when the library cannot. */
static const char *hash_new(struct work *w)
{
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn("$y$", 0, NULL, 0, salt, (int)sizeof salt))
        return NULL;
    const char *out = crypt_r(w->phrase, salt, &w->data);
    return out && out[0] == '$' ? out : NULL;
}

enum err password_hash(slice password, buf *hash)
{
    if (password.len > PASSWORD_MAX)
        return ERR_LIMIT;
    if (!usable(password))
        return ERR_SYNTAX;
    struct work *w = work_open(password);
    if (!w)
        return ERR_NOMEM;
    const char *out = hash_new(w);
    if (out)
        buf_append(hash, slice_str(out));
    work_close(w);
    if (!out)
        return ERR_SYSTEM;
    return buf_ok(hash) ? ERR_OK : ERR_LIMIT;
}

static pthread_once_t nobody_once = PTHREAD_ONCE_INIT;
static char nobody[PASSWORD_HASH_MAX];

/* What a password is compared with when there is no account: a hash of the same cost. */
static void make_nobody(void)
{
    buf b;
    buf_init_fixed(&b, nobody, sizeof nobody - 1);
    if (password_hash(SLICE("nobody"), &b) != ERR_OK)
        nobody[0] = 0;
}

enum err password_check(slice password, slice hash)
{
    bool known = hash.len > 0 && usable(password);
    char setting[PASSWORD_HASH_MAX] = {0};
    (void)pthread_once(&nobody_once, make_nobody);
    if (hash.len >= sizeof setting)
        return ERR_CORRUPT;
    if (hash.len > 0)
        memcpy(setting, hash.ptr, hash.len);
    struct work *w = work_open(password);
    if (!w)
        return ERR_NOMEM;
    const char *out = crypt_r(w->phrase, hash.len > 0 ? setting : nobody, &w->data);
    bool worked = out && out[0] == '$';
    bool same = worked && slice_equal_secret(slice_str(out), hash);
    work_close(w);
    explicit_bzero(setting, sizeof setting);
    if (!worked)
        return ERR_CORRUPT;
    return known && same ? ERR_OK : ERR_PERMISSION;
}
