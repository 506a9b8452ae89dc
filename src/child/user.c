/* SPDX-License-Identifier: ISC */
#include "child/user.h"

enum err child_accounts_path(slice state_dir, buf *b)
{
    buf_printf(b, "%.*s/accounts.db", SLICE_ARG(state_dir));
    return buf_ok(b) ? ERR_OK : ERR_LIMIT;
}

enum resolve_answer child_user_account(struct store *store, slice name, slice *full_name_r)
{
    struct store_account account;
    enum err e = store_account_find(store, name, &account);
    if (e == ERR_OK)
        *full_name_r = account.full_name;
    return e == ERR_OK ? RESOLVE_YES : e == ERR_NOTFOUND ? RESOLVE_NO : RESOLVE_UNKNOWN;
}

enum resolve_answer child_user_system(slice name, struct arena *arena, slice *full_name_r)
{
    struct os_user user;
    enum err e = os_user_by_name(name, arena, &user);
    if (e == ERR_OK && user.uid == 0)
        e = ERR_NOTFOUND;
    if (e == ERR_OK)
        *full_name_r = user.full_name;
    bool nobody = e == ERR_NOTFOUND || e == ERR_SYNTAX || e == ERR_PERMISSION;
    return e == ERR_OK ? RESOLVE_YES : nobody ? RESOLVE_NO : RESOLVE_UNKNOWN;
}

bool child_user_impossible(slice name)
{
    return name.len == 0 || name.len > CHILD_USER_NAME_MAX || slice_find_char(name, 0) >= 0;
}
