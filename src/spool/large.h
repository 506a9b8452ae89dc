/* SPDX-License-Identifier: ISC */
/* Inside the room only: files of large bodies, large/ and a number. Page 0 says whose body it is (its fields and CRC lie in the first 512 bytes), the
 * body begins at 4096. The file is complete when page 0 is valid, and it belongs to a mail when a valid record of that id names its
 * number; without such a record it is garbage, which the sweep removes. */
#ifndef SPOOL_LARGE_H
#define SPOOL_LARGE_H

#include "os/os.h"
#include "spool/segment.h"

struct spool_large_page {
    uint64_t number; /* of the file */
    uint64_t id;     /* of the mail */
    uint64_t size;   /* of the body, bytes */
    uint32_t body_crc;
};

/* out is SPOOL_PAGE bytes. */
void spool_large_encode(char *out, const struct spool_large_page *p);
/* bytes: at least 512. ERR_CORRUPT, ERR_UNSUPPORTED. */
must_check enum err spool_large_decode(slice bytes, struct spool_large_page *p_r);
/* Opens the file for reading and checks page 0 against number and id, and the file's length against the size there. ERR_NOTFOUND, ERR_CORRUPT, ERR_IO. */
must_check enum err spool_large_open(int dir_fd, uint64_t number, uint64_t id, int *fd_r, struct spool_large_page *p_r);
/* One pass over the body, 64 KiB a read. ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
must_check enum err spool_large_check(int fd, const struct spool_large_page *p);

#endif
