/* SPDX-License-Identifier: ISC */
/* Does a user exist whom the configuration's own tables do not know: the account store's, or the system's? Process lookup answers receivers with this, and `thurn explain` itself.
 * Blocks (SQLite, the name service).
 */
#ifndef CHILD_USER_H
#define CHILD_USER_H

#include "route/route.h"
#include "store/store.h"

#define CHILD_USER_NAME_MAX 320u

/* STATE/accounts.db. ERR_LIMIT: b has no room. */
must_check enum err child_accounts_path(slice state_dir, buf *b);
/* USERS_ACCOUNTS: name is the address in lower case, as resolve asks. *full_name_r lives until the store's next call. */
enum resolve_answer child_user_account(struct store *store, slice name, slice *full_name_r);
/* USERS_SYSTEM: *full_name_r is in the arena. root has no mailbox here: deliver never becomes it. */
enum resolve_answer child_user_system(slice name, struct arena *arena, slice *full_name_r);
/* A name that can be nobody's: too long, empty, or with a NUL. */
bool child_user_impossible(slice name);

#endif
