/* SPDX-License-Identifier: ISC */
#include "cmd/account_store.h"

#include "child/child.h"
#include "cmd/command.h"

#define ARENA_MAX (64u * 1024)
#define PATH_MAX_BYTES 4096
#define STATE_MODE 0711

int account_store_say(slice address, enum err e)
{
    switch (e) {
    case ERR_OK:
        return 0;
    case ERR_EXISTS:
        command_say("there is an account %.*s already (`thurn user passwd` changes its password)", SLICE_ARG(address));
        return EX_DATAERR;
    case ERR_NOTFOUND:
        command_say("there is no account %.*s", SLICE_ARG(address));
        return EX_NOUSER;
    case ERR_SYNTAX:
        command_say("a password must not be empty, nor have a NUL in it");
        return EX_DATAERR;
    case ERR_LIMIT:
        command_say("the password or the name is too long");
        return EX_DATAERR;
    default:
        command_say("accounts: %s", err_text(e));
        return e == ERR_PERMISSION ? EX_NOPERM : EX_TEMPFAIL;
    }
}

/* Root makes the folder, hands it to `user` and becomes that user: whatever is made after that belongs to it. */
static int hand_over(const struct conf *conf)
{
    struct arena arena;
    struct os_user user;
    struct os_file_stamp stamp;
    arena_init(&arena, ARENA_MAX);
    enum err e = os_user_by_name(conf->user, &arena, &user);
    if (e != ERR_OK) {
        command_say("user \"%.*s\": %s", SLICE_ARG(conf->user), err_text(e));
        arena_deinit(&arena);
        return EX_CONFIG;
    }
    e = os_file_stamp(AT_FDCWD, conf->state_dir, true, &stamp);
    if (e == ERR_OK && stamp.uid == 0)
        e = os_chown(AT_FDCWD, conf->state_dir, user.uid, user.gid);
    if (e == ERR_OK)
        e = process_become(&user, PROCESS_NO_CAPS);
    arena_deinit(&arena);
    if (e != ERR_OK)
        command_say("cannot hand \"%.*s\" to user \"%.*s\": %s", SLICE_ARG(conf->state_dir), SLICE_ARG(conf->user),
                    err_text(e));
    return e == ERR_OK ? 0 : EX_NOPERM;
}

static int prepare_folder(const struct conf *conf, bool create)
{
    struct os_file_stamp stamp;
    enum err e = create ? os_mkdir_all(conf->state_dir, STATE_MODE) : ERR_OK;
    if (e != ERR_OK) {
        command_say("folder \"%.*s\": %s", SLICE_ARG(conf->state_dir), err_text(e));
        return e == ERR_PERMISSION ? EX_NOPERM : EX_CANTCREAT;
    }
    bool there = os_file_stamp(AT_FDCWD, conf->state_dir, true, &stamp) == ERR_OK;
    return there && os_uid() == 0 ? hand_over(conf) : 0;
}

int account_store_open(const struct conf *conf, bool create, struct store **store_r)
{
    char path[PATH_MAX_BYTES], memory[512];
    buf b, why;
    struct os_file_stamp stamp;
    bool root = os_uid() == 0; /* who is `user` from the next line on */
    int status = prepare_folder(conf, create);
    if (status != 0)
        return status;
    buf_init_fixed(&b, path, sizeof path);
    buf_init_fixed(&why, memory, sizeof memory);
    enum err e = child_accounts_path(conf->state_dir, &b);
    if (e == ERR_OK)
        e = store_open(buf_slice(&b), create, store_r, &why);
    else
        buf_append(&why, slice_str(err_text(e)));
    if (e == ERR_OK)
        store_hash_with(*store_r, conf->auth.argon2id ? STORE_HASH_ARGON2ID : STORE_HASH_YESCRYPT);
    if (e == ERR_OK || (e == ERR_NOTFOUND && !create))
        return 0;
    if (!root && os_file_stamp(AT_FDCWD, buf_slice(&b), true, &stamp) == ERR_OK && !os_writable(buf_slice(&b))) {
        command_say("%.*s: only root and the server's own user may see the accounts", SLICE_ARG(buf_slice(&b)));
        return EX_NOPERM;
    }
    bool outside = root && e == ERR_PERMISSION;
    command_say("accounts \"%.*s\": %.*s%s%.*s", SLICE_ARG(buf_slice(&b)), SLICE_ARG(buf_slice(&why)),
                outside ? "; the folders above it are closed to user " : "",
                SLICE_ARG(outside ? conf->user : SLICE_NONE));
    return e == ERR_PERMISSION ? EX_NOPERM : EX_TEMPFAIL;
}
