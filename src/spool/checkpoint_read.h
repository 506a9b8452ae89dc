/* SPDX-License-Identifier: ISC */
/* Inside the room only: the checkpoint's format, and reading one. A checkpoint is a row of blocks, each with its number and a CRC; entries lie whole in a
 * block; the last entry of the last block is the end mark with the number of messages. One wrong byte anywhere makes all of it
 * invalid, so it is read twice: once to check, once to use. */
#ifndef SPOOL_CHECKPOINT_READ_H
#define SPOOL_CHECKPOINT_READ_H

#include "os/os.h"
#include "spool/head.h"
#include "spool/scan.h"

#define SPOOL_CHECKPOINT_BLOCK_HEAD 24 /* magic 8, format 4, number 4, length 4, CRC 4 */
#define SPOOL_CHECKPOINT_MAGIC "THURNCKP"
#define SPOOL_CHECKPOINT_STEP (64u << 10)      /* a block is written when it is that long */
#define SPOOL_CHECKPOINT_BLOCK_MAX (16u << 20) /* and never longer than this */
#define SPOOL_CHECKPOINT_STATE_MAX (8u << 20)
#define SPOOL_CHECKPOINT_SEGMENT 'S'
#define SPOOL_CHECKPOINT_MESSAGE 'M'
#define SPOOL_CHECKPOINT_END 'Z'

struct spool_checkpoint_ops {
    enum err (*segment)(void *ctx, const struct spool_known *c);
    enum err (*message)(void *ctx, const struct spool_place *place, slice state);
};

/* CRC of a block: head without its last four bytes, then the payload. */
uint32_t spool_checkpoint_block_crc(const char *head, slice payload);
/* ops NULL: only checks. ERR_CORRUPT, ERR_UNSUPPORTED, ERR_IO, ERR_NOMEM, or a callback's error. */
must_check enum err spool_checkpoint_read(int fd, const struct spool_checkpoint_ops *ops, void *ctx);

#endif
