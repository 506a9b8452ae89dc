/* SPDX-License-Identifier: ISC */
#include "cmd/batch_names.h"

#include <stdlib.h>
#include <string.h>

#include "os/os.h"

#define KEPT 1024u
#define NAME_MAX_BYTES 255u

struct name {
    uint8_t len;
    char text[NAME_MAX_BYTES];
};

struct batch_names {
    int dir;
    bool (*wanted)(slice name);
    struct name after; /* the last one that was given */
    uint16_t at, count;
    bool more; /* than are kept */
    uint16_t order[KEPT];
    struct name names[KEPT];
};

enum err batch_names_open(int dir_fd, bool (*wanted)(slice name), struct batch_names **n_r)
{
    struct batch_names *n = calloc(1, sizeof *n);
    if (!n)
        return ERR_NOMEM;
    n->dir = dir_fd;
    n->wanted = wanted;
    n->more = true;
    *n_r = n;
    return ERR_OK;
}

void batch_names_close(struct batch_names **n)
{
    free(*n);
    *n = NULL;
}

static slice text_of(const struct name *name)
{
    return slice_of(name->text, name->len);
}

static void set(struct name *name, slice text)
{
    name->len = (uint8_t)text.len;
    memcpy(name->text, text.ptr, text.len);
}

/* Where it belongs among those that are kept. */
static size_t place(const struct batch_names *n, slice text)
{
    size_t low = 0, high = n->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(text_of(&n->names[n->order[middle]]), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first ones stay when there are too many. */
static void keep(struct batch_names *n, slice text)
{
    size_t at = place(n, text);
    uint16_t slot = n->count;
    if (n->count == KEPT) {
        n->more = true;
        if (at == KEPT)
            return;
        slot = n->order[KEPT - 1];
    } else {
        n->count++;
    }
    memmove(&n->order[at + 1], &n->order[at], (n->count - 1 - at) * sizeof n->order[0]);
    n->order[at] = slot;
    set(&n->names[slot], text);
}

static enum err fill(struct batch_names *n)
{
    struct os_dir *dir = NULL;
    slice name;
    n->at = n->count = 0;
    n->more = false;
    enum err e = os_dir_open(n->dir, SLICE("."), &dir);
    if (e != ERR_OK)
        return e;
    while ((e = os_dir_next(dir, &name)) == ERR_OK) {
        if (name.len <= NAME_MAX_BYTES && n->wanted(name) && slice_compare(name, text_of(&n->after)) > 0)
            keep(n, name);
    }
    os_dir_close(&dir);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err batch_names_next(struct batch_names *n, slice *name_r)
{
    if (n->at == n->count && n->more) {
        enum err e = fill(n);
        if (e != ERR_OK)
            return e;
    }
    if (n->at == n->count)
        return ERR_NOTFOUND;
    n->after = n->names[n->order[n->at++]];
    *name_r = text_of(&n->after);
    return ERR_OK;
}
