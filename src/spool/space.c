/* SPDX-License-Identifier: ISC */
#include "spool/space.h"

enum err spool_space_ask(int dir_fd, struct spool_space *space_r)
{
    uint64_t total;
    return os_free_space(dir_fd, &space_r->bytes, &total, &space_r->inodes);
}

bool spool_space_has(const struct spool_space *space, uint64_t min_free, uint64_t size)
{
    uint64_t bytes = space->inodes < SPOOL_INODES_LEAST ? 0 : space->bytes;
    return bytes >= min_free && bytes - min_free >= size;
}
