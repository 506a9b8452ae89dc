/* SPDX-License-Identifier: ISC */
#include "os/process.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "os/file.h"

static const cap_value_t kept_caps[] = {CAP_SETUID, CAP_SETGID, CAP_KILL};
#define KEPT_COUNT ((int)(sizeof(kept_caps) / sizeof(kept_caps[0])))

static bool may_change_user(void)
{
    cap_t now = cap_get_proc();
    cap_flag_value_t set = CAP_CLEAR;
    if (!now)
        return false;
    if (cap_get_flag(now, CAP_SETUID, CAP_EFFECTIVE, &set) != 0)
        set = CAP_CLEAR;
    cap_free(now);
    return set == CAP_SET;
}

/* Exactly these capabilities, and none that an exec could inherit. */
static enum err set_caps(enum process_caps caps)
{
    cap_t want = cap_init();
    if (!want)
        return ERR_NOMEM;
    int failed = 0;
    if (caps == PROCESS_SETUID_CAPS)
        failed = cap_set_flag(want, CAP_PERMITTED, KEPT_COUNT, kept_caps, CAP_SET) ||
                 cap_set_flag(want, CAP_EFFECTIVE, KEPT_COUNT, kept_caps, CAP_SET);
    enum err e = failed || cap_set_proc(want) != 0 ? os_err(errno) : ERR_OK;
    cap_t now = e == ERR_OK ? cap_get_proc() : NULL;
    if (e == ERR_OK && (!now || cap_compare(now, want) != 0))
        e = ERR_PERMISSION;
    cap_free(now);
    cap_free(want);
    return e;
}

/* Without this a program started later could gain through file capabilities what we gave up. */
static void drop_bounding_set(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static bool ids_are(uint32_t uid, uint32_t gid)
{
    uid_t u[3];
    gid_t g[3];
    if (getresuid(&u[0], &u[1], &u[2]) != 0 || getresgid(&g[0], &g[1], &g[2]) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        if (u[i] != uid || g[i] != gid)
            return false;
    }
    return true;
}

static enum err change_ids(const struct os_user *user)
{
    char name[256];
    if (user->name.len == 0 || user->name.len >= sizeof(name))
        return ERR_NOTFOUND;
    memcpy(name, user->name.ptr, user->name.len);
    name[user->name.len] = 0;
    if (initgroups(name, user->gid) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0)
        return os_err(errno);
    return ids_are(user->uid, user->gid) ? ERR_OK : ERR_PERMISSION;
}

/* The kernel forgets the parent-death signal when the ids change. A parent that died meanwhile shows by another parent's pid. */
static enum err change_ids_keeping_parent(const struct os_user *user)
{
    int signal_number = 0;
    pid_t parent = getppid();
    (void)prctl(PR_GET_PDEATHSIG, &signal_number, 0, 0, 0);
    enum err e = change_ids(user);
    if (e == ERR_OK && signal_number != 0) {
        if (prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0)
            return os_err(errno);
        if (getppid() != parent)
            return ERR_CLOSED;
    }
    return e;
}

enum err process_become(const struct os_user *user, enum process_caps caps)
{
    enum err e = ERR_OK;
    if (may_change_user()) {
        drop_bounding_set();
        if (prctl(PR_SET_KEEPCAPS, caps == PROCESS_SETUID_CAPS, 0, 0, 0) != 0)
            return os_err(errno);
        e = change_ids_keeping_parent(user);
        if (e == ERR_OK)
            e = set_caps(caps);
        (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
        if (e == ERR_OK && caps == PROCESS_NO_CAPS && user->uid != 0 && setresuid(0, 0, 0) == 0)
            e = ERR_PERMISSION; /* it must not work */
    }
    if (e == ERR_OK && caps == PROCESS_NO_CAPS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        e = os_err(errno);
    if (e == ERR_OK && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        e = os_err(errno);
    return e;
}

/* no_new_privs is not set: a recipient's command may be a set-group-id program, such as another mail system's sendmail. */
enum err process_become_recipient(const struct os_user *user)
{
    if (user->uid == 0 || user->gid == 0)
        return ERR_PERMISSION;
    if (may_change_user()) {
        enum err e = change_ids_keeping_parent(user);
        if (e == ERR_OK)
            e = set_caps(PROCESS_NO_CAPS);
        if (e != ERR_OK)
            return e;
        if (setresuid(0, 0, 0) == 0)
            return ERR_PERMISSION;
    } else if (!ids_are(user->uid, user->gid)) {
        return ERR_PERMISSION;
    }
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? ERR_OK : os_err(errno);
}
