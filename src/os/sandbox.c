/* SPDX-License-Identifier: ISC */
#include "os/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <time.h>

#include "os/file.h"
#include "os/sandbox_filter.h"

void sandbox_add(struct sandbox_profile *p, slice path, unsigned rights)
{
    assert(p->place_count < SANDBOX_PLACES_MAX);
    p->places[p->place_count++] = (struct sandbox_place){-1, path, rights};
}

void sandbox_add_folder(struct sandbox_profile *p, int fd, unsigned rights)
{
    assert(p->place_count < SANDBOX_PLACES_MAX);
    p->places[p->place_count++] = (struct sandbox_place){fd, SLICE_NONE, rights};
}

/* Links lead from one to the other. */
void sandbox_add_authorities(struct sandbox_profile *p)
{
    static const char *const folders[] = {"/etc/ssl",
                                          "/usr/share/ca-certificates",
                                          "/usr/local/share/ca-certificates",
                                          "/etc/pki",
                                          "/usr/lib/ssl",
                                          "/usr/share/pki",
                                          "/var/lib/ca-certificates",
                                          "/etc/ca-certificates",
                                          "/usr/local/ssl"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        sandbox_add(p, slice_str(folders[i]), SANDBOX_READ);
    const char *of_environment = getenv("SSL_CERT_DIR");
    if (of_environment)
        sandbox_add(p, slice_str(of_environment), SANDBOX_READ);
}

void sandbox_add_names(struct sandbox_profile *p)
{
    static const char *const places[] = {
        "/etc", "/usr/share/libc-bin",
        /* what /etc/resolv.conf may be a link to: folders of those who write it, and what it is now */
        "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman", "/etc/resolv.conf",
        "/etc/hosts",
        /* modules: sss, systemd, extrausers, db. A folder that one cannot read makes every unknown user a failure. */
        "/var/lib/sss/mc", "/run/systemd/userdb", "/run/userdb", "/run/host/userdb", "/usr/lib/userdb",
        "/usr/local/lib/userdb", "/var/lib/extrausers", "/var/db"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        sandbox_add(p, slice_str(places[i]), SANDBOX_READ);
}

/* Valgrind's translator maps what it writes as code; a build of scripts/release's first half writes its profile where it was built. Says which, or NULL. */
static const char *why_none(void)
{
#ifdef PROFILE_TRAINING
    return "none, in a build for training";
#endif
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "/vgpreload_") ? "none, under valgrind" : NULL;
}

static bool may_filter_unseen(void)
{
    cap_t now = cap_get_proc();
    cap_flag_value_t set = CAP_CLEAR;
    if (!now)
        return false;
    if (cap_get_flag(now, CAP_SYS_ADMIN, CAP_EFFECTIVE, &set) != 0)
        set = CAP_CLEAR;
    cap_free(now);
    return set == CAP_SET;
}

enum err sandbox_enter(const struct sandbox_profile *p)
{
    bool commands = p->calls & SANDBOX_COMMANDS;
    if (why_none())
        return ERR_OK;
    if (commands && !may_filter_unseen())
        return ERR_PERMISSION;
    tzset(); /* reads the time zone, which lies elsewhere */
    if (!commands && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return os_err(errno);
    enum err e = ERR_OK;
    if (!commands && sandbox_places_abi() > 0)
        e = sandbox_places_enter(p);
    if (e == ERR_OK && sandbox_filter_available())
        e = sandbox_filter_enter(p);
    return e;
}

bool sandbox_describe(buf *b)
{
    const char *none = why_none();
    if (none) {
        buf_append(b, slice_str(none));
        return false;
    }
    int abi = sandbox_places_abi();
    bool filter = sandbox_filter_available();
    buf_append(b, filter ? SLICE("seccomp") : SLICE("no seccomp"));
    if (abi > 0)
        buf_printf(b, ", Landlock %d", abi);
    else
        buf_append(b, SLICE(", no Landlock"));
    if (abi > 0 && abi < 4)
        buf_append(b, SLICE(" (without its rules for networks)"));
    return filter && abi > 0;
}
