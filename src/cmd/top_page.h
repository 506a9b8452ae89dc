/* SPDX-License-Identifier: ISC */
/* Inside the room only: what `thurn top` shows, as lines of text or as JSON. Pure but for the time of day, which is passed in. */
#ifndef CMD_TOP_PAGE_H
#define CMD_TOP_PAGE_H

#include "cmd/top_state.h"

struct top_size {
    size_t width, height; /* height 0: as many lines as there are */
};

/* Lines, each with its LF. Tables are as wide as columns.h makes them, and no line is wider than the width where that is 80 or more. What matters most comes first: whoever has fewer lines than that cuts the end. */
void top_page_print(buf *out, const struct top_state *s, int64_t now_us, struct top_size size);
/* An object a process, and one of all: its "process" is null. */
void top_page_json(buf *out, const struct top_state *s);

#endif
