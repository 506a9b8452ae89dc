/* SPDX-License-Identifier: ISC */
/* Inside the room only: how a ring file is laid out (trace/ring.h), and its records. A record: u32 length, a multiple of 8; u32 CRC32C of the block's sequence and of all that follows; i64 time in us; u32 pid; kind; level; number of
 * fields; 0; u16 length of the message; the fields; the message. A field: key; 1 for a number, which is an i64, or 0 for a text, which has a u16 length before it. Little-endian, but for the header and a block's sequence, which have the machine's own order, because
 * they are changed in place. The sequence in the CRC is what makes the records of a block's last turn invalid at once when it is begun anew. Numbers of kinds and keys are those of the tables. */
#ifndef TRACE_LAYOUT_H
#define TRACE_LAYOUT_H

#include <stdatomic.h>

#include "trace/reader.h"

#define RING_MAGIC UINT64_C(0x31474e4952524854) /* "THRRING1" */
#define RING_HEADER_SIZE 4096u
#define RING_BLOCK_SIZE 32768u
#define RING_BLOCKS_MAX (1u << 20)
#define RING_BLOCK_HEAD 16u
#define RING_COUNTERS 64u
#define RING_GAUGES 32u
#define RING_SEQUENCE_MAX (UINT64_C(1) << 62)
#define RING_TIME_MAX_US INT64_C(253402300799000000) /* the year 9999: what is added to such a time stays in range */
#define RECORD_HEAD 26u
#define RECORD_MAX 4096u
#define RECORD_TEXT_MAX 1024u

struct ring_header {
    uint64_t magic;
    uint32_t block_size, block_count;
    _Atomic uint32_t pid; /* 0: nobody writes */
    uint32_t reserved;
    _Atomic int64_t started_us;
    _Atomic uint64_t counters[RING_COUNTERS];
    _Atomic int64_t gauges[RING_GAUGES];
};
_Static_assert(sizeof(struct ring_header) <= RING_HEADER_SIZE, "the header is one page");
_Static_assert((int)TRACE_KIND_COUNT <= (int)RING_COUNTERS && (int)TRACE_GAUGE_COUNT <= (int)RING_GAUGES,
               "there is room for more");

static inline uint64_t ring_block_at(uint64_t index)
{
    return RING_HEADER_SIZE + index * RING_BLOCK_SIZE;
}
static inline bool ring_sequence_fits(uint64_t sequence, uint32_t index, uint32_t block_count)
{
    return sequence > 0 && sequence < RING_SEQUENCE_MAX && (sequence - 1) % block_count == index;
}

/* An event to be written. */
struct record_made {
    int64_t time_us;
    uint32_t pid;
    const struct trace_event *event;
    slice message;
};

/* Writes r as a record into out; its length. Texts above RECORD_TEXT_MAX are cut, what does not fit into RECORD_MAX is left out. */
size_t record_encode(unsigned char out[RECORD_MAX], uint64_t sequence, const struct record_made *r);
/* Finds the first whole record at or behind *at_r (a multiple of 8) in a block's bytes and decodes it; *at_r becomes where it ends. What is damaged is passed over. False: there is none. Texts of *r point into block;
 * its process is not set. */
bool record_next(slice block, uint64_t sequence, size_t *at_r, struct trace_record *r);

/* trace_emit's part: counts the event and keeps it, when this process has a ring. */
void ring_take(const struct trace_event *e, slice message, int64_t now_us);

#endif
