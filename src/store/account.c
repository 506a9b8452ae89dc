/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include "store/password.h"
#include "store/scram.h"

static void bind(sqlite3_stmt *statement, int at, slice text)
{
    (void)sqlite3_bind_text(statement, at, text.len > 0 ? text.ptr : "", (int)text.len, SQLITE_TRANSIENT);
}

/* Addresses are compared as they are stored: in lower case. */
enum err store_bind_address(sqlite3_stmt *statement, slice address)
{
    char lower[STORE_ADDRESS_MAX];
    if (address.len > sizeof lower)
        return ERR_LIMIT;
    for (size_t i = 0; i < address.len; i++)
        lower[i] = ascii_lower(address.ptr[i]);
    bind(statement, 1, slice_of(lower, address.len));
    return ERR_OK;
}

static enum err run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return store_err(code);
}

/* For changes of one account: none changed means that there is no such account. */
static enum err run_on_one(struct store *s, sqlite3_stmt *statement)
{
    enum err e = run(statement);
    return e == ERR_OK && sqlite3_changes(s->db) == 0 ? ERR_NOTFOUND : e;
}

/* Hash and keys of a new password as values of the statement, from at and from keys_at on. */
static enum err bind_password(struct store *s, sqlite3_stmt *statement, slice password, int at, int keys_at)
{
    char memory[PASSWORD_HASH_MAX];
    struct store_scram made;
    buf hash;
    buf_init_fixed(&hash, memory, sizeof memory);
    enum err e = password_hash(password, s->hash, &hash);
    if (e == ERR_OK) {
        bind(statement, at, buf_slice(&hash));
        (void)store_scram_make(password, &made);
        store_scram_bind(statement, keys_at, &made);
        store_scram_wipe(&made);
    }
    explicit_bzero(memory, sizeof memory);
    return e;
}

enum err store_account_add(struct store *s, slice address, slice full_name, slice password)
{
    sqlite3_stmt *statement;
    if (full_name.len > STORE_NAME_MAX)
        return ERR_LIMIT;
    enum err e = store_statement(s, STORE_ADD, &statement);
    if (e == ERR_OK)
        e = store_bind_address(statement, address);
    if (e == ERR_OK)
        e = bind_password(s, statement, password, 3, 5);
    if (e != ERR_OK)
        return e;
    bind(statement, 2, full_name);
    (void)sqlite3_bind_int64(statement, 4, os_wall_s());
    return run(statement);
}

enum err store_account_password(struct store *s, slice address, slice password)
{
    sqlite3_stmt *statement;
    enum err e = store_statement(s, STORE_PASSWORD, &statement);
    if (e == ERR_OK)
        e = store_bind_address(statement, address);
    if (e == ERR_OK)
        e = bind_password(s, statement, password, 2, 3);
    return e == ERR_OK ? run_on_one(s, statement) : e;
}

enum err store_account_remove(struct store *s, slice address)
{
    sqlite3_stmt *statement;
    enum err e = store_statement(s, STORE_REMOVE, &statement);
    if (e == ERR_OK)
        e = store_bind_address(statement, address);
    return e == ERR_OK ? run_on_one(s, statement) : e;
}

static slice column(sqlite3_stmt *statement, int at)
{
    const void *text = sqlite3_column_text(statement, at);
    return slice_of(text, (size_t)sqlite3_column_bytes(statement, at));
}

static enum err read_account(struct store *s, enum store_statement which, slice address,
                             struct store_account *account_r)
{
    sqlite3_stmt *statement;
    enum err e = store_statement(s, which, &statement);
    if (e == ERR_OK)
        e = store_bind_address(statement, address);
    if (e != ERR_OK)
        return e == ERR_LIMIT ? ERR_NOTFOUND : e;
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW) {
        (void)sqlite3_reset(statement);
        return code == SQLITE_DONE ? ERR_NOTFOUND : store_err(code);
    }
    buf_clear(&s->text);
    slice found = column(statement, 0);
    buf_append(&s->text, found);
    buf_append(&s->text, column(statement, 1));
    struct store_account account = {.created_s = sqlite3_column_int64(statement, 2)};
    account.address = slice_sub(buf_slice(&s->text), 0, found.len);
    account.full_name = slice_skip(buf_slice(&s->text), found.len);
    (void)sqlite3_reset(statement);
    if (!buf_ok(&s->text))
        return ERR_NOMEM;
    *account_r = account;
    return ERR_OK;
}

enum err store_account_find(struct store *s, slice address, struct store_account *account_r)
{
    return read_account(s, STORE_FIND, address, account_r);
}

enum err store_account_next(struct store *s, slice after, struct store_account *account_r)
{
    return read_account(s, STORE_NEXT, after, account_r);
}

/* For an account from before there were keys. Only while the hash is still the one that was checked; that it fails is no harm. */
static void add_keys(struct store *s, slice address, slice password, slice hash)
{
    sqlite3_stmt *statement;
    struct store_scram made;
    if (store_statement(s, STORE_SCRAM_ADD, &statement) != ERR_OK || store_bind_address(statement, address) != ERR_OK ||
        !store_scram_make(password, &made))
        return;
    bind(statement, 2, hash);
    store_scram_bind(statement, 3, &made);
    store_scram_wipe(&made);
    (void)!run(statement);
}

enum err store_password_check(struct store *s, slice address, slice password)
{
    char memory[PASSWORD_HASH_MAX];
    bool lacks_keys = false;
    buf hash;
    sqlite3_stmt *statement;
    buf_init_fixed(&hash, memory, sizeof memory);
    enum err e = store_statement(s, STORE_HASH, &statement);
    if (e != ERR_OK)
        return e;
    int code = store_bind_address(statement, address) == ERR_OK ? sqlite3_step(statement) : SQLITE_DONE;
    if (code == SQLITE_ROW) {
        buf_append(&hash, column(statement, 0));
        lacks_keys = sqlite3_column_type(statement, 1) == SQLITE_NULL;
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    e = store_err(code);
    if (e == ERR_OK && !buf_ok(&hash))
        e = ERR_CORRUPT;
    if (e == ERR_OK)
        e = password_check(password, buf_slice(&hash), s->hash);
    if (e == ERR_OK && lacks_keys)
        add_keys(s, address, password, buf_slice(&hash));
    explicit_bzero(memory, sizeof memory);
    return e;
}
