/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <errno.h>
#include <unistd.h>

#include "os/file_fault.h"

#define VECTORS_A_CALL 1024 /* UIO_MAXIOV */

enum err os_pread(int fd, void *out, size_t size, uint64_t offset, size_t *got_r)
{
    enum err e = file_fault(OS_CALL_READ);
    if (e != ERR_OK)
        return e;
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, (char *)out + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_err(errno);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *got_r = got;
    return ERR_OK;
}

enum err os_pwrite(int fd, slice data, uint64_t offset)
{
    enum err e = file_fault(OS_CALL_WRITE);
    if (e != ERR_OK)
        return e;
    while (data.len > 0) {
        ssize_t n = pwrite(fd, data.ptr, data.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_err(errno);
        if (n == 0)
            return ERR_IO;
        data = slice_skip(data, (size_t)n);
        offset += (uint64_t)n;
    }
    return ERR_OK;
}

static void vectors_skip(struct iovec **iov, int *count, size_t n)
{
    while (*count > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

enum err os_pwritev(int fd, struct iovec *iov, int count, uint64_t offset)
{
    enum err e = file_fault(OS_CALL_WRITE);
    if (e != ERR_OK)
        return e;
    vectors_skip(&iov, &count, 0);
    while (count > 0) {
        ssize_t n = pwritev(fd, iov, count < VECTORS_A_CALL ? count : VECTORS_A_CALL, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_err(errno);
        if (n == 0)
            return ERR_IO;
        offset += (uint64_t)n;
        vectors_skip(&iov, &count, (size_t)n);
    }
    return ERR_OK;
}

enum err os_write(int fd, slice data)
{
    enum err e = file_fault(OS_CALL_WRITE);
    if (e != ERR_OK)
        return e;
    while (data.len > 0) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_err(errno);
        data = slice_skip(data, (size_t)n);
    }
    return ERR_OK;
}

/* A failed sync is never repeated: the kernel may have dropped the dirty pages and would answer the second call with success. */
static enum err synced(int (*call)(int), int fd)
{
    enum err e = file_fault(OS_CALL_SYNC);
    if (e != ERR_OK)
        return e;
    return call(fd) == 0 ? ERR_OK : os_err(errno);
}

enum err os_fdatasync(int fd)
{
    return synced(fdatasync, fd);
}

enum err os_fsync(int fd)
{
    return synced(fsync, fd);
}

enum err os_syncfs(int fd)
{
    return synced(syncfs, fd);
}

enum err os_ftruncate(int fd, uint64_t size)
{
    enum err e = file_fault(OS_CALL_OTHER);
    if (e != ERR_OK)
        return e;
    int done;
    do
        done = ftruncate(fd, (off_t)size);
    while (done != 0 && errno == EINTR);
    return done == 0 ? ERR_OK : os_err(errno);
}

enum err os_fallocate(int fd, uint64_t size)
{
    enum err e = file_fault(OS_CALL_OTHER);
    if (e != ERR_OK)
        return e;
    int done;
    do
        done = fallocate(fd, 0, 0, (off_t)size);
    while (done != 0 && errno == EINTR);
    return done == 0 ? ERR_OK : os_err(errno);
}

/* A hint; the sync that follows reports what went wrong. */
void os_writeback(int fd, uint64_t offset, uint64_t size)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

void os_forget(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
