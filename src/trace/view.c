/* SPDX-License-Identifier: ISC */
#include "trace/view.h"

#include <stdlib.h>

#define GAUGE_MAX (INT64_C(1) << 53) /* such numbers can be added up, and are exact in JSON */

static enum err read_header(int fd, struct ring_header *h)
{
    size_t got = 0;
    enum err e = os_pread(fd, h, sizeof *h, 0, &got);
    if (e != ERR_OK)
        return e;
    if (got == sizeof *h && h->magic == 0)
        return ERR_AGAIN;
    bool good = got == sizeof *h && h->magic == RING_MAGIC && h->block_size == RING_BLOCK_SIZE && h->block_count >= 2 &&
                h->block_count <= RING_BLOCKS_MAX;
    return good ? ERR_OK : ERR_CORRUPT;
}

enum err view_open(int folder_fd, slice name, struct view **view_r)
{
    struct ring_header h;
    struct os_file_stamp stamp;
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return ERR_NOMEM;
    v->fd = -1;
    enum err e = os_open(folder_fd, name, O_RDONLY | O_NONBLOCK, 0, &v->fd);
    if (e == ERR_OK)
        e = os_fd_stamp(v->fd, &stamp);
    if (e == ERR_OK)
        e = stamp.is_regular ? read_header(v->fd, &h) : ERR_CORRUPT;
    if (e != ERR_OK) {
        view_close(&v);
        return e;
    }
    v->name_len = name.len;
    memcpy(v->name, name.ptr, name.len);
    v->inode = stamp.inode;
    v->device = stamp.device;
    v->block_count = h.block_count;
    v->cut = stamp.size < ring_block_at(h.block_count);
    *view_r = v;
    return ERR_OK;
}

void view_close(struct view **view)
{
    struct view *v = *view;
    *view = NULL;
    os_close(&v->fd);
    free(v);
}

/* 0: never used, or damaged. */
static uint64_t sequence_at(const struct view *v, uint32_t index)
{
    uint64_t sequence;
    size_t got = 0;
    if (os_pread(v->fd, &sequence, sizeof sequence, ring_block_at(index), &got) != ERR_OK || got < sizeof sequence)
        return 0;
    return ring_sequence_fits(sequence, index, v->block_count) ? sequence : 0;
}

static uint64_t newest_of(const struct view *v)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < v->block_count; i++) {
        uint64_t s = sequence_at(v, i);
        newest = s > newest ? s : newest;
    }
    return newest;
}

/* The oldest block that is younger than `than`: 0 when there is none. Those that are a whole turn behind the youngest are what a damaged number looks like. */
static uint64_t oldest_behind(const struct view *v, uint64_t than)
{
    uint64_t newest = newest_of(v), oldest = 0;
    uint64_t floor = newest > v->block_count ? newest - v->block_count : 0;
    floor = floor > than ? floor : than;
    for (uint32_t i = 0; i < v->block_count; i++) {
        uint64_t s = sequence_at(v, i);
        if (s > floor && (oldest == 0 || s < oldest))
            oldest = s;
    }
    return oldest;
}

static bool go_to(struct view *v, uint64_t sequence)
{
    if (sequence == 0)
        return false;
    v->sequence = sequence;
    v->at = RING_BLOCK_HEAD;
    v->got = 0;
    v->complete = false;
    return true;
}

/* Copies the block. False: it is not ours any more, or not yet. */
static bool load(struct view *v)
{
    uint64_t sequence;
    size_t got = 0;
    uint64_t at = ring_block_at((v->sequence - 1) % v->block_count);
    v->got = 0;
    if (os_pread(v->fd, v->block, sizeof v->block, at, &got) != ERR_OK || got < RING_BLOCK_HEAD)
        return false;
    memcpy(&sequence, v->block, sizeof sequence);
    if (sequence != v->sequence)
        return false;
    v->got = got;
    return true;
}

static bool take(struct view *v)
{
    struct trace_record r;
    if (!record_next(slice_of(v->block, v->got), v->sequence, &v->at, &r))
        return false;
    v->record = r;
    v->record.process = slice_of(v->name, v->name_len);
    if (v->first_us == 0)
        v->first_us = r.time_us;
    return true;
}

/* A record that was half written when its page was copied, while one behind it was whole, is whole now: so the block is looked at once more before one is passed over. */
static bool load_and_take(struct view *v)
{
    size_t at = v->at;
    if (!load(v))
        return false;
    struct trace_record r;
    size_t end = at;
    if (!record_next(slice_of(v->block, v->got), v->sequence, &end, &r))
        return false;
    bool passed_over = get_u32(v->block + at) != end - at;
    if (passed_over && !load(v))
        return false;
    return take(v);
}

void view_end_here(struct view *v)
{
    struct trace_record r;
    v->ends = true;
    if (go_to(v, newest_of(v)) && load(v)) {
        while (record_next(slice_of(v->block, v->got), v->sequence, &v->at, &r))
            ;
    }
    v->end_sequence = v->sequence;
    v->end_at = v->at;
    v->sequence = 0;
    v->got = 0;
}

static bool at_end(const struct view *v)
{
    return v->ends && (v->sequence > v->end_sequence || (v->sequence == v->end_sequence && v->at >= v->end_at));
}

bool view_step(struct view *v)
{
    if (v->sequence == 0) {
        if (!go_to(v, oldest_behind(v, 0)))
            return false;
        v->lapped = v->sequence > 1;
    }
    for (uint32_t tries = 0; tries < 2 * v->block_count; tries++) {
        if (at_end(v))
            return false;
        if (take(v))
            return true;
        if (!v->complete) {
            /* Asked first: when the next block is begun, all of this one is there. */
            v->complete = sequence_at(v, (uint32_t)(v->sequence % v->block_count)) == v->sequence + 1;
            if (load_and_take(v))
                return true;
        }
        if (v->complete)
            (void)go_to(v, v->sequence + 1);
        else if (v->got > 0 || !go_to(v, oldest_behind(v, v->sequence)))
            return false;
    }
    return false;
}

/* A process writes what it likes into its own file. */
static int64_t in_range(int64_t value, int64_t max)
{
    return value < 0 ? 0 : value < max ? value : max;
}

enum err view_totals(const struct view *v, struct trace_totals *t_r)
{
    struct ring_header h;
    enum err e = read_header(v->fd, &h);
    if (e != ERR_OK)
        return e;
    *t_r = (struct trace_totals){.process = slice_of(v->name, v->name_len),
                                 .pid = h.pid,
                                 .started_us = in_range(h.started_us, RING_TIME_MAX_US)};
    for (int i = 0; i < TRACE_KIND_COUNT; i++)
        t_r->counters[i] = h.counters[i];
    for (int i = 0; i < TRACE_GAUGE_COUNT; i++)
        t_r->gauges[i] = in_range(h.gauges[i], GAUGE_MAX);
    return ERR_OK;
}
