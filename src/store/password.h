/* SPDX-License-Identifier: ISC */
/* Inside the room only: passwords and their hashes, yescrypt by crypt(3) ("$y$", the library's cost). Every copy of a password that is
 * made here is wiped. A check takes the time of one hash whatever comes of it, so that the time does not tell which accounts
 * exist. Keeps no state but the hash of nothing, which is made once a process. */
#ifndef STORE_PASSWORD_H
#define STORE_PASSWORD_H

#include "base/base.h"

/* Bytes; crypt(3) takes no more. */
#define PASSWORD_MAX 511u
#define PASSWORD_HASH_MAX 384u

/* Appends the hash, with a salt of its own. ERR_SYNTAX: empty, or a NUL inside; ERR_LIMIT: above PASSWORD_MAX. */
must_check enum err password_hash(slice password, buf *hash);
/* hash empty: there is no such account. ERR_OK: right; ERR_PERMISSION: wrong; ERR_NOMEM, ERR_CORRUPT: not known. */
must_check enum err password_check(slice password, slice hash);

#endif
