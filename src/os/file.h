/* SPDX-License-Identifier: ISC */
/* Files. Paths are slices and become NUL-terminated strings here (a NUL inside is ERR_SYNTAX, over 4095 bytes ERR_LIMIT). Opens never follow a link at the last place
 * (O_NOFOLLOW) unless the name says so, and always close on exec. Every call may be made to fail by tests: os_file_fault. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/base.h"

struct os_file_stamp {
    int64_t mtime_ns;
    uint64_t size, inode, device;
    uint32_t mode, uid, gid;
    uint64_t links; /* 0: removed, and there only for who has it open; not compared */
    bool is_dir, is_regular, is_link;
};

/* errno's value as enum err. */
enum err os_err(int errno_value);

/* dir_fd may be AT_FDCWD. flags and mode as open(2); O_CLOEXEC and O_NOFOLLOW are added. */
must_check enum err os_open(int dir_fd, slice path, int flags, unsigned mode, int *fd_r);
/* Configuration files may be links. */
must_check enum err os_open_follow(int dir_fd, slice path, int flags, unsigned mode, int *fd_r);
void os_close(int *fd); /* -1 is harmless; becomes -1 */
/* The whole file appended to b (its max bounds it: ERR_LIMIT). Follows links: for configuration. */
must_check enum err os_file_read(int dir_fd, slice path, buf *b);
/* And whose what was read is, which a look before or after could not say. */
must_check enum err os_file_read_stamped(int dir_fd, slice path, buf *b, struct os_file_stamp *stamp_r);
/* Writes a new file beside, fsync, rename, fsync of the folder. */
must_check enum err os_file_replace(int dir_fd, slice path, slice content, unsigned mode);
must_check enum err os_file_stamp(int dir_fd, slice path, bool follow, struct os_file_stamp *stamp_r);
must_check enum err os_fd_stamp(int fd, struct os_file_stamp *stamp_r);
bool os_file_stamp_equal(const struct os_file_stamp *a, const struct os_file_stamp *b);

/* All of it or an error; EINTR is retried. pread: *got_r is less than size only at the end of file. */
must_check enum err os_pread(int fd, void *out, size_t size, uint64_t offset, size_t *got_r);
must_check enum err os_pwrite(int fd, slice data, uint64_t offset);
must_check enum err os_pwritev(int fd, struct iovec *iov, int count, uint64_t offset);
must_check enum err os_write(int fd, slice data);
must_check enum err os_fdatasync(int fd);
must_check enum err os_fsync(int fd);
must_check enum err os_ftruncate(int fd, uint64_t size);
must_check enum err os_fallocate(int fd, uint64_t size);
must_check enum err os_syncfs(int fd);
/* Starts writeback of a range without waiting. */
void os_writeback(int fd, uint64_t offset, uint64_t size);
/* Lets go of what the page cache holds clean of the file, so that the next read comes from the disk. For after a failed sync, when the
 * cache shows what the disk does not have. A hint. */
void os_forget(int fd);
must_check enum err os_rename(int from_dir, slice from, int to_dir, slice to);
must_check enum err os_link(int from_dir, slice from, int to_dir, slice to);
must_check enum err os_unlink(int dir_fd, slice path);
must_check enum err os_mkdir(int dir_fd, slice path, unsigned mode);
/* mkdir -p; existing folders are fine. */
must_check enum err os_mkdir_all(slice path, unsigned mode);
must_check enum err os_chown(int dir_fd, slice path, uint32_t uid, uint32_t gid);
must_check enum err os_fchmod(int fd, unsigned mode);
/* Appends where the link leads to, as it is written. */
must_check enum err os_link_read(int dir_fd, slice path, buf *out);
/* The folder that a path is in, by its letters alone: "/" of "/a", "." of "a". path has no slash at its end. */
slice os_path_parent(slice path);
/* Appends the absolute path without links, "." and ".." of what is there (realpath). ERR_NOTFOUND, ERR_PERMISSION. */
must_check enum err os_path_real(slice path, buf *out);
/* Exclusive flock, not waiting: ERR_AGAIN. */
must_check enum err os_flock(int fd);
/* Exclusive fcntl lock for mbox, not waiting: ERR_AGAIN. */
must_check enum err os_lockf(int fd);
/* Bytes and inodes free for an ordinary user. */
must_check enum err os_free_space(int fd, uint64_t *bytes_r, uint64_t *total_r, uint64_t *inodes_r);

struct os_dir;
must_check enum err os_dir_open(int dir_fd, slice path, struct os_dir **dir_r);
/* Without "." and ".."; ERR_NOTFOUND at the end. The name lives until the next call. */
must_check enum err os_dir_next(struct os_dir *d, slice *name_r);
void os_dir_close(struct os_dir **d);

/* Tests: the n-th call from now of those that match (bit i of calls = enum) fails with e, or each of them (OS_FILE_FAULT_EACH); 0 switches off. Compiled in always, one predictable branch. */
#define OS_FILE_FAULT_EACH UINT64_MAX
enum os_file_call {
    OS_CALL_OPEN,
    OS_CALL_READ,
    OS_CALL_WRITE,
    OS_CALL_SYNC,
    OS_CALL_RENAME,
    OS_CALL_UNLINK,
    OS_CALL_OTHER
};
void os_file_fault(uint64_t n, unsigned calls, enum err e);

#endif
