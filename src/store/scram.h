/* SPDX-License-Identifier: ISC */
/* Inside the room only: SCRAM's keys of an account, as they are made of a password and kept in its row: salt, count, and for each digest StoredKey and ServerKey as one value. They are made
 * whenever the password is known: when it is set, and at a login with it by an account that has none yet.
 * A password that SASLprep does not take has no keys. */
#ifndef STORE_SCRAM_H
#define STORE_SCRAM_H

#include "sasl/sasl.h"
#include "store/state.h"

struct store_scram {
    bool there;
    struct sasl_scram_keys keys[2]; /* SHA-256, SHA-1 */
};

/* False, and none there, when the password has none. Takes two derivations' time. */
bool store_scram_make(slice password, struct store_scram *made);
void store_scram_wipe(struct store_scram *made);
/* Four values from at on: scram_salt, scram_iterations, scram_sha256, scram_sha1. */
void store_scram_bind(sqlite3_stmt *statement, int at, const struct store_scram *made);

#endif
