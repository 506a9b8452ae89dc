/* SPDX-License-Identifier: ISC */
/* Reading a message for delivery, listing or moving: by descriptor, through the page cache. Epoch, id and CRC are checked before the first byte of content is handed out. A
 * reader keeps a bounded number of segment descriptors open; it never writes. */
#ifndef SPOOL_READER_H
#define SPOOL_READER_H

#include "os/os.h"
#include "spool/head.h"

struct spool_reader;
struct spool_entry;

/* dir_fd stays the caller's. */
must_check enum err spool_reader_open(int dir_fd, struct spool_reader **reader_r);
void spool_reader_close(struct spool_reader **r);
/* Opens and checks the record at place. ERR_NOTFOUND (segment or file is gone), ERR_CORRUPT (another epoch, id, or a wrong CRC), ERR_IO. */
must_check enum err spool_entry_open(struct spool_reader *r, const struct spool_place *place,
                                     struct spool_entry **entry_r);
void spool_entry_close(struct spool_entry **e);
const struct spool_head *spool_entry_head(const struct spool_entry *e);
/* Content from offset: up to max bytes, fewer only at the end (empty: the end). The slice lives until the next call on this entry. ERR_IO, ERR_CORRUPT. */
must_check enum err spool_entry_content(struct spool_entry *e, uint64_t offset, size_t max, slice *content_r);
/* Lets go of segments that have been removed: an open descriptor keeps their space taken on the disk. To be called every few seconds; does not touch open entries. */
void spool_reader_trim(struct spool_reader *r);
/* Only the head (listing): cheaper, body CRC not checked. */
must_check enum err spool_entry_open_head(struct spool_reader *r, const struct spool_place *place,
                                          struct spool_entry **entry_r);

/* Heads of many records, one after the other as they lie: those that are close together come with one read. What was read ahead is not looked at anew, so it is for a moment in which
 * no segment is recycled and all places are known: close it before the loop's turn ends. */
struct spool_heads;
must_check enum err spool_heads_open(struct spool_reader *r, struct spool_heads **heads_r);
void spool_heads_close(struct spool_heads **h);
/* As spool_entry_open_head; the head lives until the next call. */
must_check enum err spool_heads_read(struct spool_heads *h, const struct spool_place *place,
                                     const struct spool_head **head_r);

#endif
