/* SPDX-License-Identifier: ISC */
#include "spool/scan.h"

#include "spool/checkpoint_read.h"
#include "spool/listing.h"
#include "spool/segment.h"
#include "spool/walk.h"
#include "spool/window.h"

#define SUPERBLOCK_TRIES 20 /* a millisecond apart */

struct scan {
    int dir_fd;
    const struct spool_scan_limit *limits;
    size_t limit_count;
    const struct spool_scan_ops *ops;
    void *ctx;
    const struct spool_writer_left *left; /* NULL: everybody's */
    struct spool_known *covered;          /* sorted by segment */
    size_t covered_count, covered_cap;
    struct spool_window window;
    bool unreadable; /* the disk did not give this segment's bytes */
};

static enum err keep_coverage(void *ctx, const struct spool_known *c)
{
    struct scan *s = ctx;
    if (s->covered_count == s->covered_cap) {
        size_t cap = s->covered_cap ? s->covered_cap * 2 : 64;
        struct spool_known *covered = realloc(s->covered, cap * sizeof(*covered));
        if (!covered)
            return ERR_NOMEM;
        s->covered = covered;
        s->covered_cap = cap;
    }
    s->covered[s->covered_count++] = *c;
    return ERR_OK;
}

static enum err pass_message(void *ctx, const struct spool_place *place, slice state)
{
    struct scan *s = ctx;
    enum err e = s->ops->checkpoint(s->ctx, place, state);
    if (e != ERR_CORRUPT && e != ERR_UNSUPPORTED)
        return e;
    s->ops->damaged(s->ctx, place->segment, place->offset, SLICE("the checkpoint's entry makes no sense"));
    return ERR_OK;
}

static int by_segment(const void *a, const void *b)
{
    const struct spool_known *x = a, *y = b;
    return (x->segment > y->segment) - (x->segment < y->segment);
}

/* Without a checkpoint everything is read: dearer, and mails that were done may come back, but none is lost. */
static enum err read_checkpoint(struct scan *s)
{
    static const struct spool_checkpoint_ops ops = {.segment = keep_coverage, .message = pass_message};
    int fd = -1;
    /* its rename, too, may have been seen by nobody but the page cache */
    enum err e = spool_folder_sync(s->dir_fd, SLICE("."));
    if (e == ERR_OK)
        e = os_open(s->dir_fd, SLICE("checkpoint"), O_RDONLY, 0, &fd);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    if (e == ERR_OK)
        e = spool_checkpoint_read(fd, NULL, NULL);
    if (e == ERR_OK)
        e = spool_checkpoint_read(fd, &ops, s);
    else if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        s->ops->damaged(s->ctx, 0, 0, SLICE("the checkpoint cannot be read; all segments are read instead"));
        e = ERR_OK;
    }
    os_close(&fd);
    if (s->covered_count > 0)
        qsort(s->covered, s->covered_count, sizeof(*s->covered), by_segment);
    return e;
}

/* Where reading begins: behind what the checkpoint covers, if it saw this epoch. */
static uint32_t start_of(const struct scan *s, const struct spool_superblock *block)
{
    const struct spool_known key = {.segment = block->number};
    const struct spool_known *c =
        s->covered_count ? bsearch(&key, s->covered, s->covered_count, sizeof(key), by_segment) : NULL;
    if (!c || c->epoch != block->epoch || c->offset < SPOOL_PAGE)
        return SPOOL_PAGE;
    return c->offset / 8 * 8;
}

static const struct spool_scan_limit *limit_of(const struct scan *s, uint64_t segment)
{
    for (size_t i = 0; i < s->limit_count; i++) {
        if (s->limits[i].segment == segment)
            return &s->limits[i];
    }
    return NULL;
}

/* The error of a read or open, as opposed to one of a callback. */
static enum err noted(struct scan *s, enum err e)
{
    s->unreadable = s->unreadable || e == ERR_IO;
    return e;
}

static enum err read_range(struct scan *s, int fd, uint64_t from, uint64_t end, slice *bytes_r)
{
    return noted(s, spool_window_read(&s->window, fd, from, end > from ? (size_t)(end - from) : 0, bytes_r));
}

/* A living owner may be writing it at this moment, and a read beside a write can see half of it. */
static enum err decode_superblock(int fd, uint64_t number, struct spool_superblock *block_r, enum err *why_r)
{
    char page[SPOOL_SUPERBLOCK];
    for (int tries = 0;; tries++) {
        size_t got;
        enum err e = os_pread(fd, page, sizeof(page), 0, &got);
        if (e != ERR_OK)
            return e;
        *why_r = spool_superblock_decode(slice_of(page, got), block_r);
        if (*why_r == ERR_OK && block_r->number != number)
            *why_r = ERR_CORRUPT;
        if (*why_r != ERR_CORRUPT || tries == SUPERBLOCK_TRIES)
            return ERR_OK;
        os_sleep_ms(1);
    }
}

/* Tells what cannot be read. ERR_NOTFOUND: nothing to walk here. */
static enum err read_superblock(struct scan *s, int fd, uint64_t number, struct spool_superblock *block_r)
{
    struct spool_superblock block;
    enum err why;
    enum err e = noted(s, decode_superblock(fd, number, &block, &why));
    if (e != ERR_OK)
        return e;
    if (why == ERR_OK) {
        *block_r = block;
        return ERR_OK;
    }
    if (why == ERR_UNSUPPORTED) {
        s->ops->damaged(s->ctx, number, 0, SLICE("the segment has a newer format"));
        return ERR_NOTFOUND;
    }
    slice bytes = SLICE_NONE;
    e = read_range(s, fd, SPOOL_PAGE, SPOOL_SEGMENT_MAX, &bytes);
    if (e != ERR_OK)
        return e;
    bool salvaged = spool_walk_salvage(bytes, number, block_r);
    if (salvaged || why == ERR_CORRUPT)
        s->ops->damaged(s->ctx, number, 0, SLICE("the superblock cannot be read"));
    return salvaged ? ERR_OK : ERR_NOTFOUND;
}

/* The one who wrote may have died between write and sync: what is believed now must survive a power cut later. When it cannot be synced, what the disk
 * itself has is read. */
static void settle(struct scan *s, int fd, uint64_t number)
{
    if (os_fdatasync(fd) == ERR_OK)
        return;
    s->ops->damaged(s->ctx, number, 0, SLICE("the segment cannot be synced"));
    os_forget(fd);
}

static bool is_asked_for(const struct scan *s, const struct spool_scan_limit *limit,
                         const struct spool_superblock *block)
{
    if (s->left)
        return block->writer == s->left->writer;
    return !limit || block->epoch == limit->epoch;
}

static enum err scan_open_segment(struct scan *s, int fd, uint64_t number)
{
    struct spool_superblock block;
    const struct spool_scan_limit *limit = limit_of(s, number);
    if (!limit && !s->left)
        settle(s, fd, number);
    enum err e = read_superblock(s, fd, number, &block);
    if (e == ERR_OK && !is_asked_for(s, limit, &block))
        return ERR_OK;
    if (e == ERR_OK)
        e = s->ops->segment(s->ctx, number, block.writer, block.epoch);
    if (e != ERR_OK)
        return e == ERR_AGAIN ? ERR_OK : e;
    if (s->left)
        settle(s, fd, number);
    uint32_t from = start_of(s, &block);
    slice bytes = SLICE_NONE;
    e = read_range(s, fd, from, limit ? limit->committed : SPOOL_SEGMENT_MAX, &bytes);
    if (e != ERR_OK)
        return e;
    if (limit && limit->committed > from && bytes.len < limit->committed - from)
        s->ops->damaged(s->ctx, number, from + (uint32_t)bytes.len,
                        SLICE("the segment is shorter than what was written"));
    const struct spool_walk walk = {
        .block = &block, .bytes = bytes, .from = from, .acknowledged = limit != NULL, .ops = s->ops, .ctx = s->ctx};
    return spool_walk_run(&walk);
}

/* A segment that vanishes meanwhile was removed by its owner because nothing in it lives. */
static enum err scan_segment(struct scan *s, uint64_t number)
{
    char name[SPOOL_NAME_SIZE];
    int fd = -1;
    s->unreadable = false;
    enum err e = noted(s, os_open(s->dir_fd, spool_segment_name(name, number), O_RDONLY, 0, &fd));
    if (e == ERR_OK)
        e = scan_open_segment(s, fd, number);
    os_close(&fd);
    if (e != ERR_OK && s->unreadable && s->ops->unreadable) {
        s->ops->unreadable(s->ctx, number);
        return ERR_OK;
    }
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err spool_scan(int dir_fd, const struct spool_scan_limit *limits, size_t limit_count,
                    const struct spool_scan_ops *ops, void *ctx)
{
    struct scan s = {.dir_fd = dir_fd, .limits = limits, .limit_count = limit_count, .ops = ops, .ctx = ctx};
    struct spool_listing segments = {0};
    enum err e = read_checkpoint(&s);
    if (e == ERR_OK)
        e = spool_listing_read(dir_fd, SLICE("seg"), &segments);
    for (size_t i = 0; e == ERR_OK && i < segments.count; i++)
        e = scan_segment(&s, segments.numbers[i]);
    spool_listing_deinit(&segments);
    free(s.covered);
    spool_window_deinit(&s.window);
    return e;
}

enum err spool_scan_left(int dir_fd, const struct spool_writer_left *left, const struct spool_scan_ops *ops, void *ctx)
{
    struct scan s = {.dir_fd = dir_fd,
                     .ops = ops,
                     .ctx = ctx,
                     .left = left,
                     .covered = left->known,
                     .covered_count = left->known_count};
    struct spool_listing segments = {0};
    if (left->known_count > 0)
        qsort(left->known, left->known_count, sizeof(*left->known), by_segment);
    enum err e = spool_listing_read(dir_fd, SLICE("seg"), &segments);
    for (size_t i = 0; e == ERR_OK && i < segments.count; i++) {
        if (segments.numbers[i] >= left->number_floor)
            e = scan_segment(&s, segments.numbers[i]);
    }
    spool_listing_deinit(&segments);
    spool_window_deinit(&s.window);
    return e;
}

enum err spool_segment_probe(int dir_fd, uint64_t segment)
{
    char name[SPOOL_NAME_SIZE], bytes[16384];
    size_t got = 0;
    int fd = -1;
    enum err e = os_open(dir_fd, spool_segment_name(name, segment), O_RDONLY, 0, &fd);
    for (uint64_t at = 0; e == ERR_OK; at += got) {
        e = os_pread(fd, bytes, sizeof bytes, at, &got);
        if (got < sizeof bytes)
            break;
    }
    os_close(&fd);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}
