/* SPDX-License-Identifier: ISC */
#include "os/path.h"

enum err os_path_set(struct os_path *p, slice path)
{
    if (path.len >= OS_PATH_SIZE)
        return ERR_LIMIT;
    if (path.len > 0) {
        if (memchr(path.ptr, 0, path.len))
            return ERR_SYNTAX;
        memcpy(p->text, path.ptr, path.len);
    }
    p->text[path.len] = 0;
    return ERR_OK;
}
