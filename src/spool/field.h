/* SPDX-License-Identifier: ISC */
/* Inside the room only: the fields that heads, outcomes and checkpoints are made of, little-endian integers and strings with their length before
 * them. A field_reader takes them off a slice that may hold anything: past its end every read gives zero or nothing and the
 * error sticks, so it is checked once at the end. */
#ifndef SPOOL_FIELD_H
#define SPOOL_FIELD_H

#include "base/base.h"

struct field_reader {
    slice left;
    bool failed;
};

void field_put_u8(buf *b, uint8_t v);
void field_put_u16(buf *b, uint16_t v);
void field_put_u32(buf *b, uint32_t v);
void field_put_u64(buf *b, uint64_t v);
/* With a length of 16 bits before it; a longer string makes the buffer fail. */
void field_put_string(buf *b, slice s);

uint8_t field_u8(struct field_reader *r);
uint16_t field_u16(struct field_reader *r);
uint32_t field_u32(struct field_reader *r);
uint64_t field_u64(struct field_reader *r);
slice field_string(struct field_reader *r);
/* The next len bytes. */
slice field_bytes(struct field_reader *r, size_t len);

#endif
