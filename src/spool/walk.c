/* SPDX-License-Identifier: ISC */
#include "spool/walk.h"

#include "spool/outcome.h"

#define HOLES 64

struct position {
    const struct spool_walk *w;
    size_t at; /* in the walk's bytes */
    /* Places where no record could be read and later ones were found, not yet known to be torn or damaged. */
    uint32_t holes[HOLES];
    size_t hole_count;
};

static void report(const struct spool_walk *w, uint32_t offset, slice what)
{
    w->ops->damaged(w->ctx, w->block->number, offset, what);
}

/* The batch of a valid record began after the hole: so the hole's batch was complete on the disk before that. */
static void settle_holes(struct position *p, uint32_t batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->hole_count; i++) {
        if (p->holes[i] < batch)
            report(p->w, p->holes[i], SLICE("a record that was complete cannot be read"));
        else
            p->holes[kept++] = p->holes[i];
    }
    p->hole_count = kept;
}

static void add_hole(struct position *p, uint32_t offset)
{
    if (p->hole_count == HOLES || p->w->acknowledged)
        report(p->w, offset, SLICE("a record cannot be read"));
    else
        p->holes[p->hole_count++] = offset;
}

/* A record of a group is none of its own: when the group is torn, nothing of it counts. */
static enum err read_here(const struct spool_walk *w, size_t at, struct spool_record *record_r)
{
    slice rest = slice_skip(w->bytes, at);
    if (rest.len < SPOOL_FRAME_SIZE || get_u64(rest.ptr) != w->block->mark)
        return ERR_CORRUPT;
    struct spool_record r;
    if (spool_record_peek(rest, &r) == ERR_CORRUPT || r.seal.epoch != w->block->epoch || (r.flags & SPOOL_RECORD_INNER))
        return ERR_CORRUPT;
    if (r.seal.batch > w->from + at)
        return ERR_CORRUPT;
    return spool_record_read(rest, record_r);
}

static enum err find_next(const struct spool_walk *w, size_t *at, struct spool_record *record_r)
{
    enum err e = ERR_CORRUPT;
    while (e == ERR_CORRUPT && *at < w->bytes.len) {
        *at += 8;
        e = read_here(w, *at, record_r);
    }
    return e;
}

static enum err emit_one(const struct spool_walk *w, uint32_t offset, const struct spool_record *r)
{
    if (r->kind == SPOOL_RECORD_OUTCOME) {
        struct spool_outcome o;
        enum err e = spool_outcome_decode(r->head, &o);
        if (e == ERR_OK && o.id != r->id)
            e = ERR_CORRUPT;
        return e == ERR_OK ? w->ops->outcome(w->ctx, &o) : e;
    }
    if (r->kind != SPOOL_RECORD_MESSAGE)
        return ERR_CORRUPT;
    const struct spool_place place = {.segment = w->block->number,
                                      .id = r->id,
                                      .offset = offset,
                                      .length = r->length,
                                      .epoch = r->seal.epoch,
                                      .copy = r->copy};
    return w->ops->message(w->ctx, &place, r->head);
}

/* What a callback cannot make sense of is damaged like what has a wrong CRC. */
static enum err judge(const struct spool_walk *w, uint32_t offset, enum err e)
{
    if (e != ERR_CORRUPT && e != ERR_UNSUPPORTED)
        return e;
    report(w, offset,
           e == ERR_CORRUPT ? SLICE("a record's content makes no sense")
                            : SLICE("a record of a kind that is not known"));
    return ERR_OK;
}

static enum err emit_group(const struct spool_walk *w, uint32_t offset, const struct spool_record *group)
{
    slice left = group->body;
    offset += SPOOL_FRAME_SIZE + (uint32_t)group->head.len;
    while (left.len > 0) {
        struct spool_record r;
        enum err e = spool_record_read(left, &r);
        if (e == ERR_CORRUPT)
            return judge(w, offset, e);
        if (e == ERR_OK)
            e = emit_one(w, offset, &r);
        e = judge(w, offset, e);
        if (e != ERR_OK)
            return e;
        left = slice_skip(left, r.length);
        offset += r.length;
    }
    return ERR_OK;
}

static enum err emit(const struct spool_walk *w, size_t at, const struct spool_record *r)
{
    uint32_t offset = w->from + (uint32_t)at;
    if (r->kind == SPOOL_RECORD_GROUP)
        return emit_group(w, offset, r);
    return judge(w, offset, emit_one(w, offset, r));
}

enum err spool_walk_run(const struct spool_walk *w)
{
    struct position p = {.w = w};
    while (p.at < w->bytes.len) {
        struct spool_record r;
        size_t here = p.at;
        enum err e = read_here(w, p.at, &r);
        if (e == ERR_CORRUPT) {
            e = find_next(w, &p.at, &r);
            if (e != ERR_CORRUPT || w->acknowledged)
                add_hole(&p, w->from + (uint32_t)here);
        }
        if (e == ERR_CORRUPT)
            break;
        settle_holes(&p, r.seal.batch);
        if (e == ERR_UNSUPPORTED)
            e = judge(w, w->from + (uint32_t)p.at, e);
        else
            e = emit(w, p.at, &r);
        if (e != ERR_OK)
            return e;
        p.at += r.length;
    }
    return ERR_OK;
}

bool spool_walk_salvage(slice bytes, uint64_t number, struct spool_superblock *block_r)
{
    struct spool_record r;
    if (spool_record_read(bytes, &r) != ERR_OK || r.seal.batch != SPOOL_PAGE || (r.flags & SPOOL_RECORD_INNER))
        return false;
    *block_r =
        (struct spool_superblock){.number = number, .mark = r.seal.mark, .writer = UINT32_MAX, .epoch = r.seal.epoch};
    return true;
}
