/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file_fault.h"

#define READ_STEP (64 * 1024)

/* One byte more than fits tells a full buffer from a file that is too long. */
static enum err read_piece(int fd, buf *b, size_t *got_r)
{
    char beyond;
    size_t room = b->max - b->len;
    if (room > READ_STEP)
        room = READ_STEP;
    char *to = room > 0 ? buf_reserve(b, room) : &beyond;
    if (!to)
        return ERR_NOMEM;
    ssize_t n;
    do
        n = read(fd, to, room > 0 ? room : 1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return os_err(errno);
    if (n > 0 && room == 0)
        return ERR_LIMIT;
    if (n > 0)
        buf_grown(b, (size_t)n);
    *got_r = (size_t)n;
    return ERR_OK;
}

/* O_NONBLOCK and the check of the kind: a pipe put in a file's place must not hold up the reader. */
enum err os_file_read_stamped(int dir_fd, slice path, buf *b, struct os_file_stamp *stamp_r)
{
    int fd = -1;
    struct os_file_stamp stamp;
    size_t before = b->len, got = 1;
    enum err e = os_open_follow(dir_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK && !stamp.is_regular)
        e = ERR_UNSUPPORTED;
    if (e == ERR_OK)
        e = file_fault(OS_CALL_READ);
    while (e == ERR_OK && got > 0)
        e = read_piece(fd, b, &got);
    if (e != ERR_OK)
        b->len = before;
    else
        *stamp_r = stamp;
    os_close(&fd);
    return e;
}

enum err os_file_read(int dir_fd, slice path, buf *b)
{
    struct os_file_stamp stamp;
    return os_file_read_stamped(dir_fd, path, b, &stamp);
}

static enum err write_new(int dir_fd, slice path, slice content, unsigned mode)
{
    int fd = -1;
    enum err e = os_open(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL, mode & 0600, &fd);
    if (e != ERR_OK)
        return e;
    e = os_write(fd, content);
    if (e == ERR_OK)
        e = os_fchmod(fd, mode); /* whatever the umask says */
    if (e == ERR_OK)
        e = os_fsync(fd);
    os_close(&fd);
    return e;
}

static enum err write_and_rename(int dir_fd, slice beside, slice path, slice content, unsigned mode)
{
    enum err e = write_new(dir_fd, beside, content, mode);
    if (e == ERR_OK)
        e = os_rename(dir_fd, beside, dir_fd, path);
    if (e == ERR_OK)
        return ERR_OK;
    /* The first error tells; that the remains cannot be removed adds nothing. */
    enum err removed = os_unlink(dir_fd, beside);
    (void)removed;
    return e;
}

static enum err sync_folder(int dir_fd, slice folder)
{
    int fd = -1;
    enum err e = os_open_follow(dir_fd, folder, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fsync(fd);
    os_close(&fd);
    return e;
}

enum err os_file_replace(int dir_fd, slice path, slice content, unsigned mode)
{
    ptrdiff_t slash = slice_rfind_char(path, '/');
    slice parent = slice_sub(path, 0, (size_t)(slash + 1));
    slice name = slice_skip(path, (size_t)(slash + 1));
    if (name.len == 0)
        return ERR_SYNTAX;
    uint64_t random;
    os_random(&random, sizeof(random));
    buf beside;
    buf_init(&beside, path.len + 32);
    buf_append(&beside, parent);
    buf_append_char(&beside, '.');
    /* Cut, so that a name of the greatest length has room for the rest. */
    buf_append(&beside, slice_sub(name, 0, 200));
    buf_printf(&beside, ".%016" PRIx64, random);
    enum err e = buf_ok(&beside) ? ERR_OK : ERR_NOMEM;
    if (e == ERR_OK)
        e = write_and_rename(dir_fd, buf_slice(&beside), path, content, mode);
    if (e == ERR_OK)
        e = sync_folder(dir_fd, parent.len > 0 ? parent : SLICE("."));
    buf_deinit(&beside);
    return e;
}
