/* SPDX-License-Identifier: ISC */
/* Inside the room only: how many lines a client gets. A bucket for each address (of IPv6: each /64) and kind of event, in a table of fixed size: when it is full, the one of a set that was quiet longest gives way. What a bucket does not
 * let through is counted and told before the next that passes, or when the client has been quiet for a while. A mail that was taken fills its client's buckets: a busy peer that does no wrong has all of its lines. Called under the log's lock. */
#ifndef OS_LOG_LIMIT_H
#define OS_LOG_LIMIT_H

#include "os/log.h"

#define LOG_BUCKET_SETS 128u
#define LOG_BUCKET_WAYS 8u

struct log_bucket {
    uint64_t client; /* hash; 0: nobody's */
    int64_t last_us; /* when it was asked */
    int64_t millis;  /* what is in it, thousandths of lines */
    uint32_t left_out;
    char address[48]; /* for telling; cut */
    char name[16];    /* of the kind of event; cut */
    unsigned char address_len, name_len;
};

struct log_limit {
    uint32_t lines; /* 0: no limit */
    struct hash_key key;
    uint64_t waiting; /* left out and not told, of all */
    int64_t swept_us;
    struct log_bucket buckets[LOG_BUCKET_SETS][LOG_BUCKET_WAYS];
};

/* Lines that were left out. */
struct log_left_out {
    char address[48], name[16];
    size_t address_len, name_len;
    uint32_t count; /* 0: none */
};

/* Empties all buckets' debts into nothing: for a new configuration, and for a child, whose parent tells. */
void log_limit_init(struct log_limit *l, uint32_t lines);
/* False: the line is left out. *told_r: what is to be told first (of this bucket, or of one that gave way). */
must_check bool log_limit_allow(struct log_limit *l, slice client, slice event, int64_t now_us,
                                struct log_left_out *told_r);
/* The client did something good. */
void log_limit_refill(struct log_limit *l, slice client);
/* The next debt that is due (at the end: any); false when there is none. */
must_check bool log_limit_due(struct log_limit *l, int64_t now_us, bool at_end, struct log_left_out *told_r);

#endif
