/* SPDX-License-Identifier: ISC */
/* The face of the room store: accounts in SQLite (STATE/accounts.db), or logins in a file (store/file.h). Passwords are hashed with yescrypt (crypt(3), $y$) or argon2id; beside the hash an account
 * has keys for SCRAM, which do not show the password either. Used by process lookup and by `thurn user`; both may have it open at once. A database of an older version is
 * brought up to date when it is opened. All calls block: lookup makes them on a thread of its own. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "os/os.h"
#include "sasl/sasl.h"

struct store;

enum store_hash { STORE_HASH_YESCRYPT, STORE_HASH_ARGON2ID };

struct store_account {
    slice address; /* the login: local lower case @ domain lower case */
    slice full_name;
    int64_t created_s;
};

/* Makes the database (mode 0600) when create. ERR_NOTFOUND without it. `why` gets one line. */
must_check enum err store_open(slice path, bool create, struct store **store_r, buf *why);
void store_close(struct store **s);
/* What new passwords are hashed with; yescrypt unless told. Hashes that are there are checked as what they are. */
void store_hash_with(struct store *s, enum store_hash hash);
/* ERR_EXISTS. The password is wiped from our memory after hashing. */
must_check enum err store_account_add(struct store *s, slice address, slice full_name, slice password);
must_check enum err store_account_password(struct store *s, slice address, slice password);
must_check enum err store_account_remove(struct store *s, slice address);
/* ERR_NOTFOUND. Slices live until the next call. */
must_check enum err store_account_find(struct store *s, slice address, struct store_account *account_r);
/* In order of address, from the start when after is empty. ERR_NOTFOUND at the end. */
must_check enum err store_account_next(struct store *s, slice after, struct store_account *account_r);
/* ERR_OK: right; an account without keys for SCRAM gets them. ERR_PERMISSION: wrong, or no such account: both take the time of one hash. Other: the store failed (temporary). */
must_check enum err store_password_check(struct store *s, slice address, slice password);
/* Keys of the account for SCRAM. For an account that there is not, or that has none, keys that look the same at each call and that no password fits. Other than ERR_OK: the store failed. */
must_check enum err store_scram_find(struct store *s, slice address, enum crypt_digest d,
                                     struct sasl_scram_keys *keys_r);

#include "store/file.h"

#endif
