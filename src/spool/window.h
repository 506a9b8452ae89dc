/* SPDX-License-Identifier: ISC */
/* Inside the room only: a piece of a segment's bytes in memory that is kept and grows, for those who read one piece after the other (heads.c, scan.c). Owns the
 * memory; zeroed is empty. Knows nothing of records: what the bytes are, and whether they are good, is the reader's to see. */
#ifndef SPOOL_WINDOW_H
#define SPOOL_WINDOW_H

#include "os/os.h"

struct spool_window {
    char *bytes;
    size_t cap;
};

/* len bytes from an offset of the file on, fewer where it ends; they live until the next call. What was in the window before is gone, also on failure. ERR_NOMEM, ERR_IO. */
must_check enum err spool_window_read(struct spool_window *w, int fd, uint64_t from, size_t len, slice *bytes_r);
void spool_window_deinit(struct spool_window *w);

#endif
