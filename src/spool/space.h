/* SPDX-License-Identifier: ISC */
/* What the disk has left for messages: one sum for the writer that refuses them and for those who tell of it beforehand. Nothing is remembered here. */
#ifndef SPOOL_SPACE_H
#define SPOOL_SPACE_H

#include "os/os.h"

#define SPOOL_INODES_LEAST 16 /* with fewer, files cannot be relied upon: it counts as no space at all */

struct spool_space {
    uint64_t bytes, inodes; /* free for an ordinary user */
};

/* Of the file system that the folder is on; a descriptor of O_PATH will do. */
must_check enum err spool_space_ask(int dir_fd, struct spool_space *space_r);
/* Whether a message of about size bytes (0 unknown) leaves min_free bytes free. */
bool spool_space_has(const struct spool_space *space, uint64_t min_free, uint64_t size);

#endif
