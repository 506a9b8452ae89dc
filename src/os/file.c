/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/file_fault.h"
#include "os/path.h"

enum err os_err(int errno_value)
{
    static const struct {
        int number;
        enum err e;
    } rows[] = {
        {ENOMEM, ERR_NOMEM},
        {EIO, ERR_IO},
        {ENOSPC, ERR_NOSPACE},
        {EDQUOT, ERR_NOSPACE},
        {EAGAIN, ERR_AGAIN},
        {EINPROGRESS, ERR_AGAIN},
        {EPIPE, ERR_CLOSED},
        {ECONNRESET, ERR_CLOSED},
        {ECONNABORTED, ERR_CLOSED},
        {ENOTCONN, ERR_CLOSED},
        {ETIMEDOUT, ERR_TIMEOUT},
        {ECONNREFUSED, ERR_REFUSED},
        {EHOSTUNREACH, ERR_UNREACHABLE},
        {ENETUNREACH, ERR_UNREACHABLE},
        {ENETDOWN, ERR_UNREACHABLE},
        {EHOSTDOWN, ERR_UNREACHABLE},
        {EADDRNOTAVAIL, ERR_UNREACHABLE},
        {ENOENT, ERR_NOTFOUND},
        {ENOTDIR, ERR_NOTFOUND},
        {ESRCH, ERR_NOTFOUND},
        {EEXIST, ERR_EXISTS},
        {EADDRINUSE, ERR_EXISTS},
        {ENOTEMPTY, ERR_EXISTS},
        {EACCES, ERR_PERMISSION},
        {EPERM, ERR_PERMISSION},
        {EROFS, ERR_PERMISSION},
        {ELOOP, ERR_PERMISSION}, /* O_NOFOLLOW met a link */
        {EMFILE, ERR_DESCRIPTORS},
        {ENFILE, ERR_DESCRIPTORS},
        {ENAMETOOLONG, ERR_LIMIT},
        {EFBIG, ERR_LIMIT},
        {EOPNOTSUPP, ERR_UNSUPPORTED},
        {ENOSYS, ERR_UNSUPPORTED},
        {EAFNOSUPPORT, ERR_UNSUPPORTED},
        {EXDEV, ERR_UNSUPPORTED},
    };
    if (errno_value == 0)
        return ERR_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].number == errno_value)
            return rows[i].e;
    }
    return ERR_SYSTEM;
}

static enum err result(int returned)
{
    return returned == 0 ? ERR_OK : os_err(errno);
}

enum err os_open_follow(int dir_fd, slice path, int flags, unsigned mode, int *fd_r)
{
    struct os_path p;
    enum err e = os_path_set(&p, path);
    if (e == ERR_OK)
        e = file_fault(OS_CALL_OPEN);
    if (e != ERR_OK)
        return e;
    int fd;
    do
        fd = openat(dir_fd, p.text, flags | O_CLOEXEC | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return os_err(errno);
    *fd_r = fd;
    return ERR_OK;
}

enum err os_open(int dir_fd, slice path, int flags, unsigned mode, int *fd_r)
{
    return os_open_follow(dir_fd, path, flags | O_NOFOLLOW, mode, fd_r);
}

/* After EINTR the descriptor is closed on Linux; closing again might hit another thread's. */
void os_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void stamp_from(const struct stat *st, struct os_file_stamp *stamp_r)
{
    *stamp_r = (struct os_file_stamp){
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .size = (uint64_t)st->st_size,
        .inode = st->st_ino,
        .device = st->st_dev,
        .mode = st->st_mode & 07777,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .links = st->st_nlink,
        .is_dir = S_ISDIR(st->st_mode),
        .is_regular = S_ISREG(st->st_mode),
        .is_link = S_ISLNK(st->st_mode),
    };
}

enum err os_file_stamp(int dir_fd, slice path, bool follow, struct os_file_stamp *stamp_r)
{
    struct os_path p;
    struct stat st;
    enum err e = os_path_set(&p, path);
    if (e == ERR_OK)
        e = file_fault(OS_CALL_OTHER);
    if (e == ERR_OK)
        e = result(fstatat(dir_fd, p.text, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW));
    if (e == ERR_OK)
        stamp_from(&st, stamp_r);
    return e;
}

enum err os_fd_stamp(int fd, struct os_file_stamp *stamp_r)
{
    struct stat st;
    enum err e = file_fault(OS_CALL_OTHER);
    if (e == ERR_OK)
        e = result(fstat(fd, &st));
    if (e == ERR_OK)
        stamp_from(&st, stamp_r);
    return e;
}

bool os_file_stamp_equal(const struct os_file_stamp *a, const struct os_file_stamp *b)
{
    return a->mtime_ns == b->mtime_ns && a->size == b->size && a->inode == b->inode && a->mode == b->mode &&
           a->uid == b->uid && a->gid == b->gid && a->is_dir == b->is_dir && a->is_regular == b->is_regular &&
           a->is_link == b->is_link;
}

/* Two names: rename and link differ in nothing else. */
static enum err two_paths(enum os_file_call call, slice from, slice to, struct os_path *f, struct os_path *t)
{
    enum err e = os_path_set(f, from);
    if (e == ERR_OK)
        e = os_path_set(t, to);
    if (e == ERR_OK)
        e = file_fault(call);
    return e;
}

enum err os_rename(int from_dir, slice from, int to_dir, slice to)
{
    struct os_path f, t;
    enum err e = two_paths(OS_CALL_RENAME, from, to, &f, &t);
    return e == ERR_OK ? result(renameat(from_dir, f.text, to_dir, t.text)) : e;
}

enum err os_link(int from_dir, slice from, int to_dir, slice to)
{
    struct os_path f, t;
    enum err e = two_paths(OS_CALL_OTHER, from, to, &f, &t);
    return e == ERR_OK ? result(linkat(from_dir, f.text, to_dir, t.text, 0)) : e;
}

enum err os_unlink(int dir_fd, slice path)
{
    struct os_path p;
    enum err e = os_path_set(&p, path);
    if (e == ERR_OK)
        e = file_fault(OS_CALL_UNLINK);
    return e == ERR_OK ? result(unlinkat(dir_fd, p.text, 0)) : e;
}

enum err os_mkdir(int dir_fd, slice path, unsigned mode)
{
    struct os_path p;
    enum err e = os_path_set(&p, path);
    if (e == ERR_OK)
        e = file_fault(OS_CALL_OTHER);
    return e == ERR_OK ? result(mkdirat(dir_fd, p.text, mode)) : e;
}

enum err os_mkdir_all(slice path, unsigned mode)
{
    for (size_t at = 1; at <= path.len; at++) {
        if (at < path.len && path.ptr[at] != '/')
            continue;
        enum err e = os_mkdir(AT_FDCWD, slice_sub(path, 0, at), mode);
        if (e != ERR_OK && e != ERR_EXISTS)
            return e;
    }
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, path, true, &stamp);
    if (e == ERR_OK && !stamp.is_dir)
        e = ERR_EXISTS;
    return e;
}

enum err os_chown(int dir_fd, slice path, uint32_t uid, uint32_t gid)
{
    struct os_path p;
    enum err e = os_path_set(&p, path);
    if (e == ERR_OK)
        e = file_fault(OS_CALL_OTHER);
    return e == ERR_OK ? result(fchownat(dir_fd, p.text, uid, gid, AT_SYMLINK_NOFOLLOW)) : e;
}

enum err os_fchmod(int fd, unsigned mode)
{
    enum err e = file_fault(OS_CALL_OTHER);
    return e == ERR_OK ? result(fchmod(fd, mode)) : e;
}

enum err os_flock(int fd)
{
    enum err e = file_fault(OS_CALL_OTHER);
    if (e != ERR_OK)
        return e;
    int done;
    do
        done = flock(fd, LOCK_EX | LOCK_NB);
    while (done != 0 && errno == EINTR);
    return result(done);
}

/* A lock of the open file description: it meets the locks of other programs as F_SETLK does, but does not vanish when
 * this process closes another descriptor of the same file. */
enum err os_lockf(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    enum err e = file_fault(OS_CALL_OTHER);
    if (e != ERR_OK)
        return e;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return ERR_OK;
    return errno == EACCES ? ERR_AGAIN : os_err(errno);
}

enum err os_free_space(int fd, uint64_t *bytes_r, uint64_t *total_r, uint64_t *inodes_r)
{
    struct statvfs s;
    enum err e = file_fault(OS_CALL_OTHER);
    if (e == ERR_OK)
        e = result(fstatvfs(fd, &s));
    if (e != ERR_OK)
        return e;
    *bytes_r = (uint64_t)s.f_bavail * s.f_frsize;
    *total_r = (uint64_t)s.f_blocks * s.f_frsize;
    /* Filesystems without a fixed number of inodes (btrfs) report none at all. */
    *inodes_r = s.f_files == 0 ? UINT64_MAX : (uint64_t)s.f_favail;
    return ERR_OK;
}
