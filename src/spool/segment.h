/* SPDX-License-Identifier: ISC */
/* Inside the room only: segment files and their superblock. A segment is seg/ and its number in 16 hexadecimal digits; its first page is the
 * superblock, records follow. The superblock's fields and CRC all lie in the first 512 bytes, so that a torn write of the page leaves the old one or
 * the new one. Birth writes zeros to the full length first, so that a later sync writes data only. */
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include "os/os.h"
#include "spool/record.h"

#define SPOOL_PAGE 4096u
#define SPOOL_SUPERBLOCK 512
#define SPOOL_SEGMENT_MIN (512u << 10)
#define SPOOL_SEGMENT_MAX (16u << 20)
#define SPOOL_FORMAT 1

struct spool_superblock {
    uint64_t number;
    uint64_t mark;
    uint32_t writer;
    uint32_t epoch;
    uint32_t size; /* of the file, bytes */
};

#define SPOOL_NAME_SIZE 24
/* "seg/0000000000000001" and "large/0000000000000001". */
slice spool_segment_name(char out[SPOOL_NAME_SIZE], uint64_t number);
slice spool_large_name(char out[SPOOL_NAME_SIZE], uint64_t number);
/* The number that such a file's name (without its folder) stands for; ERR_SYNTAX for any other name. */
must_check enum err spool_name_number(slice name, uint64_t *number_r);

/* out is SPOOL_PAGE bytes. */
void spool_superblock_encode(char *out, const struct spool_superblock *s);
/* bytes: at least 512. ERR_CORRUPT, ERR_UNSUPPORTED (a newer format). ERR_NOTFOUND: all zero, the file never was a segment. */
must_check enum err spool_superblock_decode(slice bytes, struct spool_superblock *s_r);
/* A mark nobody can guess. */
uint64_t spool_segment_draw_mark(void);

/* fsync of the folder `name` in dir_fd ("." is dir_fd itself), through a descriptor that is closed whatever comes: one whose sync
 * has failed is not used again. */
must_check enum err spool_folder_sync(int dir_fd, slice name);

#endif
