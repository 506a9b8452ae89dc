/* SPDX-License-Identifier: ISC */
#include "spool/listing.h"

#include "spool/segment.h"

static enum err add(struct spool_listing *l, uint64_t number)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        uint64_t *numbers = realloc(l->numbers, cap * sizeof(*numbers));
        if (!numbers)
            return ERR_NOMEM;
        l->numbers = numbers;
        l->cap = cap;
    }
    l->numbers[l->count++] = number;
    return ERR_OK;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum err spool_listing_read(int dir_fd, slice folder, struct spool_listing *l)
{
    struct os_dir *d = NULL;
    slice name;
    uint64_t number;
    enum err e = os_dir_open(dir_fd, folder, &d);
    while (e == ERR_OK) {
        e = os_dir_next(d, &name);
        if (e == ERR_OK && spool_name_number(name, &number) == ERR_OK)
            e = add(l, number);
    }
    os_dir_close(&d);
    if (e != ERR_NOTFOUND)
        return e;
    if (l->count > 0)
        qsort(l->numbers, l->count, sizeof(*l->numbers), ascending);
    return ERR_OK;
}

void spool_listing_deinit(struct spool_listing *l)
{
    free(l->numbers);
    *l = (struct spool_listing){0};
}
