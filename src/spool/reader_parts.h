/* SPDX-License-Identifier: ISC */
/* Inside the room only: what the two ways to read records share, one at a time (reader.c) and many heads in a row (heads.c). The descriptors of segments are
 * the reader's, which keeps a bounded number of them open; whoever asks for one uses it within one call and does not close it. Nothing here
 * checks CRCs: that is spool/record's. */
#ifndef SPOOL_READER_PARTS_H
#define SPOOL_READER_PARTS_H

#include "spool/reader.h"
#include "spool/record.h"

/* ERR_NOTFOUND: the segment is gone. */
must_check enum err spool_reader_segment(struct spool_reader *r, uint64_t segment, int *fd_r);
/* Is it the record that the place means? */
bool spool_reader_matches(const struct spool_record *record, const struct spool_place *place);

#endif
