/* SPDX-License-Identifier: ISC */
/* Batches: what one loop turn, or a few of them in a busy time, must make durable, as one record group. A batch is kept until the spool says that it is on disk; when that fails it is submitted again, so a full disk only
 * delays outcomes (mail may be delivered twice if we are stopped meanwhile, and is never lost). */
#include "proc/queue/state.h"

#define BATCH_ARENA_MAX (32u * 1024 * 1024)
/* A group must fit into the smallest segment, half a megabyte, together with the largest unit: a report and the outcomes that caused it. */
#define BATCH_BYTES (128u * 1024)
#define BEHIND_BYTES (16u * 1024 * 1024)
#define GATHER_MS 5
#define RETRY_MS 1000
#define COMPLAIN_S 60

static bool room(struct batch *b, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t bigger = *cap ? *cap * 2 : 64;
    void *fresh = arena_array(&b->arena, bigger, size);
    if (!fresh)
        return false;
    if (count)
        memcpy(fresh, *array, count * size);
    *array = fresh;
    *cap = bigger;
    return true;
}

/* NULL without memory. */
static struct batch *batch_get(struct queue *q)
{
    if (!q->batch) {
        q->batch = calloc(1, sizeof *q->batch);
        if (q->batch) {
            list_init(&q->batch->link);
            q->batch->serial = ++q->batch_serial;
            arena_init(&q->batch->arena, BATCH_ARENA_MAX);
        }
    }
    return q->batch;
}

static void batch_grown(struct queue *q, size_t bytes)
{
    q->batch->bytes += bytes;
    q->batch_bytes += bytes;
}

bool queue_batch_behind(const struct queue *q)
{
    return q->batch_bytes > BEHIND_BYTES;
}

/* The mail may come back with the next start: then its large body must be there, and its record, so its segment is not used anew. */
static void keep_whole(struct queue *q, uint32_t message)
{
    struct sched_message *m = sched_message(q->sched, message);
    struct segment *s = queue_segment_find(q, m->segment);
    m->flags |= SCHED_KEEP_BODY;
    if (s)
        s->damaged = true;
}

/* After a stop this one thing is done again; where it is a recipient that was done with, the mail must be there for that. */
static void not_recorded(struct queue *q, const struct spool_outcome *o)
{
    bool ends = o->kind == SPOOL_DELIVERED || o->kind == SPOOL_FAILED || o->kind == SPOOL_REMOVED;
    uint32_t message = ends ? sched_message_find(q->sched, o->id) : 0;
    if (message)
        keep_whole(q, message);
    queue_log_note(LOG_ERROR, o->id, "out of memory: an outcome is not recorded, and the next start takes it up again",
                   SLICE_NONE);
}

void queue_batch_outcome(struct queue *q, const struct spool_outcome *o)
{
    struct batch *b = batch_get(q);
    void *array = b ? b->outcomes : NULL;
    if (!b || !room(b, &array, b->outcome_count, &b->outcome_cap, sizeof *o)) {
        not_recorded(q, o);
        return;
    }
    b->outcomes = array;
    struct spool_outcome *copy = &b->outcomes[b->outcome_count++];
    *copy = *o;
    if (arena_copy(&b->arena, o->text, &copy->text) != ERR_OK)
        copy->text = SLICE_NONE;
    if (arena_copy(&b->arena, o->remote, &copy->remote) != ERR_OK)
        copy->remote = SLICE_NONE;
    batch_grown(q, 128 + copy->text.len + copy->remote.len);
    q->changes++;
}

void queue_batch_finish(struct queue *q, uint32_t part)
{
    sched_part_end(q->sched, part);
    struct batch *b = batch_get(q);
    void *array = b ? b->finished : NULL;
    if (!b || !room(b, &array, b->finished_count, &b->finished_cap, sizeof part)) {
        log_line(LOG_ERROR, "out of memory: a finished delivery stays in the queue until the next start");
        return;
    }
    b->finished = array;
    b->finished[b->finished_count++] = part;
    batch_grown(q, sizeof part);
}

/* A deep copy of the head: what it points to belongs to this loop turn. */
static enum err head_copy(struct batch *b, const struct spool_head *head, struct spool_head *copy_r)
{
    buf bytes;
    buf_init(&bytes, 8u * 1024 * 1024);
    spool_head_encode(&bytes, head);
    slice kept;
    enum err e = buf_ok(&bytes) ? arena_copy(&b->arena, buf_slice(&bytes), &kept) : ERR_NOMEM;
    buf_deinit(&bytes);
    return e == ERR_OK ? spool_head_decode(kept, &b->arena, copy_r) : e;
}

enum err queue_batch_report(struct queue *q, const struct spool_head *head, slice body)
{
    struct batch *b = batch_get(q);
    void *array = b ? b->reports : NULL;
    if (!b || !room(b, &array, b->report_count, &b->report_cap, sizeof(struct report)))
        return ERR_NOMEM;
    b->reports = array;
    struct report r;
    enum err e = head_copy(b, head, &r.head);
    if (e == ERR_OK)
        e = arena_copy(&b->arena, body, &r.body);
    if (e != ERR_OK)
        return e;
    b->reports[b->report_count++] = r;
    batch_grown(q, body.len + 512);
    return ERR_OK;
}

enum err queue_batch_move(struct queue *q, const struct spool_head *head, slice body)
{
    struct batch *b = batch_get(q);
    void *array = b ? b->moves : NULL;
    if (!b || !room(b, &array, b->move_count, &b->move_cap, sizeof(struct move)))
        return ERR_NOMEM;
    b->moves = array;
    struct move m = {.id = head->id};
    enum err e = head_copy(b, head, &m.head);
    if (e == ERR_OK)
        e = arena_copy(&b->arena, body, &m.body);
    if (e != ERR_OK)
        return e;
    b->moves[b->move_count++] = m;
    batch_grown(q, body.len + 512);
    return ERR_OK;
}

/* What can never be written must not keep the rest from the disk. */
static enum err group_message(struct spool_group *g, const struct spool_head *head, slice body)
{
    enum err e = head->copy > 0 ? spool_group_move(g, head, body) : spool_group_message(g, head, body);
    if (e != ERR_LIMIT)
        return e;
    queue_log_note(LOG_WARNING, head->id,
                   head->copy > 0 ? "too large for our segments, stays where it is" : "report too large, dropped",
                   SLICE_NONE);
    return ERR_OK;
}

static enum err group_fill(struct spool_group *g, const struct batch *b)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < b->outcome_count; i++)
        e = spool_group_outcome(g, &b->outcomes[i]);
    for (size_t i = 0; e == ERR_OK && i < b->report_count; i++)
        e = group_message(g, &b->reports[i].head, b->reports[i].body);
    for (size_t i = 0; e == ERR_OK && i < b->move_count; i++)
        e = group_message(g, &b->moves[i].head, b->moves[i].body);
    return e;
}

static enum err submit(struct queue *q, struct batch *b)
{
    struct spool_group *g;
    enum err e = spool_group_begin(q->writer, b, &g);
    if (e != ERR_OK)
        return e;
    e = group_fill(g, b);
    if (e != ERR_OK) {
        spool_group_abort(&g);
        return e;
    }
    return spool_group_commit(&g);
}

static void retry_later(struct queue *q, struct batch *b, enum err e)
{
    int64_t now_s = os_wall_s();
    if (now_s - q->batch_complaint_s >= COMPLAIN_S) {
        log_line(LOG_ERROR, "outcomes cannot be recorded (%s): trying again", err_text(e));
        q->batch_complaint_s = now_s;
    }
    if (!b->waiting)
        q->batches_waiting++;
    b->waiting = true;
    loop_timer_start(q->retry_batches, RETRY_MS);
}

/* While an older one waits this one waits as well, so that what is said later is also found later. */
static void batch_close(struct queue *q)
{
    struct batch *b = q->batch;
    q->batch = NULL;
    q->batch_closed_ms = loop_now_ms(q->child.loop);
    list_push(&q->batches, &b->link);
    enum err e = q->batches_waiting ? ERR_AGAIN : submit(q, b);
    if (e != ERR_OK)
        retry_later(q, b, e);
}

void queue_batch_unit(struct queue *q)
{
    if (q->batch && q->batch->bytes > BATCH_BYTES)
        batch_close(q);
}

/* A sync costs as much for one outcome as for a hundred, and nobody waits for one: what comes soon after a batch waits for more. A stop meanwhile costs what a stop before the result had
 * come would have cost: the mail is sent again. */
static bool gathers(const struct queue *q)
{
    int64_t since_ms = loop_now_ms(q->child.loop) - q->batch_closed_ms;
    if (since_ms >= GATHER_MS)
        return false;
    loop_timer_start(q->gathered, GATHER_MS - since_ms);
    return true;
}

void queue_batch_submit(struct queue *q)
{
    if (q->batch && !q->batches_waiting && !gathers(q))
        batch_close(q);
}

void queue_batch_gathered(void *ctx)
{
    queue_batch_submit(ctx);
}

void queue_batch_retry(void *ctx)
{
    struct queue *q = ctx;
    LIST_FOREACH(l, &q->batches) {
        struct batch *b = LIST_ENTRY(l, struct batch, link);
        if (!b->waiting)
            continue;
        b->waiting = false;
        q->batches_waiting--;
        enum err e = submit(q, b);
        if (e != ERR_OK) {
            retry_later(q, b, e);
            break;
        }
    }
    spool_writer_flush(q->writer);
}

static void batch_free(struct queue *q, struct batch *b)
{
    q->batch_bytes -= b->bytes;
    list_remove(&b->link);
    arena_deinit(&b->arena);
    free(b);
}

static void places_take(struct queue *q)
{
    struct spool_place place;
    slice head;
    for (size_t i = 0; spool_done_place(q->writer, i, &place, &head); i++) {
        /* A move may come after its message was delivered, when its batch had to be tried again. */
        if (place.copy > 0 && !sched_message_find(q->sched, place.id))
            continue;
        enum err e = queue_intake_message(q, &place, head, false);
        if (e == ERR_OK)
            continue;
        queue_incomplete(q);
        log_line(LOG_ERROR, "a message of our own waits for the next start: %s", err_text(e));
    }
}

/* In order: a part may be gone only when everything that was said of it before is on the disk, too. */
static void finish_durable(struct queue *q)
{
    while (!list_empty(&q->batches)) {
        struct batch *b = LIST_ENTRY(q->batches.next, struct batch, link);
        if (!b->durable)
            return;
        for (size_t i = 0; i < b->finished_count; i++) {
            uint32_t message = sched_part(q->sched, b->finished[i])->message;
            if (sched_part_finish(q->sched, b->finished[i]))
                queue_intake_message_done(q, message);
        }
        batch_free(q, b);
    }
}

void queue_batch_committed(struct queue *q, const struct spool_done *done)
{
    struct batch *b = done->cookie;
    if (done->err != ERR_OK) {
        retry_later(q, b, done->err);
        return;
    }
    if (q->batch_complaint_s)
        log_line(LOG_INFO, "outcomes are recorded again");
    q->batch_complaint_s = 0;
    struct segment *s = queue_segment_get(q, done->segment);
    /* Not known to be ours it would be removed while we write to it. */
    if (!s) {
        queue_break(q, "a segment of our own");
        return;
    }
    queue_segment_epoch(s, done->epoch);
    s->mine = true;
    if (done->committed > s->committed)
        s->committed = done->committed;
    places_take(q);
    b->durable = true;
    finish_durable(q);
}

bool queue_batch_idle(const struct queue *q)
{
    return !q->batch && list_empty(&q->batches);
}

bool queue_batch_durable(const struct queue *q, uint64_t serial)
{
    if (!list_empty(&q->batches))
        return LIST_ENTRY(q->batches.next, struct batch, link)->serial > serial;
    return !q->batch || q->batch->serial > serial;
}

void queue_batch_close(struct queue *q)
{
    if (q->batch)
        batch_free(q, q->batch);
    LIST_FOREACH(l, &q->batches)
        batch_free(q, LIST_ENTRY(l, struct batch, link));
}
