/* SPDX-License-Identifier: ISC */
#include "os/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#define NAME_MAX_BYTES 255
#define ENTRY_MAX (16 * 1024)

/* What the name service calls "no such user" differs between its modules; everything else may be over soon. */
static enum err lookup_failed(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH ? ERR_NOTFOUND : ERR_IO;
}

static enum err user_from(const struct passwd *p, struct arena *arena, struct os_user *user_r)
{
    struct os_user u = {.uid = p->pw_uid, .gid = p->pw_gid};
    enum err e = arena_copy(arena, slice_str(p->pw_name), &u.name);
    if (e == ERR_OK)
        e = arena_copy(arena, slice_str(p->pw_gecos), &u.full_name);
    if (e == ERR_OK)
        e = arena_copy(arena, slice_str(p->pw_dir), &u.home);
    if (e == ERR_OK)
        *user_r = u;
    return e;
}

enum err os_user_by_name(slice name, struct arena *arena, struct os_user *user_r)
{
    char text[NAME_MAX_BYTES + 1], entry[ENTRY_MAX];
    struct passwd p, *found = NULL;
    if (name.len == 0 || name.len > NAME_MAX_BYTES || memchr(name.ptr, 0, name.len))
        return ERR_NOTFOUND;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    int error = getpwnam_r(text, &p, entry, sizeof(entry), &found);
    return found ? user_from(found, arena, user_r) : lookup_failed(error);
}

enum err os_user_by_uid(uint32_t uid, struct arena *arena, struct os_user *user_r)
{
    char entry[ENTRY_MAX];
    struct passwd p, *found = NULL;
    int error = getpwuid_r(uid, &p, entry, sizeof(entry), &found);
    return found ? user_from(found, arena, user_r) : lookup_failed(error);
}

/* Nobody has the name, so every module is asked, and loaded for it. */
enum err os_names_load(void)
{
    char entry[ENTRY_MAX];
    struct passwd p, *found = NULL;
    gid_t groups[1];
    int count = 1;
    int error = getpwnam_r("-", &p, entry, sizeof(entry), &found);
    (void)getgrouplist("-", 0, groups, &count);
    return found || lookup_failed(error) == ERR_NOTFOUND ? ERR_OK : ERR_IO;
}

uint32_t os_uid(void)
{
    return geteuid();
}
