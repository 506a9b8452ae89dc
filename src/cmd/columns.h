/* SPDX-License-Identifier: ISC */
/* Inside the room only: a table of text in columns with two spaces between them, as people read it. Rows gather and are printed in batches, so that a million of
 * them need no more memory than a thousand: columns only grow from batch to batch. Cells are peers' words: they are escaped here. Where a line would be
 * wider than the limit, the widest columns that may be cut are cut, with dots at the end. Pure but for its memory. */
#ifndef CMD_COLUMNS_H
#define CMD_COLUMNS_H

#include "base/base.h"

#define COLUMNS_MAX 8u

struct column {
    const char *title;
    bool right;   /* numbers */
    bool cut;     /* may be made narrower than its content */
    size_t least; /* width */
};

struct columns {
    const struct column *columns;
    size_t count;
    size_t width; /* of a line, at most; in characters */
    bool color;
    bool titled; /* the first batch is printed */
    size_t wide[COLUMNS_MAX];
    size_t shown[COLUMNS_MAX];
    buf cells; /* escaped, one after the other */
    buf sizes; /* of each */
};

/* columns must outlive c. */
void columns_init(struct columns *c, const struct column *columns, size_t count, size_t width);
void columns_deinit(struct columns *c);
/* The next cell, row by row. */
void columns_add(struct columns *c, slice cell);
/* The same for words of ours that need no escape: ASCII without controls and backslashes. */
void columns_add_plain(struct columns *c, slice cell);
/* True when no cell has gathered since the last batch. */
bool columns_empty(const struct columns *c);
/* True when it is time to print a batch: call it after whole rows. */
bool columns_full(const struct columns *c);
/* Appends the titles (once) and the rows that have gathered, and forgets these. Makes out fail when not all of them could be kept. */
void columns_print(struct columns *c, buf *out);

#endif
