/* SPDX-License-Identifier: ISC */
/* Inside the room only: one open account database and its prepared statements. Used by one thread at a time. What find and
 * next give out lies in `text` until the next call. Knows nothing of how passwords are hashed: see password.h. */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <sqlite3.h>

#include "store/store.h"

#define STORE_ADDRESS_MAX 320u
#define STORE_NAME_MAX 256u

enum store_statement {
    STORE_ADD,
    STORE_PASSWORD,
    STORE_REMOVE,
    STORE_FIND,
    STORE_NEXT,
    STORE_HASH,
    STORE_STATEMENT_COUNT
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    buf text;
};

/* SQLite's result code as enum err. */
enum err store_err(int code);
/* The statement, prepared when it is used for the first time, reset and without values. */
must_check enum err store_statement(struct store *s, enum store_statement which, sqlite3_stmt **statement_r);

#endif
