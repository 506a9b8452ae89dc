/* SPDX-License-Identifier: ISC */
#include "cmd/batch_lines.h"

#include <string.h>

void batch_lines_init(struct batch_lines *l)
{
    l->from = l->to = 0;
    l->number = l->offset = 0;
    l->crc = 0;
    l->inside = l->end = false;
}

void batch_lines_feed(struct batch_lines *l, slice in, size_t *used_r)
{
    if (l->from > 0) {
        memmove(l->memory, l->memory + l->from, l->to - l->from);
        l->to -= l->from;
        l->from = 0;
    }
    size_t room = sizeof l->memory - l->to;
    slice taken = slice_sub(in, 0, room);
    if (taken.len > 0)
        memcpy(l->memory + l->to, taken.ptr, taken.len);
    l->to += taken.len;
    *used_r = taken.len;
}

void batch_lines_end(struct batch_lines *l)
{
    l->end = true;
}

static void give(struct batch_lines *l, size_t bytes, struct batch_line *line_r)
{
    slice raw = slice_of(l->memory + l->from, bytes);
    *line_r = (struct batch_line){.text = raw, .begins = !l->inside};
    if (raw.len > 0 && raw.ptr[raw.len - 1] == '\n') {
        line_r->ends = true;
        line_r->text.len--;
        if (line_r->text.len > 0 && raw.ptr[line_r->text.len - 1] == '\r')
            line_r->text.len--;
    }
    l->crc = hash_crc32c(l->crc, raw);
    l->offset += bytes;
    l->from += bytes;
    l->number += line_r->begins;
    line_r->number = l->number;
    l->inside = !line_r->ends;
}

bool batch_lines_next(struct batch_lines *l, struct batch_line *line_r)
{
    slice kept = slice_of(l->memory + l->from, l->to - l->from);
    ptrdiff_t newline = slice_find_char(kept, '\n');
    if (newline >= 0) {
        give(l, (size_t)newline + 1, line_r);
        return true;
    }
    if (kept.len == 0)
        return false;
    if (l->end) {
        give(l, kept.len, line_r);
        line_r->ends = true;
        return true;
    }
    if (kept.len < sizeof l->memory)
        return false;
    /* The last byte may be the CR of a CRLF. */
    give(l, kept.len - 1, line_r);
    return true;
}
