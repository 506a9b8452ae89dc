/* SPDX-License-Identifier: ISC */
/* Inside the room only: the names in a folder in the order of bytes, in bounded memory, however many there are: a drop box is open to everybody. The folder may change
 * under our hands: each name that is there all the while comes once; of others, those that were seen when the folder was last read. It is read once for some
 * hundreds of names. */
#ifndef CMD_BATCH_NAMES_H
#define CMD_BATCH_NAMES_H

#include "base/base.h"

struct batch_names;

/* The folder must stay open as long. ERR_NOMEM. */
must_check enum err batch_names_open(int dir_fd, bool (*wanted)(slice name), struct batch_names **n_r);
/* The next one, until the next call; ERR_NOTFOUND at the end. */
must_check enum err batch_names_next(struct batch_names *n, slice *name_r);
/* The argument may be NULL. */
void batch_names_close(struct batch_names **n);

#endif
