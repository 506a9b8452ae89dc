/* SPDX-License-Identifier: ISC */
/* The spool's folder: made whole before the file `format` says so, and refused when it is not ours to trust. */
#include "os/os.h"
#include "spool/numbers.h"
#include "spool/scan.h"
#include "spool/segment.h"

#define FORMAT_LINE "thurn spool 1\n"
#define FOLDER_MODE 0700
#define WORLD_WRITABLE 0002

/* Whatever is made in the folder belongs to whom the folder belongs: the master makes it as root for its children. */
static enum err give(int dir_fd, slice name, const struct os_file_stamp *owner)
{
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(dir_fd, name, false, &stamp);
    if (e != ERR_OK || (stamp.uid == owner->uid && stamp.gid == owner->gid))
        return e;
    return os_chown(dir_fd, name, owner->uid, owner->gid);
}

static enum err make_folder(int dir_fd, slice name, const struct os_file_stamp *owner)
{
    struct os_file_stamp stamp;
    enum err e = os_mkdir(dir_fd, name, FOLDER_MODE);
    if (e != ERR_OK && e != ERR_EXISTS)
        return e;
    e = os_file_stamp(dir_fd, name, false, &stamp);
    if (e != ERR_OK)
        return e;
    if (!stamp.is_dir || (stamp.mode & WORLD_WRITABLE))
        return ERR_PERMISSION;
    return give(dir_fd, name, owner);
}

static enum err make_file(int dir_fd, slice name, slice content, const struct os_file_stamp *owner)
{
    enum err e = os_file_replace(dir_fd, name, content, 0600);
    return e == ERR_OK ? give(dir_fd, name, owner) : e;
}

/* `format` comes last: without it nothing has ever been drawn or written, with it everything is there, the folders above included, which may
 * have been made a moment ago, or by a start that was killed. */
static enum err fill_new(int dir_fd, const struct os_file_stamp *owner)
{
    char numbers[SPOOL_NUMBERS_SIZE];
    spool_numbers_first(numbers);
    enum err e = make_file(dir_fd, SLICE("numbers"), slice_of(numbers, sizeof(numbers)), owner);
    if (e == ERR_OK)
        e = os_syncfs(dir_fd);
    if (e == ERR_OK)
        e = make_file(dir_fd, SLICE("format"), SLICE(FORMAT_LINE), owner);
    return e;
}

static enum err check_format(int dir_fd, const struct os_file_stamp *owner)
{
    char line[64];
    size_t got;
    int fd = -1;
    enum err e = os_open(dir_fd, SLICE("format"), O_RDONLY, 0, &fd);
    if (e == ERR_NOTFOUND)
        return fill_new(dir_fd, owner);
    if (e == ERR_OK)
        e = os_pread(fd, line, sizeof(line), 0, &got);
    os_close(&fd);
    if (e != ERR_OK)
        return e;
    return slice_equal(slice_of(line, got), SLICE(FORMAT_LINE)) ? ERR_OK : ERR_UNSUPPORTED;
}

static enum err prepare(int dir_fd)
{
    struct os_file_stamp owner;
    enum err e = os_fd_stamp(dir_fd, &owner);
    if (e != ERR_OK)
        return e;
    if (owner.mode & WORLD_WRITABLE)
        return ERR_PERMISSION;
    e = make_folder(dir_fd, SLICE("seg"), &owner);
    if (e == ERR_OK)
        e = make_folder(dir_fd, SLICE("large"), &owner);
    if (e == ERR_OK)
        e = check_format(dir_fd, &owner);
    return e == ERR_OK ? os_fsync(dir_fd) : e;
}

enum err spool_dir_open(const char *path, int *dir_fd_r)
{
    int fd = -1;
    enum err e = os_mkdir_all(slice_str(path), FOLDER_MODE);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, slice_str(path), O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = prepare(fd);
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    *dir_fd_r = fd;
    return ERR_OK;
}

enum err spool_lock(int dir_fd, int *lock_fd_r)
{
    int fd = -1;
    struct os_file_stamp owner;
    enum err e = os_open(dir_fd, SLICE("lock"), O_RDWR | O_CREAT, 0600, &fd);
    if (e == ERR_OK)
        e = os_flock(fd);
    if (e == ERR_OK && os_uid() == 0) {
        e = os_fd_stamp(dir_fd, &owner);
        if (e == ERR_OK)
            e = give(dir_fd, SLICE("lock"), &owner);
    }
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    *lock_fd_r = fd;
    return ERR_OK;
}
