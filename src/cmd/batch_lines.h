/* SPDX-License-Identifier: ISC */
/* Inside the room only: a job file as lines, of LF or CRLF line ends, from bytes of any cut. A line longer than what is kept comes in pieces, so memory is
 * bounded whatever the file holds; a CR is part of the line end only right before LF. Offset and CRC are of all bytes that were given out, so that a
 * checkpoint can say where to go on and see that what lies before is what it was. Reads nothing itself: PURE in all but its room. */
#ifndef CMD_BATCH_LINES_H
#define CMD_BATCH_LINES_H

#include "base/base.h"

#define BATCH_LINES_KEPT (64u * 1024)

struct batch_lines {
    char memory[BATCH_LINES_KEPT];
    size_t from, to;  /* what is kept */
    uint64_t number;  /* of the line that was given out last, from 1 */
    uint64_t offset;  /* bytes given out */
    uint32_t crc;     /* CRC32C of them */
    bool inside, end; /* a line was begun and not ended; nothing more comes */
};

struct batch_line {
    slice text;        /* without line end; until the next call */
    uint64_t number;   /* from 1 */
    bool begins, ends; /* neither: a piece from the middle of a long line */
};

/* At the file's beginning; or behind what was read before, with number, offset and crc as they were. */
void batch_lines_init(struct batch_lines *l);
/* Takes in what there is room for; *used_r may be less than all, also 0: then take lines first. */
void batch_lines_feed(struct batch_lines *l, slice in, size_t *used_r);
/* No more bytes: what is left is the last line, with or without line end. */
void batch_lines_end(struct batch_lines *l);
/* False when more bytes are needed, or after the last line. */
bool batch_lines_next(struct batch_lines *l, struct batch_line *line_r);

#endif
