/* SPDX-License-Identifier: ISC */
#include "cmd/batch_input.h"

#include <stdio.h>

enum err batch_input_open(int dir_fd, slice path, bool follow, int *fd_r)
{
    int fd = -1;
    struct os_file_stamp stamp;
    /* O_NONBLOCK: a pipe put in a file's place must not hold us up. */
    enum err e = follow ? os_open_follow(dir_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd)
                        : os_open(dir_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK && !stamp.is_regular)
        e = ERR_UNSUPPORTED;
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    *fd_r = fd;
    return ERR_OK;
}

static enum err is_allowed(const struct conf_batch *conf, const struct os_user *user, bool *allowed_r)
{
    for (size_t i = 0; i < conf->allow_count; i++) {
        slice name = conf->allow[i];
        bool member = !slice_starts(name, SLICE("@")) && slice_equal(name, user->name);
        enum err e = ERR_OK;
        if (slice_starts(name, SLICE("@")))
            e = os_user_in_group(user, slice_skip(name, 1), &member);
        if (e != ERR_OK)
            return e;
        if (member) {
            *allowed_r = true;
            return ERR_OK;
        }
    }
    *allowed_r = false;
    return ERR_OK;
}

enum err batch_submitter_judge(uint32_t uid, const struct conf_batch *conf, struct arena *arena,
                               struct batch_submitter *s_r)
{
    struct batch_submitter s = {.user = {.uid = uid}};
    bool allowed = false;
    enum err e = os_user_by_uid(uid, arena, &s.user);
    if (e == ERR_NOTFOUND)
        e = arena_printf(arena, &s.user.name, "%u", (unsigned)uid);
    else if (e == ERR_OK)
        e = is_allowed(conf, &s.user, &allowed);
    if (e != ERR_OK)
        return e;
    if (!allowed)
        (void)snprintf(s.refusal, sizeof s.refusal, "%.*s is not in [batch] allow", SLICE_ARG(s.user.name));
    *s_r = s;
    return ERR_OK;
}

enum err batch_input_judge(int fd, const struct conf_batch *conf, struct arena *arena, struct batch_submitter *s_r)
{
    struct os_file_stamp stamp;
    struct batch_submitter s;
    bool own_group = true;
    enum err e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK)
        e = batch_submitter_judge(stamp.uid, conf, arena, &s);
    if (e == ERR_OK && (stamp.mode & 0020))
        e = os_group_is_private(&s.user, stamp.gid, &own_group);
    if (e != ERR_OK)
        return e;
    const char *why = NULL;
    if (stamp.mode & 0002)
        why = "the file may be written by everybody";
    else if (!own_group)
        why = "the file may be written by a group";
    else if (stamp.links != 1)
        why = "the file has a second name";
    if (why)
        (void)snprintf(s.refusal, sizeof s.refusal, "%s", why);
    *s_r = s;
    return ERR_OK;
}
