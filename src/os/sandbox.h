/* SPDX-License-Identifier: ISC */
/* What the kernel lets a process do for the rest of its life: a seccomp filter over system calls and a Landlock ruleset over files and TCP. A profile says what is needed and nothing else is left; it is
 * data, and each kind of process has its own. A call in tables/sandbox_forbidden.h that the profile does not allow ends the process with SIGSYS, after a line in the log that names process and
 * call; any other that it does not allow fails with ENOSYS, so that a newer C library finds its way without it. Files outside the profile's places fail with EACCES.
 * To be entered with one thread (Landlock binds only the caller), after everything has been loaded that lies elsewhere. What is in force depends on the kernel: without Landlock (before 5.19), or with an
 * older one, the rest holds; sandbox_describe says it. Under valgrind, which writes code while it runs, nothing is, and in the build that scripts/release trains with. */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include "base/base.h"

enum sandbox_calls {
    SANDBOX_BASE = 1,      /* memory, time, descriptors that are open; implied */
    SANDBOX_FILES = 2,     /* open files */
    SANDBOX_CHANGES = 4,   /* make, rename, remove, sync them */
    SANDBOX_THREADS = 8,   /* start threads */
    SANDBOX_ACCEPT = 16,   /* take connections from a listening socket */
    SANDBOX_CONNECT = 32,  /* TCP and Unix stream sockets, to anywhere */
    SANDBOX_NAMES = 64,    /* Unix sockets: the name service's daemons */
    SANDBOX_RESOLVE = 128, /* datagrams: DNS; netlink, which getaddrinfo asks for addresses */
    SANDBOX_FORK = 256,    /* and wait, signal, confine what was forked */
    SANDBOX_IDENTITY = 512,
    SANDBOX_LIBRARIES = 1024, /* map code from files: name service modules that are loaded late */
    SANDBOX_COMMANDS = 2048,  /* it runs other people's programs: all is open but what none of them needs */
};

/* Rights to a file, or to all below a folder. */
enum sandbox_right { SANDBOX_READ = 1, SANDBOX_WRITE = 2 /* also make, rename, remove */ };

struct sandbox_place {
    int fd;     /* of a folder, when there is no path */
    slice path; /* what is not there is skipped */
    unsigned rights;
};

#define SANDBOX_PLACES_MAX 64u

struct sandbox_profile {
    const char *name; /* for the log */
    unsigned calls;   /* of enum sandbox_calls */
    struct sandbox_place places[SANDBOX_PLACES_MAX];
    size_t place_count;
};

/* Asserts that there is room. */
void sandbox_add_folder(struct sandbox_profile *p, int fd, unsigned rights);
/* path must live until sandbox_enter. */
void sandbox_add(struct sandbox_profile *p, slice path, unsigned rights);
/* The certificate authorities of the system, wherever it keeps them. */
void sandbox_add_authorities(struct sandbox_profile *p);
/* What the name service reads: all of /etc, since its files are replaced and not rewritten. */
void sandbox_add_names(struct sandbox_profile *p);

/* For good. no_new_privs, too, but with SANDBOX_COMMANDS: that needs CAP_SYS_ADMIN instead. What the kernel lacks is left out. ERR_PERMISSION: the capability is missing, and nothing has changed. */
must_check enum err sandbox_enter(const struct sandbox_profile *p);
/* "seccomp, Landlock 7", "seccomp, no Landlock", "none, under valgrind", "none, in a build for training". True when there are both. */
bool sandbox_describe(buf *b);

#endif
