/* SPDX-License-Identifier: ISC */
/* Inside the room only: from the bytes of a segment to its records. What can be torn by a power cut and what can only be damage is told apart here, by the rule
 * of QUEUE.md: a batch is written only after the one before it is on the disk, and each record says where its batch began. */
#ifndef SPOOL_WALK_H
#define SPOOL_WALK_H

#include "spool/record.h"
#include "spool/scan.h"
#include "spool/segment.h"

struct spool_walk {
    const struct spool_superblock *block;
    slice bytes; /* of the segment, from the offset `from` (a multiple of 8) on */
    uint32_t from;
    bool acknowledged; /* all of bytes are known to have been on the disk: nothing may be missing */
    const struct spool_scan_ops *ops;
    void *ctx;
};

/* Calls ops->message, outcome and damaged; returns the first callback's error that is neither ERR_CORRUPT nor ERR_UNSUPPORTED (those two make the record a damaged one). */
must_check enum err spool_walk_run(const struct spool_walk *w);
/* Makes up a superblock from the first record, for a segment whose own cannot be read: bytes are those from SPOOL_PAGE on. False when that is no record either. */
bool spool_walk_salvage(slice bytes, uint64_t number, struct spool_superblock *block_r);

#endif
