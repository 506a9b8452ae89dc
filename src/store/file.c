/* SPDX-License-Identifier: ISC */
#include "store/file.h"

#include <stdlib.h>

#include "sasl/sasl.h"
#include "store/password.h"

#define FILE_MAX (16u << 20)

struct store_file {
    slice path; /* behind the struct */
    struct os_file_stamp stamp;
    bool loaded;
    buf content;
};

static bool is_taken(slice hash)
{
    static const slice kinds[] = {{"$y$", 3},  {"$gy$", 4}, {"$7$", 3}, {"$2b$", 4},
                                  {"$2y$", 4}, {"$6$", 3},  {"$5$", 3}, {"$argon2id$", 10}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_starts(hash, kinds[i]))
            return hash.len < PASSWORD_HASH_MAX && slice_find_char(hash, 0) < 0;
    }
    return false;
}

/* What may be taken of the hash that is behind a name and its colon. */
static slice clean_hash(slice hash)
{
    slice rest;
    (void)slice_cut(hash, ':', &hash, &rest);
    ptrdiff_t brace = slice_starts(hash, SLICE("{")) ? slice_find_char(hash, '}') : -1;
    hash = slice_trim(slice_skip(hash, (size_t)(brace + 1)));
    return is_taken(hash) ? hash : SLICE_NONE;
}

/* Logins come as SASLprep has them; the administrator's editor may have written the same name otherwise. */
static bool is_name_of(slice name, slice login)
{
    char memory[SASL_LOGIN_MAX];
    buf prepared;
    buf_init_fixed(&prepared, memory, sizeof memory);
    return slice_equal_nocase(sasl_prepare(name, &prepared) == ERR_OK ? buf_slice(&prepared) : name, login);
}

slice store_file_find(slice content, slice login)
{
    while (content.len > 0) {
        slice line, name, hash;
        (void)slice_cut(content, '\n', &line, &content);
        line = slice_trim(line);
        if (line.len == 0 || line.ptr[0] == '#' || !slice_cut(line, ':', &name, &hash) ||
            !is_name_of(slice_trim(name), login))
            continue;
        return clean_hash(hash);
    }
    return SLICE_NONE;
}

/* The first hash of the file: what a password is compared with, and never right, for a login that is not in it. */
static slice stand_in(slice content)
{
    slice found = SLICE_NONE;
    while (found.len == 0 && content.len > 0) {
        slice line, name, hash;
        (void)slice_cut(content, '\n', &line, &content);
        line = slice_trim(line);
        if (line.len > 0 && line.ptr[0] != '#' && slice_cut(line, ':', &name, &hash))
            found = clean_hash(hash);
    }
    return found;
}

enum err store_file_open(slice path, struct store_file **f_r)
{
    struct store_file *f = calloc(1, sizeof *f + path.len + 1);
    if (!f)
        return ERR_NOMEM;
    if (path.len > 0)
        memcpy(f + 1, path.ptr, path.len);
    f->path = slice_of(f + 1, path.len);
    buf_init(&f->content, FILE_MAX);
    *f_r = f;
    return ERR_OK;
}

static void forget(struct store_file *f)
{
    if (f->content.ptr)
        explicit_bzero(f->content.ptr, f->content.cap);
    buf_release(&f->content);
    f->loaded = false;
}

void store_file_close(struct store_file **f)
{
    if (!*f)
        return;
    forget(*f);
    buf_deinit(&(*f)->content);
    free(*f);
    *f = NULL;
}

static enum err refresh(struct store_file *f)
{
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, f->path, true, &stamp);
    if (e == ERR_OK && f->loaded && os_file_stamp_equal(&stamp, &f->stamp))
        return ERR_OK;
    forget(f);
    if (e == ERR_OK)
        e = os_file_read(AT_FDCWD, f->path, &f->content);
    f->loaded = e == ERR_OK;
    f->stamp = stamp;
    return e;
}

enum err store_file_check(struct store_file *f, slice login, slice password)
{
    enum err e = refresh(f);
    if (e != ERR_OK) /* ERR_PERMISSION would be a wrong password */
        return e == ERR_PERMISSION ? ERR_SYSTEM : e;
    slice content = buf_slice(&f->content), hash = store_file_find(content, login);
    e = password_check(password, hash.len > 0 ? hash : stand_in(content), STORE_HASH_YESCRYPT);
    return e == ERR_OK && hash.len == 0 ? ERR_PERMISSION : e;
}
