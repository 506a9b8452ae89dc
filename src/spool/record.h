/* SPDX-License-Identifier: ISC */
/* Inside the room only: the frame that every record of a segment has, as QUEUE.md tables it. A frame is 48 bytes; the encoded head
 * (of a message or an outcome) follows, then the body, then zeros up to a multiple of 8. Two CRCs: one over frame and head, one
 * over the body. A record is sealed last of all, when its place is known: the seal is the segment's mark (a random number drawn anew each time
 * that a segment is born or recycled), its epoch, and where the batch began that the record was written with. The mark is what keeps
 * bytes of a mail from ever passing as a record when a damaged segment is searched: nobody outside knows it.
 * Reading trusts nothing: every length is checked before it is used. */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H

#include "base/base.h"

#define SPOOL_FRAME_SIZE 48
#define SPOOL_RECORD_MAX (64u << 20)

enum spool_record_kind { SPOOL_RECORD_MESSAGE = 1, SPOOL_RECORD_OUTCOME, SPOOL_RECORD_GROUP };

/* The record is part of a group and counts only with it. */
#define SPOOL_RECORD_INNER 1

struct spool_seal {
    uint64_t mark;
    uint32_t epoch;
    uint32_t batch; /* offset in the segment of the first record of the batch */
};

struct spool_record {
    struct spool_seal seal;
    uint64_t id; /* 0 for a group */
    uint32_t length;
    uint32_t head_crc, body_crc;
    uint16_t copy;
    uint8_t kind;  /* enum spool_record_kind */
    uint8_t flags; /* SPOOL_RECORD_INNER */
    slice head, body;
};

/* Length of the whole record, a multiple of 8; 0 when it is above SPOOL_RECORD_MAX. */
uint32_t spool_record_length(size_t head_len, size_t body_len);
/* Writes the frame of r (all but its seal and head_crc; head and body are used for their lengths only) to 48 bytes. */
void spool_record_frame(char *frame, const struct spool_record *r);
/* Completes a frame whose head follows it in memory. */
void spool_record_seal(char *frame, const struct spool_seal *seal);
/* The same for a group: seals each record inside, the group's body CRC, and the group. All of it is in memory after frame. */
void spool_record_seal_group(char *frame, const struct spool_seal *seal);

/* What the first 48 bytes say, lengths checked against each other and SPOOL_RECORD_MAX, no CRC checked; head and body have lengths and no bytes. ERR_CORRUPT,
 * ERR_UNSUPPORTED (an unknown kind or flag). */
must_check enum err spool_record_peek(slice bytes, struct spool_record *record_r);
/* Frame and head at the start of bytes; record_r->body has a length and no bytes. ERR_CORRUPT (also when bytes are too few), ERR_UNSUPPORTED. */
must_check enum err spool_record_read_head(slice bytes, struct spool_record *record_r);
/* The whole record at the start of bytes. ERR_UNSUPPORTED only when the head's CRC is right: then length can be believed. */
must_check enum err spool_record_read(slice bytes, struct spool_record *record_r);

#endif
