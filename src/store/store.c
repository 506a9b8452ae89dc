/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "store/state.h"

#define BUSY_MS 5000
#define SCHEMA_VERSION 2
#define PATH_MAX_BYTES 4096
#define TEXT_MAX (2 * (STORE_ADDRESS_MAX + STORE_NAME_MAX))

/* What brings a database of version i to version i + 1; user_version tells which it is. */
static const char *const steps[SCHEMA_VERSION] = {
    "CREATE TABLE IF NOT EXISTS account ("
    " address TEXT PRIMARY KEY, full_name TEXT NOT NULL, password TEXT NOT NULL,"
    " created_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "PRAGMA user_version = 1;",
    "ALTER TABLE account ADD COLUMN scram_salt BLOB;"
    "ALTER TABLE account ADD COLUMN scram_iterations INTEGER;"
    "ALTER TABLE account ADD COLUMN scram_sha256 BLOB;"
    "ALTER TABLE account ADD COLUMN scram_sha1 BLOB;"
    "CREATE TABLE secret (value BLOB NOT NULL) STRICT;"
    "INSERT INTO secret (value) VALUES (randomblob(32));"
    "PRAGMA user_version = 2;",
};

static const char *const texts[STORE_STATEMENT_COUNT] = {
    [STORE_ADD] = "INSERT INTO account (address, full_name, password, created_s, scram_salt, scram_iterations,"
                  " scram_sha256, scram_sha1) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STORE_PASSWORD] = "UPDATE account SET password = ?2, scram_salt = ?3, scram_iterations = ?4,"
                       " scram_sha256 = ?5, scram_sha1 = ?6 WHERE address = ?1",
    [STORE_REMOVE] = "DELETE FROM account WHERE address = ?1",
    [STORE_FIND] = "SELECT address, full_name, created_s FROM account WHERE address = ?1",
    [STORE_NEXT] = "SELECT address, full_name, created_s FROM account WHERE address > ?1 ORDER BY address LIMIT 1",
    [STORE_HASH] = "SELECT password, scram_salt FROM account WHERE address = ?1",
    [STORE_SCRAM] = "SELECT scram_salt, scram_iterations, scram_sha256, scram_sha1 FROM account WHERE address = ?1",
    [STORE_SCRAM_ADD] = "UPDATE account SET scram_salt = ?3, scram_iterations = ?4, scram_sha256 = ?5,"
                        " scram_sha1 = ?6 WHERE address = ?1 AND password = ?2",
};

enum err store_err(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_CONSTRAINT:
        return ERR_EXISTS;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    case SQLITE_FULL:
        return ERR_NOSPACE;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return ERR_PERMISSION;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

enum err store_statement(struct store *s, enum store_statement which, sqlite3_stmt **statement_r)
{
    sqlite3_stmt **kept = &s->statements[which];
    if (!*kept) {
        int code = sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
        if (code != SQLITE_OK)
            return store_err(code);
    }
    (void)sqlite3_reset(*kept);
    (void)sqlite3_clear_bindings(*kept);
    *statement_r = *kept;
    return ERR_OK;
}

/* Made here and not by SQLite, so that its mode is 0600 from the beginning and a link is not followed. */
/* A file that is there is not opened here: closing it would let go of the locks that this process has on it through another store. */
static enum err find_file(slice path, bool create)
{
    int fd = -1;
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, path, false, &stamp);
    if (e == ERR_NOTFOUND && create)
        e = os_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600, &fd);
    os_close(&fd);
    return e;
}

static enum err read_version(struct store *s, int *version_r)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *version_r = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return store_err(code);
}

static enum err execute(struct store *s, const char *text)
{
    return store_err(sqlite3_exec(s->db, text, NULL, NULL, NULL));
}

/* Another process may be at the same: the version counts as it is under the lock. */
static enum err bring_up(struct store *s)
{
    int version = 0;
    enum err e = execute(s, "BEGIN IMMEDIATE");
    if (e != ERR_OK)
        return e;
    e = read_version(s, &version);
    for (; e == ERR_OK && version < SCHEMA_VERSION; version++)
        e = execute(s, steps[version]);
    if (e == ERR_OK)
        return execute(s, "COMMIT");
    (void)!execute(s, "ROLLBACK");
    return e;
}

static enum err read_secret(struct store *s)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(s->db, "SELECT value FROM secret", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    bool there = code == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == sizeof s->secret;
    if (there)
        memcpy(s->secret, sqlite3_column_blob(statement, 0), sizeof s->secret);
    (void)sqlite3_finalize(statement);
    return there ? ERR_OK : code == SQLITE_ROW || code == SQLITE_DONE ? ERR_CORRUPT : store_err(code);
}

static enum err set_up(struct store *s, buf *why)
{
    int version = 0;
    enum err e = execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    if (e == ERR_OK)
        e = read_version(s, &version);
    if (e == ERR_OK && version > SCHEMA_VERSION) {
        buf_append(why, SLICE("it was written by a newer version"));
        return ERR_UNSUPPORTED;
    }
    if (e == ERR_OK && version < SCHEMA_VERSION)
        e = bring_up(s);
    if (e == ERR_OK)
        e = read_secret(s);
    if (e != ERR_OK)
        buf_append(why, slice_str(sqlite3_errmsg(s->db)));
    return e;
}

enum err store_open(slice path, bool create, struct store **store_r, buf *why)
{
    char name[PATH_MAX_BYTES];
    buf b;
    buf_init_fixed(&b, name, sizeof name);
    buf_append(&b, path);
    buf_append_char(&b, 0);
    enum err e = buf_ok(&b) ? find_file(path, create) : ERR_LIMIT;
    struct store *s = e == ERR_OK ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        e = e == ERR_OK ? ERR_NOMEM : e;
        buf_append(why, slice_str(err_text(e)));
        return e;
    }
    buf_init(&s->text, TEXT_MAX);
    e = store_err(
        sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL));
    if (e == ERR_OK) {
        (void)sqlite3_busy_timeout(s->db, BUSY_MS);
        e = set_up(s, why);
    } else {
        buf_append(why, slice_str(sqlite3_errmsg(s->db)));
    }
    if (e != ERR_OK) {
        store_close(&s);
        return e;
    }
    *store_r = s;
    return ERR_OK;
}

void store_close(struct store **s)
{
    if (!*s)
        return;
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        (void)sqlite3_finalize((*s)->statements[i]);
    (void)sqlite3_close((*s)->db);
    buf_deinit(&(*s)->text);
    explicit_bzero((*s)->secret, sizeof(*s)->secret);
    free(*s);
    *s = NULL;
}

void store_hash_with(struct store *s, enum store_hash hash)
{
    s->hash = hash;
}
