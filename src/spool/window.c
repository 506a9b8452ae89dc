/* SPDX-License-Identifier: ISC */
#include "spool/window.h"

#include <stdlib.h>

enum err spool_window_read(struct spool_window *w, int fd, uint64_t from, size_t len, slice *bytes_r)
{
    size_t got = 0;
    if (w->cap < len) {
        char *bytes = realloc(w->bytes, len);
        if (!bytes)
            return ERR_NOMEM;
        w->bytes = bytes;
        w->cap = len;
    }
    enum err e = len > 0 ? os_pread(fd, w->bytes, len, from, &got) : ERR_OK;
    if (e == ERR_OK)
        *bytes_r = slice_of(w->bytes, got);
    return e;
}

void spool_window_deinit(struct spool_window *w)
{
    free(w->bytes);
    *w = (struct spool_window){.cap = 0};
}
