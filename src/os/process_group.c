/* SPDX-License-Identifier: ISC */
#include "os/process.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255
#define ENTRY_MAX (64u * 1024)
#define MEMBERSHIPS_MAX 65536

static bool copy_name(char text[NAME_MAX_BYTES + 1], slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || memchr(name.ptr, 0, name.len))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    return true;
}

/* The number of a group, *found_r; one that there is not has no members. */
static enum err group_number(slice name, gid_t *gid_r, bool *found_r)
{
    char text[NAME_MAX_BYTES + 1];
    struct group g, *found = NULL;
    *found_r = false;
    if (!copy_name(text, name))
        return ERR_OK;
    char *entry = malloc(ENTRY_MAX);
    if (!entry)
        return ERR_NOMEM;
    int error = getgrnam_r(text, &g, entry, ENTRY_MAX, &found);
    if (found) {
        *gid_r = g.gr_gid;
        *found_r = true;
    }
    free(entry);
    return found || error == 0 ? ERR_OK : ERR_IO;
}

bool os_group_exists(slice group)
{
    gid_t gid;
    bool found;
    return group_number(group, &gid, &found) != ERR_OK || found;
}

enum err os_user_in_group(const struct os_user *user, slice group, bool *member_r)
{
    char name[NAME_MAX_BYTES + 1];
    gid_t gid = 0;
    bool exists = false, member = false;
    enum err e = copy_name(name, user->name) ? group_number(group, &gid, &exists) : ERR_NOTFOUND;
    if (e != ERR_OK)
        return e;
    int count = 64;
    gid_t *list = NULL;
    for (int wanted = count; exists; wanted = count) {
        gid_t *more = wanted <= MEMBERSHIPS_MAX ? realloc(list, (size_t)wanted * sizeof *list) : NULL;
        if (!more) {
            free(list);
            return ERR_NOMEM;
        }
        list = more;
        if (getgrouplist(name, user->gid, list, &count) >= 0)
            break;
        if (count <= wanted)
            count = 2 * wanted;
    }
    for (int i = 0; exists && i < count; i++)
        member = member || list[i] == gid;
    free(list);
    *member_r = member;
    return ERR_OK;
}

enum err os_group_is_private(const struct os_user *user, uint32_t gid, bool *private_r)
{
    struct group g, *found = NULL;
    char *entry = malloc(ENTRY_MAX);
    if (!entry)
        return ERR_NOMEM;
    int error = getgrgid_r(gid, &g, entry, ENTRY_MAX, &found);
    bool own = found && gid == user->gid && slice_equal(slice_str(g.gr_name), user->name);
    for (char **member = own ? g.gr_mem : NULL; member && *member; member++)
        own = own && slice_equal(slice_str(*member), user->name);
    free(entry);
    if (!found && error != 0)
        return ERR_IO;
    *private_r = own;
    return ERR_OK;
}
