/* SPDX-License-Identifier: ISC */
/* Inside the room only: one ring file as a reader sees it. */
#ifndef TRACE_VIEW_H
#define TRACE_VIEW_H

#include "trace/layout.h"
#include "trace/reader.h"

#define VIEW_NAME_MAX 32u

struct view {
    struct view *next;
    char name[VIEW_NAME_MAX];
    size_t name_len;
    int fd;
    uint64_t inode, device;
    bool gone;  /* its name is another file's by now: closed when it is read to its end */
    bool found; /* by the look at the folder that is under way */
    bool cut;   /* shorter than it should be */
    uint32_t block_count;
    uint64_t sequence; /* of the block that is being read; 0: not begun */
    bool lapped;       /* the first block that was read was not the first ever */
    int64_t first_us;  /* of the first record that was read */
    bool complete;     /* nothing more comes into this block */
    size_t got, at;    /* of the copy */
    bool ends;         /* it is read no farther than to end_at in the block end_sequence */
    uint64_t end_sequence;
    size_t end_at;
    bool pending; /* record is there, not yet given out */
    bool idle;    /* read to its end, for now */
    struct trace_record record;
    unsigned char block[RING_BLOCK_SIZE];
};

/* ERR_CORRUPT: no ring; ERR_AGAIN: it is being made. name below VIEW_NAME_MAX. */
must_check enum err view_open(int folder_fd, slice name, struct view **view_r);
void view_close(struct view **view);
/* Before the first view_step: what is written from now on is not read. */
void view_end_here(struct view *v);
/* Reads on: v->record, and true; or false: there is no more for now. */
bool view_step(struct view *v);
/* ERR_CORRUPT when it is no ring any more. */
must_check enum err view_totals(const struct view *v, struct trace_totals *t_r);

#endif
