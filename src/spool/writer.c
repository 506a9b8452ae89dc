/* SPDX-License-Identifier: ISC */
#include "spool/writer.h"

#include <assert.h>
#include <signal.h>

#include "spool/writer_parts.h"

#define INLINE_MAX_DEFAULT (256u << 10)
#define INLINE_MAX_LEAST (64u << 10) /* a message's start is that long, and stays in one piece */

/* All that is preallocated, one segment in use and the spares, takes at most a tenth of what is free. */
static uint32_t choose_segment_size(const struct spool_writer_options *o, uint64_t free_bytes)
{
    uint64_t size = o->segment_size > 0 ? o->segment_size : free_bytes / 10 / (SPARES + 1);
    if (size > SPOOL_SEGMENT_MAX)
        size = SPOOL_SEGMENT_MAX;
    if (size < SPOOL_SEGMENT_MIN)
        size = SPOOL_SEGMENT_MIN;
    return (uint32_t)(size / SPOOL_PAGE * SPOOL_PAGE);
}

static uint32_t choose_inline_max(const struct spool_writer_options *o, uint32_t segment_size)
{
    uint32_t max = o->inline_max > 0 ? o->inline_max : INLINE_MAX_DEFAULT;
    if (max > segment_size / 4)
        max = segment_size / 4;
    return max < INLINE_MAX_LEAST ? INLINE_MAX_LEAST : max;
}

static void init_lists(struct spool_writer *w)
{
    struct list *const lists[] = {&w->submitted, &w->reaped,    &w->pending,       &w->done,        &w->segments,
                                  &w->spares,    &w->recycling, &w->yard_messages, &w->idle_chunks, &w->first_chunks};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        list_init(lists[i]);
    list_init(&w->numbers_node.link);
    w->numbers_node.what = DONE_NUMBERS;
}

static enum err init_locks(struct spool_writer *w)
{
    pthread_condattr_t monotonic;
    bool ok = pthread_condattr_init(&monotonic) == 0;
    ok = ok && pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0;
    ok = ok && pthread_mutex_init(&w->lock, NULL) == 0;
    ok = ok && pthread_cond_init(&w->journal_wake, &monotonic) == 0;
    ok = ok && pthread_cond_init(&w->yard_wake, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    return ok ? ERR_OK : ERR_SYSTEM;
}

/* Both or none. Signals are the loop thread's business. */
static enum err start_threads(struct spool_writer *w)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return ERR_SYSTEM;
    bool yard = pthread_create(&w->yard, NULL, spool_yard_run, w) == 0;
    bool journal = yard && pthread_create(&w->journal, NULL, spool_journal_run, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (yard && !journal) {
        pthread_mutex_lock(&w->lock);
        w->stop_yard = true;
        pthread_cond_signal(&w->yard_wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->yard, NULL);
    }
    return journal ? ERR_OK : ERR_AGAIN;
}

enum err spool_writer_open(const struct spool_writer_options *o, struct spool_writer **writer_r)
{
    uint64_t free_bytes, total, inodes;
    enum err e = os_free_space(o->dir_fd, &free_bytes, &total, &inodes);
    if (e != ERR_OK)
        return e;
    struct spool_writer *w = calloc(1, sizeof(*w));
    if (!w)
        return ERR_NOMEM;
    w->o = *o;
    w->wake_fd = -1;
    w->segment_size = choose_segment_size(o, free_bytes);
    w->inline_max = choose_inline_max(o, w->segment_size);
    init_lists(w);
    e = init_locks(w);
    if (e == ERR_OK)
        e = os_event_open(&w->wake_fd);
    if (e == ERR_OK)
        e = start_threads(w);
    if (e != ERR_OK) {
        os_close(&w->wake_fd);
        free(w);
        return e;
    }
    *writer_r = w;
    return ERR_OK;
}

static void stop_threads(struct spool_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop_journal = true;
    pthread_cond_signal(&w->journal_wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->journal, NULL);
    pthread_mutex_lock(&w->lock);
    w->stop_yard = true;
    pthread_cond_signal(&w->yard_wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->yard, NULL);
}

static void free_segments(struct spool_writer *w, struct list *segments, bool unlink)
{
    struct list *l;
    while ((l = list_pop(segments))) {
        struct writer_segment *s = LIST_ENTRY(l, struct writer_segment, link);
        os_close(&s->fd);
        if (unlink) {
            char name[SPOOL_NAME_SIZE];
            /* What cannot be unlinked is empty, and the next sweep removes it. */
            enum err e = os_unlink(w->o.dir_fd, spool_segment_name(name, s->block.number));
            (void)e;
        }
        free(s);
    }
}

static void free_done(struct spool_writer *w, struct list *nodes)
{
    struct list *l;
    while ((l = list_pop(nodes))) {
        struct done_node *n = LIST_ENTRY(l, struct done_node, link);
        if (n->what == DONE_COMMIT || n->what == DONE_ABORTED)
            spool_commit_free(w, LIST_ENTRY(n, struct spool_commit, node));
    }
}

void spool_writer_close(struct spool_writer **writer)
{
    struct spool_writer *w = *writer;
    if (!w)
        return;
    *writer = NULL;
    spool_writer_flush(w);
    stop_threads(w);
    if (w->birth)
        spool_yard_birth_fail(w, ERR_CLOSED);
    free_done(w, &w->reaped);
    free_done(w, &w->done);
    if (w->last)
        spool_commit_free(w, w->last);
    free_segments(w, &w->spares, true);
    free_segments(w, &w->segments, false);
    free_segments(w, &w->recycling, false);
    struct list *l;
    while ((l = list_pop(&w->idle_chunks)) || (l = list_pop(&w->first_chunks)))
        free(LIST_ENTRY(l, struct spool_chunk, link));
    os_close(&w->wake_fd);
    pthread_cond_destroy(&w->journal_wake);
    pthread_cond_destroy(&w->yard_wake);
    pthread_mutex_destroy(&w->lock);
    free(w->zeros);
    free(w);
}

void spool_writer_supply_numbers(struct spool_writer *w, uint64_t first, uint32_t count)
{
    assert(first > 0);
    pthread_mutex_lock(&w->lock);
    /* More ranges than anybody needs: such numbers are lost, which harms nothing. */
    if (w->range_count < RANGES && count > 0)
        w->ranges[w->range_count++] = (struct number_range){first, count};
    w->numbers_asked = false;
    pthread_cond_signal(&w->yard_wake);
    pthread_mutex_unlock(&w->lock);
}

uint64_t spool_writer_number(struct spool_writer *w)
{
    uint64_t number = 0, left = 0;
    if (w->range_count > 0) {
        struct number_range *r = &w->ranges[0];
        number = r->first++;
        if (--r->count == 0) {
            w->range_count--;
            memmove(w->ranges, w->ranges + 1, w->range_count * sizeof(*r));
        }
    }
    for (size_t i = 0; i < w->range_count; i++)
        left += w->ranges[i].count;
    if (left < NUMBERS_LOW && !w->numbers_asked && list_empty(&w->numbers_node.link)) {
        w->numbers_asked = true;
        spool_writer_done(w, &w->numbers_node);
    }
    return number;
}

static enum err ask_space(struct spool_writer *w)
{
    int64_t now = os_now_ms();
    if (w->space_known && now - w->space_asked_ms < SPACE_ASK_MS)
        return ERR_OK;
    enum err e = spool_space_ask(w->o.dir_fd, &w->space);
    if (e != ERR_OK)
        return e;
    w->space_asked_ms = now;
    w->space_known = true;
    return ERR_OK;
}

enum err spool_writer_room(struct spool_writer *w, uint64_t size)
{
    enum err e = ask_space(w);
    if (e != ERR_OK)
        return e;
    uint64_t least = w->o.outcomes_only ? 0 : w->o.min_free;
    if (os_now_ms() < w->full_until_ms)
        return ERR_NOSPACE;
    if (!spool_space_has(&w->space, least, size))
        return ERR_NOSPACE;
    uint64_t memory = size < w->inline_max ? size : w->inline_max;
    if (memory + atomic_load(&w->memory_used) > w->o.memory_max)
        return ERR_NOMEM;
    return ERR_OK;
}

enum err spool_writer_space_take(struct spool_writer *w, uint64_t bytes)
{
    uint64_t least = w->o.outcomes_only ? 0 : w->o.min_free;
    if (!w->space_known || !spool_space_has(&w->space, least, bytes)) {
        w->space_known = false;
        enum err e = ask_space(w);
        if (e != ERR_OK)
            return e;
    }
    if (!spool_space_has(&w->space, least, bytes))
        return ERR_NOSPACE;
    w->space.bytes -= bytes;
    return ERR_OK;
}

void spool_writer_recycle(struct spool_writer *w, uint64_t segment, uint32_t epoch)
{
    pthread_mutex_lock(&w->lock);
    LIST_FOREACH(l, &w->segments) {
        struct writer_segment *s = LIST_ENTRY(l, struct writer_segment, link);
        if (s->block.number != segment || s->block.epoch != epoch || s->state == SEGMENT_ACTIVE)
            continue;
        list_remove(&s->link);
        list_push(&w->recycling, &s->link);
        pthread_cond_signal(&w->yard_wake);
    }
    pthread_mutex_unlock(&w->lock);
}

static const struct writer_segment *nth(const struct list *segments, size_t *i)
{
    for (const struct list *l = segments->next; l != segments; l = l->next) {
        if ((*i)-- == 0)
            return LIST_ENTRY(l, const struct writer_segment, link);
    }
    return NULL;
}

bool spool_writer_segment(const struct spool_writer *w, size_t i, struct spool_segment_state *state_r)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&w->lock;
    pthread_mutex_lock(lock);
    const struct writer_segment *s = nth(&w->segments, &i);
    if (!s)
        s = nth(&w->recycling, &i);
    if (s)
        *state_r = (struct spool_segment_state){.segment = s->block.number,
                                                .epoch = s->block.epoch,
                                                .committed = s->committed,
                                                .closed = s->state != SEGMENT_ACTIVE};
    pthread_mutex_unlock(lock);
    return s != NULL;
}
