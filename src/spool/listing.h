/* SPDX-License-Identifier: ISC */
/* Inside the room only: the numbered files of one folder (seg or large), in ascending order. Other names there are left out. */
#ifndef SPOOL_LISTING_H
#define SPOOL_LISTING_H

#include "os/os.h"

struct spool_listing {
    uint64_t *numbers;
    size_t count, cap;
};

/* Into a zeroed listing; deinit it also after an error. */
must_check enum err spool_listing_read(int dir_fd, slice folder, struct spool_listing *l);
void spool_listing_deinit(struct spool_listing *l);

#endif
