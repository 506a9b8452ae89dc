/* SPDX-License-Identifier: ISC */
/* Inside the room only: passwords and their hashes: yescrypt and whatever else crypt(3) has that is strong enough ("$y$", "$6$"...), and argon2id by libsodium. Every copy of a password that is
 * made here is wiped. A check costs one hash whatever comes of it (two when the password is not ASCII), so that the time does not tell which accounts
 * exist. Keeps no state but the hashes of nothing, which are made once a process.
 * A password that SASLprep takes is hashed as that has it; any other as it is. Checked are both. */
#ifndef STORE_PASSWORD_H
#define STORE_PASSWORD_H

#include "store/store.h"

/* Bytes; crypt(3) takes no more. */
#define PASSWORD_MAX 511u
#define PASSWORD_HASH_MAX 384u

/* Appends the hash, with a salt of its own. ERR_SYNTAX: empty, or a NUL inside; ERR_LIMIT: above PASSWORD_MAX. */
must_check enum err password_hash(slice password, enum store_hash kind, buf *hash);
/* hash empty: there is no such account, and the check costs what kind costs. ERR_OK: right; ERR_PERMISSION: wrong; ERR_NOMEM, ERR_CORRUPT: not known. */
must_check enum err password_check(slice password, slice hash, enum store_hash kind);

#endif
