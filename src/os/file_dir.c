/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file_fault.h"
#include "os/path.h"

struct os_dir {
    DIR *stream;
};

enum err os_dir_open(int dir_fd, slice path, struct os_dir **dir_r)
{
    int fd = -1;
    enum err e = os_open(dir_fd, path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e != ERR_OK)
        return e;
    struct os_dir *d = malloc(sizeof(*d));
    if (!d) {
        os_close(&fd);
        return ERR_NOMEM;
    }
    d->stream = fdopendir(fd);
    if (!d->stream) {
        e = os_err(errno);
        free(d);
        os_close(&fd);
        return e;
    }
    *dir_r = d;
    return ERR_OK;
}

enum err os_dir_next(struct os_dir *d, slice *name_r)
{
    enum err e = file_fault(OS_CALL_READ);
    if (e != ERR_OK)
        return e;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(d->stream);
        if (!entry)
            return errno == 0 ? ERR_NOTFOUND : os_err(errno);
        slice name = slice_str(entry->d_name);
        if (slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
            continue;
        *name_r = name;
        return ERR_OK;
    }
}

void os_dir_close(struct os_dir **d)
{
    if (!*d)
        return;
    closedir((*d)->stream);
    free(*d);
    *d = NULL;
}

slice os_path_parent(slice path)
{
    ptrdiff_t slash = slice_rfind_char(path, '/');
    return slash > 0 ? slice_sub(path, 0, (size_t)slash) : slash == 0 ? SLICE("/") : SLICE(".");
}

enum err os_path_real(slice path, buf *out)
{
    struct os_path p;
    enum err e = os_path_set(&p, path);
    char *real = e == ERR_OK ? realpath(p.text, NULL) : NULL;
    if (e == ERR_OK && !real)
        e = os_err(errno);
    if (e == ERR_OK)
        buf_append(out, slice_str(real));
    free(real);
    return e == ERR_OK && !buf_ok(out) ? ERR_LIMIT : e;
}

enum err os_link_read(int dir_fd, slice path, buf *out)
{
    struct os_path p;
    char target[OS_PATH_SIZE];
    enum err e = os_path_set(&p, path);
    if (e != ERR_OK)
        return e;
    ssize_t n = readlinkat(dir_fd, p.text, target, sizeof target);
    if (n < 0)
        return os_err(errno);
    buf_append(out, slice_of(target, (size_t)n));
    return buf_ok(out) ? ERR_OK : ERR_LIMIT;
}
