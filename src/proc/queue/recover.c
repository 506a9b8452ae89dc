/* SPDX-License-Identifier: ISC */
/* Start, the first or after a death: when every process that lives has said HELLO (or is dead), the spool is read: the checkpoint, what is newer than it, and of a living receiver's segments only what it had
 * committed at its HELLO. Everything after that comes as announcements. Then, and not before, mail is dispatched and space is freed. */
#include "proc/queue/state.h"

#define LEFT_MAX 8u /* segments of the dead that wait for a checkpoint: then there is one at once */

struct pending_outcome {
    struct pending_outcome *next;
    size_t number; /* from 1, in the order of reading */
    struct spool_outcome outcome;
};

void queue_recover_lease_limits(struct queue *q, const struct ipc_hello_segment *h, struct hub_peer *p)
{
    struct segment *s = queue_segment_get(q, h->segment);
    if (!s) {
        queue_break(q, "a receiver's segment");
        return;
    }
    queue_segment_epoch(s, h->epoch);
    s->owner = p;
    s->writer = p->process;
    s->closed = h->closed != 0;
    /* Nothing is read any more: what it has committed it announces. */
    if (q->recovered)
        return;
    if (h->committed > s->committed)
        s->committed = h->committed;
    struct spool_scan_limit *limits = realloc(q->limits, (q->limits_count + 1) * sizeof *limits);
    if (!limits) {
        queue_break(q, "a receiver's segment");
        return;
    }
    q->limits = limits;
    q->limits[q->limits_count++] = (struct spool_scan_limit){h->segment, h->epoch, h->committed};
}

static bool limited(const struct queue *q, uint64_t number)
{
    for (uint32_t i = 0; i < q->limits_count; i++) {
        if (q->limits[i].segment == number)
            return true;
    }
    return false;
}

/* Numbers of processes begin anew with each master, so an old segment of the same writer is nobody's. */
static bool writer_lives(const struct queue *q, uint64_t number, uint32_t writer)
{
    const struct child_start *start = q->child.start;
    if (number < start->number_floor)
        return false;
    for (size_t i = 0; i < q->dead_count; i++) {
        if (q->dead[i] == writer)
            return false;
    }
    /* A process that was forked after us may write before we are told of it. */
    if (writer >= start->process)
        return true;
    for (struct hub_peer *p = ipc_hub_next(q->child.hub, NULL); p; p = ipc_hub_next(q->child.hub, p)) {
        const struct peer_state *state = p->user;
        if (state && !state->dead && p->process == writer)
            return true;
    }
    return false;
}

/* The checkpoint may still name mails that were in it before its owner used it anew: when they are done it is empty for us, and yet not ours to remove. */
static void handed_back(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_find(q, number);
    if (s && !s->owner)
        s->freed = true;
}

static enum err scan_segment(void *ctx, uint64_t number, uint32_t writer, uint32_t epoch)
{
    struct queue *q = ctx;
    bool owned = writer_lives(q, number, writer);
    /* A spare that waits for its first record, or one that was begun after its HELLO: all of it will be announced. */
    if (owned && !limited(q, number)) {
        handed_back(q, number);
        return ERR_AGAIN;
    }
    struct segment *s = queue_segment_get(q, number);
    if (!s)
        return ERR_NOMEM;
    s->writer = writer;
    s->epoch = epoch;
    if (!owned) {
        s->closed = true;
        s->freed = false;
        s->committed = UINT32_MAX;
        s->covered = s->covering = 0;
    }
    return ERR_OK;
}

/* The admin may still want of it what we cannot read. */
static void segment_damaged(struct queue *q, struct segment *s)
{
    s->damaged = true;
    enum err e = s->kept ? ERR_OK : spool_segment_keep(q->child.start->spool_fd, s->number);
    s->kept = e == ERR_OK;
    if (e != ERR_OK)
        log_line(LOG_WARNING, "damaged segment %llu cannot be given its second name: %s", (unsigned long long)s->number,
                 err_text(e));
}

static enum err scan_message(void *ctx, const struct spool_place *place, slice head)
{
    struct queue *q = ctx;
    enum err e = queue_intake_message(q, place, head, !q->recovered);
    arena_reset(&q->turn);
    return e;
}

/* The message stays in the index without parts until the scan is over: a later copy of it must not bring it back to life. */
static void outcome_done(struct queue *q, uint32_t message, uint32_t recipient)
{
    uint32_t part;
    while ((part = recipient == UINT32_MAX ? sched_message(q->sched, message)->first_part
                                           : sched_part_of(q->sched, message, recipient)) != 0) {
        if (recipient == UINT32_MAX || sched_part_drop(q->sched, part, recipient) == 0)
            (void)sched_part_finish(q->sched, part);
        if (recipient != UINT32_MAX)
            return;
    }
}

static void outcome_apply(struct queue *q, uint32_t message, const struct spool_outcome *o)
{
    struct sched_message *m = sched_message(q->sched, message);
    uint32_t part;
    switch ((enum spool_outcome_kind)o->kind) {
    case SPOOL_DELIVERED:
    case SPOOL_FAILED:
    case SPOOL_REMOVED:
        outcome_done(q, message, o->recipient);
        break;
    case SPOOL_DEFERRED:
        part = sched_part_of(q->sched, message, o->recipient);
        /* Outcomes of different segments come in any order: the one with the most tries is the last. */
        if (part && o->tries >= sched_part(q->sched, part)->tries)
            sched_part_restore(q->sched, part, o->tries, o->next_s, o->text);
        break;
    case SPOOL_HELD:
    case SPOOL_RELEASED:
        q->changes++;
        m->flags = (uint8_t)(o->kind == SPOOL_HELD ? m->flags | SCHED_HELD : m->flags & ~SCHED_HELD);
        for (part = m->first_part; part; part = sched_part(q->sched, part)->next_in_message)
            queue_outcome_hold_part(q, part, o->kind == SPOOL_HELD, o->text);
        if (o->kind == SPOOL_RELEASED)
            queue_wish_hold_back(q, message);
        break;
    case SPOOL_WARNED:
        m->flags |= SCHED_WARNED;
        break;
    case SPOOL_BY_TOLD:
        m->flags |= SCHED_WARNED;
        if (m->extra)
            queue_wish(q, message)->flags |= WISH_BY_DONE;
        break;
    }
}

static enum err outcome_keep(struct queue *q, const struct spool_outcome *o)
{
    struct pending_outcome *p = malloc(sizeof *p + o->text.len);
    if (!p)
        return ERR_NOMEM;
    p->outcome = *o;
    if (o->text.len)
        memcpy(p + 1, o->text.ptr, o->text.len);
    p->outcome.text = slice_of(p + 1, o->text.len);
    p->outcome.remote = SLICE_NONE;
    p->number = q->pending ? q->pending->number + 1 : 1;
    p->next = q->pending;
    q->pending = p;
    return ERR_OK;
}

static enum err scan_outcome(void *ctx, const struct spool_outcome *o)
{
    struct queue *q = ctx;
    uint32_t message = sched_message_find(q->sched, o->id);
    /* Of hold and release the last counts, and segments are not read in the order of time. */
    if (!message || o->kind == SPOOL_HELD || o->kind == SPOOL_RELEASED)
        return outcome_keep(q, o);
    outcome_apply(q, message, o);
    return ERR_OK;
}

static enum err scan_checkpoint(void *ctx, const struct spool_place *place, slice state)
{
    struct queue *q = ctx;
    enum err e = queue_checkpoint_restore(q, place, state);
    arena_reset(&q->turn);
    return e;
}

static void scan_damaged(void *ctx, uint64_t number, uint32_t offset, slice what)
{
    struct queue *q = ctx;
    /* Made under this master and told by nobody: it may be a living receiver's, which is just writing its superblock. Without a second name it is never removed; the next
     * master's queue sees to it, if it is damaged still. */
    bool stranger = number >= q->child.start->number_floor && !queue_segment_find(q, number);
    struct segment *s = number ? queue_segment_get(q, number) : NULL;
    if (s && stranger)
        s->damaged = true;
    else if (s)
        segment_damaged(q, s);
    else if (number)
        queue_break(q, "a damaged segment");
    log_line(LOG_ERROR, "spool segment %llu: damaged at %u (%.*s): the segment is kept, see QUEUE.md",
             (unsigned long long)number, offset, SLICE_ARG(what));
}

/* In the order of time; of the same second, as they were read. */
static int pending_compare(const void *a, const void *b)
{
    const struct pending_outcome *x = *(struct pending_outcome *const *)a, *y = *(struct pending_outcome *const *)b;
    if (x->outcome.when_s != y->outcome.when_s)
        return x->outcome.when_s < y->outcome.when_s ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static enum err pending_apply(struct queue *q)
{
    size_t count = q->pending ? q->pending->number : 0;
    struct pending_outcome **all = calloc(count + 1, sizeof *all);
    if (!all)
        return ERR_NOMEM;
    for (struct pending_outcome *p = q->pending; p; p = p->next)
        all[p->number - 1] = p;
    q->pending = NULL;
    qsort(all, count, sizeof *all, pending_compare);
    for (size_t i = 0; i < count; i++) {
        uint32_t message = sched_message_find(q->sched, all[i]->outcome.id);
        if (message)
            outcome_apply(q, message, &all[i]->outcome);
        free(all[i]);
    }
    free(all);
    return ERR_OK;
}

static void finished_remove(struct queue *q)
{
    for (uint32_t m = sched_message_next(q->sched, 0), next; m; m = next) {
        next = sched_message_next(q->sched, m);
        if (!sched_message(q->sched, m)->first_part)
            queue_intake_message_done(q, m);
    }
}

/* False when it cannot be told which large file the message has. */
static bool large_note(struct queue *q, struct table *alive, uint32_t message)
{
    const struct sched_message *m = sched_message(q->sched, message);
    struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    struct spool_entry *entry;
    if (!(m->flags & SCHED_LARGE))
        return true;
    if (spool_entry_open_head(q->reader, &place, &entry) != ERR_OK)
        return false;
    uint64_t *number = arena_alloc(&q->turn, sizeof *number);
    if (number)
        *number = spool_entry_head(entry)->large_file;
    spool_entry_close(&entry);
    return number && table_put(alive, slice_of(number, sizeof *number), q) == ERR_OK;
}

struct sweep {
    struct queue *q;
    struct table large;
    bool unsure; /* not every live one is known */
};

static bool sweep_segment_alive(void *ctx, uint64_t number)
{
    /* Every segment that the scan saw stays until segment_release finds that nothing needs it; newer ones are a living receiver's. */
    struct queue *q = ((struct sweep *)ctx)->q;
    return number >= q->child.start->number_floor || queue_segment_find(q, number) != NULL;
}

static bool sweep_large_alive(void *ctx, uint64_t number)
{
    struct sweep *s = ctx;
    return s->unsure || number >= s->q->child.start->number_floor ||
           table_get(&s->large, slice_of(&number, sizeof number)) != NULL;
}

static void sweep(struct queue *q)
{
    struct sweep s = {.q = q};
    table_init(&s.large, q->key, false, UINT32_MAX / 2);
    for (uint32_t m = sched_message_next(q->sched, 0); m; m = sched_message_next(q->sched, m))
        s.unsure = !large_note(q, &s.large, m) || s.unsure;
    if (s.unsure)
        log_line(LOG_WARNING, "not all large bodies are known: none is removed at this start");
    enum err e = spool_sweep(q->child.start->spool_fd, sweep_segment_alive, sweep_large_alive, &s);
    if (e != ERR_OK)
        log_line(LOG_WARNING, "the spool could not be swept: %s", err_text(e));
    table_deinit(&s.large);
    arena_reset(&q->turn);
}

static bool everybody_said_hello(const struct queue *q)
{
    for (struct hub_peer *p = ipc_hub_next(q->child.hub, NULL); p; p = ipc_hub_next(q->child.hub, p)) {
        const struct peer_state *state = p->user;
        if (state && !state->hello_done)
            return false;
    }
    return true;
}

static void scan_unreadable(void *ctx, uint64_t number)
{
    queue_aside_add(ctx, number);
}

/* After the reading: what living receivers announce of it is nothing new. Where it was damaged, or the disk did not give it, all that is announced counts. */
static void note_read(struct queue *q)
{
    for (uint32_t i = 0; i < q->limits_count; i++) {
        struct segment *s = queue_segment_find(q, q->limits[i].segment);
        if (s && s->owner && !s->damaged && s->epoch == q->limits[i].epoch)
            s->read_to = q->limits[i].committed;
    }
}

static const struct spool_scan_ops ops = {
    .message = scan_message,
    .outcome = scan_outcome,
    .checkpoint = scan_checkpoint,
    .segment = scan_segment,
    .damaged = scan_damaged,
    .unreadable = scan_unreadable,
};

/* A queue that keeps dying would not live until a checkpoint is due, and each leaves segments that only a checkpoint frees. */
static void tidy_up(struct queue *q)
{
    if (queue_segments_left(q) < LEFT_MAX)
        return;
    q->changes++;
    queue_checkpoint_begin(q);
}

void queue_recover_when_settled(struct queue *q)
{
    if (q->recovered || q->broken || !q->settled || !everybody_said_hello(q))
        return;
    int64_t begin = os_now_ms();
    enum err e = spool_scan(q->child.start->spool_fd, q->limits, q->limits_count, &ops, q);
    if (e == ERR_OK)
        e = pending_apply(q);
    if (e != ERR_OK) {
        /* To go on, or to read it again over what was read so far, would be to forget mail: the master starts us again, and the admin sees why. */
        log_line(LOG_ERROR, "the spool \"%.*s\" cannot be read: %s%s%.*s", SLICE_ARG(q->conf->queue.dir), err_text(e),
                 e == ERR_PERMISSION ? "; all in it must belong to " : "",
                 SLICE_ARG(e == ERR_PERMISSION ? q->conf->user : SLICE_NONE));
        q->broken = true;
        child_stop(&q->child, 1);
    }
    if (q->broken)
        return;
    note_read(q);
    finished_remove(q);
    q->recovered = true;
    q->clock_s = INT64_MAX;
    sweep(q);
    queue_dispatch_leases_take(q);
    queue_segments_release_all(q);
    tidy_up(q);
    arena_reset(&q->turn);
    free(q->limits);
    q->limits = NULL;
    uint32_t count = sched_message_count(q->sched);
    log_line(LOG_INFO, "queue has %u %s, read in %lld ms", count, count == 1 ? "message" : "messages",
             (long long)(os_now_ms() - begin));
    loop_timer_start(q->tick, 0);
}

/* What it says in its HELLO holds no more: its segments are read to their end with the others. */
static void limits_drop(struct queue *q)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < q->limits_count; i++) {
        const struct segment *s = queue_segment_find(q, q->limits[i].segment);
        if (s && s->owner)
            q->limits[kept++] = q->limits[i];
    }
    q->limits_count = kept;
}

static enum err scan_left(struct queue *q, const struct hub_peer *p, struct spool_known *known)
{
    struct spool_writer_left left = {
        .writer = p->process, .number_floor = q->child.start->number_floor, .known = known};
    size_t at = 0;
    slice key;
    void *value;
    while (table_next(&q->segments, &at, &key, &value)) {
        const struct segment *s = value;
        if (s->owner == p)
            known[left.known_count++] =
                (struct spool_known){s->number, s->epoch, s->freed || s->closed ? UINT32_MAX : s->committed};
    }
    queue_segments_owner_gone(q, p);
    return spool_scan_left(q->child.start->spool_fd, &left, &ops, q);
}

static bool dead_note(struct queue *q, uint32_t process)
{
    uint32_t *dead = realloc(q->dead, (q->dead_count + 1) * sizeof *dead);
    if (!dead)
        return false;
    q->dead = dead;
    q->dead[q->dead_count++] = process;
    return true;
}

void queue_recover_left(struct queue *q, const struct hub_peer *p)
{
    if (!dead_note(q, p->process)) {
        queue_break(q, "what a dead receiver has left");
        return;
    }
    struct peer_state *state = p->user;
    if (state)
        state->dead = true;
    if (!q->recovered) {
        queue_segments_owner_gone(q, p);
        limits_drop(q);
        return;
    }
    struct spool_known *known = calloc(q->segments.count + 1, sizeof *known);
    uint32_t before = sched_message_count(q->sched);
    enum err e = known ? scan_left(q, p, known) : ERR_NOMEM;
    free(known);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "what a dead receiver has left cannot be read: %s", err_text(e));
        q->broken = true;
        child_stop(&q->child, 1);
        return;
    }
    if (sched_message_count(q->sched) != before)
        log_line(LOG_INFO, "receiver %u died before it announced %u messages: found on disk", p->process,
                 sched_message_count(q->sched) - before);
}
