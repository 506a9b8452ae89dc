/* SPDX-License-Identifier: ISC */
/* Segments as the queue sees them: how much live mail each holds, and when it may be used again. A receiver's segment needs no mail in it; one of our own holds outcomes too, and goes only
 * when a checkpoint covers all of it. */
#include "proc/queue/state.h"

static slice key_of(const uint64_t *number)
{
    return slice_of(number, sizeof *number);
}

struct segment *queue_segment_find(struct queue *q, uint64_t number)
{
    return table_get(&q->segments, key_of(&number));
}

struct segment *queue_segment_get(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_find(q, number);
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->number = number;
    if (table_put(&q->segments, key_of(&s->number), s) != ERR_OK) {
        free(s);
        return NULL;
    }
    return s;
}

static void forget(struct queue *q, struct segment *s)
{
    (void)table_remove(&q->segments, key_of(&s->number));
    free(s);
}

void queue_segment_release(struct queue *q, struct segment *s)
{
    if (s->live > 0 || s->damaged || !q->recovered)
        return;
    if (s->mine) {
        if (!s->closed || s->covered < s->committed)
            return;
        spool_writer_recycle(q->writer, s->number);
        forget(q, s);
        return;
    }
    if (s->owner) {
        if (!s->closed)
            return;
        struct ipc_message m = {.type = IPC_segment_free, .fd = -1};
        m.u.segment_free.segment = s->number;
        ipc_hub_send(q->child.hub, s->owner, &m);
        forget(q, s);
        return;
    }
    /* Written by a process that is dead: it may hold outcomes of an earlier queue, which count until a checkpoint has them. */
    if (s->covered < s->committed)
        return;
    enum err e = spool_segment_remove(q->child.start->spool_fd, s->number);
    if (e != ERR_OK && e != ERR_NOTFOUND) {
        log_line(LOG_WARNING, "segment %llu is empty and cannot be removed: %s", (unsigned long long)s->number,
                 err_text(e));
        return;
    }
    forget(q, s);
}

void queue_segment_live_add(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_get(q, number);
    if (s)
        s->live++;
}

void queue_segment_live_drop(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_find(q, number);
    if (s && s->live > 0 && --s->live == 0)
        queue_segment_release(q, s);
}

void queue_segments_owner_gone(struct queue *q, const struct hub_peer *p)
{
    size_t at = 0;
    slice key;
    void *value;
    while (table_next(&q->segments, &at, &key, &value)) {
        struct segment *s = value;
        if (s->owner != p)
            continue;
        s->owner = NULL;
        s->closed = true;
    }
}

/* Releasing forgets entries, so what is to be released is gathered first. */
void queue_segments_release_all(struct queue *q)
{
    size_t count = q->segments.count, n = 0, at = 0;
    struct segment **all = arena_array(&q->turn, count, sizeof(*all));
    slice key;
    void *value;
    while (all && n < count && table_next(&q->segments, &at, &key, &value))
        all[n++] = value;
    for (size_t i = 0; i < n; i++)
        queue_segment_release(q, all[i]);
}

void queue_segments_close(struct queue *q)
{
    size_t at = 0;
    slice key;
    void *value;
    while (table_next(&q->segments, &at, &key, &value))
        free(value);
    table_deinit(&q->segments);
}
