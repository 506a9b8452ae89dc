/* SPDX-License-Identifier: ISC */
#include "trace/reader.h"

#include <stdlib.h>

#include "trace/view.h"

#define VIEWS_MAX 256u

struct trace_reader {
    struct view *views;
    size_t count;
    struct view *given; /* whose record the caller has */
    int64_t since_us;   /* of rings that are gone */
    char flaw[VIEW_NAME_MAX];
    size_t flaw_len;
    enum err flaw_why;
    bool ends;
    size_t folder_len;
    char folder[];
};

/* "receiver-0" */
static bool is_ring_name(slice name)
{
    slice kind, slot;
    uint64_t number;
    if (name.len >= VIEW_NAME_MAX || !slice_cut(name, '-', &kind, &slot) || kind.len == 0)
        return false;
    for (size_t i = 0; i < kind.len; i++)
        if (!ascii_is_alpha(kind.ptr[i]))
            return false;
    return slice_to_u64(slot, 9999, &number) == ERR_OK;
}

static struct view *view_find(struct trace_reader *r, slice name)
{
    for (struct view *v = r->views; v; v = v->next) {
        if (!v->gone && slice_equal(slice_of(v->name, v->name_len), name))
            return v;
    }
    return NULL;
}

static void note_flaw(struct trace_reader *r, slice name, enum err why)
{
    if (r->flaw_len > 0)
        return;
    memcpy(r->flaw, name.ptr, name.len);
    r->flaw_len = name.len;
    r->flaw_why = why;
}

static void look_at_file(struct trace_reader *r, int folder_fd, slice name)
{
    struct os_file_stamp stamp;
    struct view *v = view_find(r, name);
    if (v) {
        v->found = true;
        if (os_file_stamp(folder_fd, name, false, &stamp) != ERR_OK ||
            (stamp.inode == v->inode && stamp.device == v->device)) {
            if (v->cut)
                note_flaw(r, name, ERR_CORRUPT);
            return;
        }
        v->gone = true;
    }
    enum err e = r->count < VIEWS_MAX ? view_open(folder_fd, name, &v) : ERR_LIMIT;
    if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_AGAIN)
        note_flaw(r, name, e);
    if (e != ERR_OK)
        return;
    if (v->cut)
        note_flaw(r, name, ERR_CORRUPT);
    v->found = true;
    v->next = r->views;
    r->views = v;
    r->count++;
}

/* What cannot be opened is not there for us: the next look tries again. */
static enum err look_at_folder(struct trace_reader *r)
{
    slice path = slice_of(r->folder, r->folder_len), name;
    struct os_dir *dir = NULL;
    int fd = -1;
    enum err e = os_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_dir_open(fd, SLICE("."), &dir);
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    for (struct view *v = r->views; v; v = v->next)
        v->found = false;
    r->flaw_len = 0;
    while (os_dir_next(dir, &name) == ERR_OK) {
        if (is_ring_name(name))
            look_at_file(r, fd, name);
    }
    for (struct view *v = r->views; v; v = v->next)
        v->gone |= !v->found;
    os_dir_close(&dir);
    os_close(&fd);
    return ERR_OK;
}

enum err trace_reader_open(const char *folder, struct trace_reader **reader_r)
{
    slice path = slice_str(folder);
    struct trace_reader *r = calloc(1, sizeof *r + path.len);
    if (!r)
        return ERR_NOMEM;
    if (path.len > 0)
        memcpy(r->folder, path.ptr, path.len);
    r->folder_len = path.len;
    enum err e = look_at_folder(r);
    if (e != ERR_OK)
        trace_reader_close(&r);
    else
        *reader_r = r;
    return e;
}

void trace_reader_close(struct trace_reader **reader)
{
    struct trace_reader *r = *reader;
    if (!r)
        return;
    *reader = NULL;
    for (struct view *v = r->views, *next; v; v = next) {
        next = v->next;
        view_close(&v);
    }
    free(r);
}

void trace_reader_end_here(struct trace_reader *r)
{
    r->ends = true;
    for (struct view *v = r->views; v; v = v->next)
        view_end_here(v);
}

static int64_t view_since(const struct view *v)
{
    return v->lapped ? v->first_us : 0;
}

/* Those whose file is gone, and which have no more to tell. */
static void sweep(struct trace_reader *r)
{
    for (struct view **link = &r->views; *link;) {
        struct view *v = *link;
        if (!v->gone || !v->idle) {
            link = &v->next;
            continue;
        }
        r->since_us = view_since(v) > r->since_us ? view_since(v) : r->since_us;
        *link = v->next;
        r->count--;
        view_close(&v);
    }
}

static void step(struct view *v)
{
    v->pending = view_step(v);
    v->idle = !v->pending;
}

static struct view *soonest(struct trace_reader *r)
{
    struct view *best = NULL;
    for (struct view *v = r->views; v; v = v->next) {
        if (!v->pending && !v->idle)
            step(v);
        if (v->pending && (!best || v->record.time_us < best->record.time_us))
            best = v;
    }
    return best;
}

bool trace_reader_next(struct trace_reader *r, struct trace_record *record_r)
{
    if (r->given)
        r->given->pending = false;
    r->given = soonest(r);
    if (!r->given && !r->ends) {
        /* All were read to their end: what has come since? */
        sweep(r);
        enum err e = look_at_folder(r);
        (void)e; /* without the folder those that are open go on */
        for (struct view *v = r->views; v; v = v->next)
            v->idle = false;
        r->given = soonest(r);
    }
    if (r->given)
        *record_r = r->given->record;
    return r->given != NULL;
}

int64_t trace_reader_since_us(const struct trace_reader *r)
{
    int64_t since = r->since_us;
    for (const struct view *v = r->views; v; v = v->next)
        since = view_since(v) > since ? view_since(v) : since;
    return since;
}

slice trace_reader_flaw(const struct trace_reader *r, enum err *why_r)
{
    if (r->flaw_len > 0)
        *why_r = r->flaw_why;
    return slice_of(r->flaw, r->flaw_len);
}

void trace_reader_totals(struct trace_reader *r, void (*each)(void *ctx, const struct trace_totals *totals), void *ctx)
{
    struct trace_totals t;
    enum err e = look_at_folder(r);
    (void)e; /* as above */
    for (struct view *v = r->views; v; v = v->next) {
        if (!v->gone && view_totals(v, &t) == ERR_OK)
            each(ctx, &t);
    }
}
