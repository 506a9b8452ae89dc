/* SPDX-License-Identifier: ISC */
/* Landlock by its system calls: C libraries have no functions for them, and older headers lack what newer kernels have, so the numbers are here (linux/landlock.h). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"
#include "os/sandbox_filter.h"

#define RULE_PATH_BENEATH 1
#define CREATE_VERSION 1u
#define ABI_MIN                                                                                                        \
    2 /* before it whoever is confined may not move or link a file from one folder to another: no mail would be delivered */

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,
    FS_TRUNCATE = 1 << 14, /* 3 */
    FS_IOCTL_DEV = 1 << 15 /* 5 */
};
#define FS_OF_FILES (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)
#define FS_READING (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITING (FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE)
#define NET_BIND_TCP 1u
#define NET_CONNECT_TCP 2u
#define SCOPE_ABSTRACT_UNIX 1u
#define SCOPE_SIGNAL 2u

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

int sandbox_places_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return abi >= ABI_MIN ? (int)abi : 0;
}

static struct ruleset handled(int abi, unsigned calls)
{
    struct ruleset r = {.fs = (FS_REFER << 1) - 1};
    if (abi >= 3)
        r.fs |= FS_TRUNCATE;
    if (abi >= 4)
        r.net = calls & SANDBOX_CONNECT ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 5)
        r.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return r;
}

static enum err place_open(const struct sandbox_place *p, int *fd_r)
{
    char path[PATH_MAX];
    if (p->path.len >= sizeof path)
        return ERR_LIMIT;
    memcpy(path, p->path.ptr, p->path.len);
    path[p->path.len] = 0;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return os_err(errno);
    *fd_r = fd;
    return ERR_OK;
}

static enum err rule_add(int ruleset, int fd, unsigned rights, uint64_t fs)
{
    struct stat st;
    struct path_beneath rule = {.parent_fd = fd};
    if (fstat(fd, &st) != 0)
        return os_err(errno);
    if (rights & SANDBOX_READ)
        rule.allowed |= FS_READING;
    if (rights & SANDBOX_WRITE)
        rule.allowed |= FS_WRITING;
    if (!S_ISDIR(st.st_mode))
        rule.allowed &= FS_OF_FILES;
    rule.allowed &= fs;
    if (rule.allowed != 0 && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0)
        return os_err(errno);
    return ERR_OK;
}

static enum err place_add(int ruleset, const struct sandbox_place *p, uint64_t fs)
{
    int fd = p->fd;
    if (p->path.len == 0)
        return fd >= 0 ? rule_add(ruleset, fd, p->rights, fs) : ERR_OK;
    /* What is not there, or not to be reached, cannot be opened either. */
    if (place_open(p, &fd) != ERR_OK)
        return ERR_OK;
    enum err e = rule_add(ruleset, fd, p->rights, fs);
    (void)close(fd);
    return e;
}

enum err sandbox_places_enter(const struct sandbox_profile *p)
{
    int abi = sandbox_places_abi();
    struct ruleset r = handled(abi, p->calls);
    size_t size = abi >= 6 ? sizeof r : abi >= 4 ? 2 * sizeof r.fs : sizeof r.fs;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
    if (ruleset < 0)
        return os_err(errno);
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < p->place_count; i++)
        e = place_add(ruleset, &p->places[i], r.fs);
    if (e == ERR_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        e = os_err(errno);
    (void)close(ruleset);
    return e;
}
