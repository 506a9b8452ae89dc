/* SPDX-License-Identifier: ISC */
/* The journal's thread: gathers commits into batches, and makes each durable with one pwritev and one fdatasync. */
#include <assert.h>
#include <errno.h>

#include "spool/writer_parts.h"

#define SEGMENT_WAIT_S 10
#define VECTORS_BESIDE_CHUNKS 2 /* head and padding */

struct batch {
    struct list commits;
    uint32_t start, end; /* offsets in the active segment */
    int vector_count;
};

static const char padding[8];

/* Alone: at once. With others on their way: until all have come, enough have, or the first has waited long enough. */
bool spool_journal_due(const struct spool_writer *w)
{
    if (w->pending_count == 0)
        return false;
    return w->open_seen == 0 || w->pending_count >= GATHER_COUNT || w->stop_journal;
}

bool spool_journal_submit(struct spool_writer *w, struct list *commits, size_t count)
{
    if (w->pending_count == 0 && count > 0)
        w->pending_since_us = os_now_us();
    struct list *l;
    while ((l = list_pop(commits)))
        list_push(&w->pending, l);
    w->pending_count += count;
    return w->journal_state == JOURNAL_IDLE ? w->pending_count > 0
                                            : w->journal_state == JOURNAL_GATHERS && spool_journal_due(w);
}

static void wait_until_us(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t us)
{
    const struct timespec until = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    pthread_cond_timedwait(cond, lock, &until);
}

/* Lock held. False: nothing will come any more. */
static bool gather(struct spool_writer *w)
{
    while (!spool_journal_due(w)) {
        if (w->pending_count == 0) {
            if (w->stop_journal && w->finishing == 0)
                return false;
            w->journal_state = JOURNAL_IDLE;
            pthread_cond_wait(&w->journal_wake, &w->lock);
            continue;
        }
        int64_t until = w->pending_since_us + GATHER_US;
        if (os_now_us() >= until)
            break;
        w->journal_state = JOURNAL_GATHERS;
        wait_until_us(&w->journal_wake, &w->lock, until);
    }
    w->journal_state = JOURNAL_BUSY;
    return true;
}

static void note_closed(struct spool_writer *w, const struct spool_superblock *block)
{
    assert(w->closed_count < sizeof(w->closed) / sizeof(w->closed[0]));
    w->closed[w->closed_count++] = (struct closed_segment){block->number, block->epoch};
}

static void close_active(struct spool_writer *w, enum segment_state state)
{
    struct writer_segment *s = w->active;
    note_closed(w, &s->block);
    if (state == SEGMENT_RETIRED)
        os_forget(s->fd);
    os_close(&s->fd);
    pthread_mutex_lock(&w->lock);
    s->state = state;
    w->active = NULL;
    pthread_mutex_unlock(&w->lock);
}

/* Takes a spare, waiting for the yard to bring one when there is none. */
static enum err open_active(struct spool_writer *w)
{
    enum err e = ERR_OK;
    pthread_mutex_lock(&w->lock);
    int64_t until = os_now_us() + (int64_t)SEGMENT_WAIT_S * 1000000;
    w->segment_needed = list_empty(&w->spares);
    w->segment_err = ERR_OK;
    while (w->segment_needed && e == ERR_OK) {
        pthread_cond_signal(&w->yard_wake);
        wait_until_us(&w->journal_wake, &w->lock, until);
        if (w->segment_err != ERR_OK)
            e = w->segment_err;
        else if (w->segment_needed && os_now_us() >= until)
            e = ERR_TIMEOUT;
    }
    w->segment_needed = false;
    struct list *l = e == ERR_OK ? list_pop(&w->spares) : NULL;
    if (l) {
        w->spare_count--;
        w->active = LIST_ENTRY(l, struct writer_segment, link);
        w->active->state = SEGMENT_ACTIVE;
        list_push(&w->segments, l);
        pthread_cond_signal(&w->yard_wake);
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

static void add_vector(struct spool_writer *w, struct batch *b, const void *bytes, size_t len)
{
    if (len > 0)
        w->vectors[b->vector_count++] = (struct iovec){.iov_base = (void *)bytes, .iov_len = len};
}

static void add_commit(struct spool_writer *w, struct batch *b, struct spool_commit *c)
{
    const struct spool_superblock *block = &w->active->block;
    const struct spool_seal seal = {.mark = block->mark, .epoch = block->epoch, .batch = b->start};
    c->segment = block->number;
    c->epoch = block->epoch;
    c->offset = b->end;
    if (c->is_group)
        spool_record_seal_group(c->head.ptr, &seal);
    else
        spool_record_seal(c->head.ptr, &seal);
    add_vector(w, b, c->head.ptr, c->head.len);
    LIST_FOREACH(l, &c->chunks) {
        const struct spool_chunk *chunk = LIST_ENTRY(l, const struct spool_chunk, link);
        add_vector(w, b, chunk->bytes, chunk->len);
    }
    add_vector(w, b, padding, c->padding);
    b->end += c->length;
    list_push(&b->commits, &c->node.link);
}

/* As many as fit in the active segment and in one call. The first is always one of them: no record is longer than a fresh segment. */
static enum err fill(struct spool_writer *w, struct list *work, struct batch *b)
{
    struct spool_commit *first = LIST_ENTRY(work->next, struct spool_commit, node.link);
    if (w->active && w->active->block.size - w->active->committed < first->length)
        close_active(w, SEGMENT_CLOSED);
    enum err e = w->active ? ERR_OK : open_active(w);
    if (e != ERR_OK)
        return e;
    b->start = b->end = w->active->committed;
    while (!list_empty(work)) {
        struct spool_commit *c = LIST_ENTRY(work->next, struct spool_commit, node.link);
        if (c->length > w->active->block.size - b->end)
            break;
        if ((size_t)b->vector_count + c->chunk_count + VECTORS_BESIDE_CHUNKS > BATCH_VECTORS)
            break;
        list_remove(&c->node.link);
        add_commit(w, b, c);
    }
    return ERR_OK;
}

/* Hands the commits back, all with the same fate. */
static void complete(struct spool_writer *w, struct list *commits, uint32_t committed, enum err e)
{
    size_t reported = 0;
    LIST_FOREACH(l, commits) {
        struct spool_commit *c = LIST_ENTRY(l, struct spool_commit, node.link);
        c->err = e;
        c->committed = committed;
        if (reported < w->closed_count)
            c->closed = w->closed[reported++];
    }
    w->closed_count -= reported;
    memmove(w->closed, w->closed + reported, w->closed_count * sizeof(w->closed[0]));
    pthread_mutex_lock(&w->lock);
    if (e == ERR_OK)
        w->active->committed = committed;
    struct list *l;
    while ((l = list_pop(commits)))
        spool_writer_done(w, LIST_ENTRY(l, struct done_node, link));
    pthread_mutex_unlock(&w->lock);
}

static void write_all(struct spool_writer *w, struct list *work)
{
    while (!list_empty(work)) {
        struct batch b = {.vector_count = 0};
        list_init(&b.commits);
        enum err e = fill(w, work, &b);
        if (e != ERR_OK) {
            complete(w, work, 0, e);
            return;
        }
        e = os_pwritev(w->active->fd, w->vectors, b.vector_count, b.start);
        if (e == ERR_OK)
            e = os_fdatasync(w->active->fd);
        if (e != ERR_OK)
            close_active(w, SEGMENT_RETIRED);
        complete(w, &b.commits, b.end, e);
    }
}

void *spool_journal_run(void *writer)
{
    struct spool_writer *w = writer;
    struct list work;
    list_init(&work);
    pthread_mutex_lock(&w->lock);
    while (gather(w)) {
        struct list *l;
        while ((l = list_pop(&w->pending)))
            list_push(&work, l);
        w->pending_count = 0;
        pthread_mutex_unlock(&w->lock);
        write_all(w, &work);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}
