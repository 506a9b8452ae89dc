/* SPDX-License-Identifier: ISC */
/* Inside the room only: one open account database and its prepared statements. Used by one thread at a time. What find and
 * next give out lies in `text` until the next call. Knows nothing of how passwords are hashed: see password.h. */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <sqlite3.h>

#include "store/store.h"

#define STORE_ADDRESS_MAX 320u
#define STORE_NAME_MAX 256u
#define STORE_SECRET_SIZE 32

enum store_statement {
    STORE_ADD,
    STORE_PASSWORD,
    STORE_REMOVE,
    STORE_FIND,
    STORE_NEXT,
    STORE_HASH,
    STORE_SCRAM,
    STORE_SCRAM_ADD,
    STORE_STATEMENT_COUNT
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    buf text;
    enum store_hash hash;
    uint8_t secret[STORE_SECRET_SIZE]; /* of this database: what salts of accounts that are not there come from */
};

/* SQLite's result code as enum err. */
enum err store_err(int code);
/* The statement, prepared when it is used for the first time, reset and without values. */
must_check enum err store_statement(struct store *s, enum store_statement which, sqlite3_stmt **statement_r);
/* As value 1, in lower case: so addresses are stored. ERR_LIMIT: there can be no such one. */
must_check enum err store_bind_address(sqlite3_stmt *statement, slice address);

#endif
