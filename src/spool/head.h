/* SPDX-License-Identifier: ISC */
/* The head of a message record: everything but the body. The same bytes stand on disk, go to the queue as an announcement and are read at recovery, by the same
 * decoder, which trusts nothing: they may come from a damaged disk. Also the place of a record and the kinds of outcome. */
#ifndef SPOOL_HEAD_H
#define SPOOL_HEAD_H

#include "mail/mail.h"

/* A received mail's head is no longer, encoded: it goes to the queue in one frame. */
#define SPOOL_HEAD_MAX (3u << 20)

/* Where a record is. A place is never stored in an outcome: outcomes name the id. */
struct spool_place {
    uint64_t segment; /* number, unique for the life of the spool */
    uint64_t id;      /* queue id */
    uint32_t offset;  /* of the record in its segment, bytes */
    uint32_t length;  /* of the whole record in the segment (a large body is not in it) */
    uint32_t epoch;   /* of the segment when the record was written */
    uint16_t copy;    /* 0 as received; a moved message has a higher one, and the highest valid copy wins */
};

struct spool_head {
    uint64_t id;
    int64_t arrival_s;       /* unix time */
    uint32_t arrival_us;     /* and microseconds of it, below 1,000,000 */
    struct body_facts facts; /* of the stored body, trace fields that we added included */
    struct message_origin origin;
    uint64_t large_file; /* number of the large-body file, or 0: the body is in the record */
    uint16_t copy;
    uint16_t envelope_count;
    const struct envelope *envelopes; /* recipients are numbered through all envelopes: 0..n-1 */
};

/* Total number of recipients; the i-th with its envelope (NULL past the end). */
uint32_t spool_head_recipient_count(const struct spool_head *h);
const struct recipient *spool_head_recipient(const struct spool_head *h, uint32_t i,
                                             const struct envelope **envelope_r);

void spool_head_encode(buf *b, const struct spool_head *h);
/* Slices look into bytes; arrays are in the arena. ERR_CORRUPT, ERR_NOMEM, ERR_UNSUPPORTED (a newer version's tag). */
must_check enum err spool_head_decode(slice bytes, struct arena *arena, struct spool_head *head_r);

enum spool_outcome_kind {
    SPOOL_DELIVERED = 1, /* recipient is done */
    SPOOL_FAILED,        /* recipient is done; its bounce, if one is due, is in the same record group */
    SPOOL_DEFERRED,      /* tried in vain: tries, next time, reason */
    SPOOL_HELD,
    SPOOL_RELEASED,
    SPOOL_REMOVED, /* by an admin, no bounce */
    SPOOL_WARNED,  /* the delay warning was sent */
    SPOOL_BY_TOLD, /* the time to deliver by is over (RFC 2852), and its report was sent */
};

struct spool_outcome {
    uint64_t id;
    uint32_t recipient; /* number through all envelopes; UINT32_MAX: all that are still open */
    uint8_t kind;       /* enum spool_outcome_kind */
    uint16_t tries;     /* DEFERRED: so far */
    int64_t when_s;     /* unix time of the attempt */
    int64_t next_s;     /* DEFERRED: next attempt */
    uint16_t code;      /* reason: as struct verdict */
    uint8_t enhanced[3];
    slice text;   /* reason, at most 512 bytes are kept */
    slice remote; /* host[ip]:port that said it, or empty */
};

#endif
