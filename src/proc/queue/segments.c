/* SPDX-License-Identifier: ISC */
/* Segments as the queue sees them: how much live mail each holds, and when it may be used again. A receiver's segment needs no mail in it; one of our own holds outcomes too, and goes only
 * when a checkpoint covers all of it. */
#include "proc/queue/state.h"

/* A freed segment is named in checkpoints under its old epoch until a record of a new one is seen, or until it is known that the disk has a new one, or no such file any more: before, a power
 * cut could bring the old one back. Its writer may take its time, or die; so each checkpoint's thread looks, at so many of them. */
#define FREED_LOOKS 4096u

static slice key_of(const uint64_t *number)
{
    return slice_of(number, sizeof *number);
}

/* Most of them are asked for again and again: where new mail is. */
struct segment *queue_segment_find(struct queue *q, uint64_t number)
{
    if (q->segment_found && q->segment_found->number == number)
        return q->segment_found;
    struct segment *s = table_get(&q->segments, key_of(&number));
    if (s)
        q->segment_found = s;
    return s;
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
    if (q->segment_found == s)
        q->segment_found = NULL;
    free(s);
}

/* Back to the process that wrote it, to be used again. */
static void hand_back(struct queue *q, struct segment *s)
{
    s->freed = true;
    if (s->mine) {
        spool_writer_recycle(q->writer, s->number, s->epoch);
        return;
    }
    struct ipc_message m = {.type = IPC_segment_free, .fd = -1};
    m.u.segment_free.segment = s->number;
    m.u.segment_free.epoch = s->epoch;
    ipc_hub_send(q->child.hub, s->owner, &m);
}

/* Written by a process that is dead: it may hold outcomes of an earlier queue, which count until a checkpoint has them. */
static void remove_file(struct queue *q, struct segment *s)
{
    if (s->covered < s->committed)
        return;
    enum err e = spool_segment_remove(q->child.start->spool_fd, s->number);
    if (e == ERR_OK || e == ERR_NOTFOUND)
        forget(q, s);
    else
        log_line(LOG_WARNING, "segment %llu is empty and cannot be removed: %s", (unsigned long long)s->number,
                 err_text(e));
}

void queue_segment_release(struct queue *q, struct segment *s)
{
    bool lives = s->mine || s->owner;
    if (s->live > 0 || !q->recovered || q->broken)
        return;
    if (s->freed)
        return;
    if (s->damaged && (lives || !s->kept))
        return; /* with a second name it may lose this one, but its bytes must stay: no recycling */
    else if (!lives)
        remove_file(q, s);
    else if (s->closed && (!s->mine || s->covered >= s->committed))
        hand_back(q, s);
}

void queue_segment_live_add(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_get(q, number);
    if (s)
        s->live++;
    else
        queue_break(q, "mail in a segment");
}

void queue_segment_live_drop(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_find(q, number);
    if (s && s->live > 0 && --s->live == 0)
        queue_segment_release(q, s);
}

void queue_segment_epoch(struct segment *s, uint32_t epoch)
{
    if (epoch > s->epoch) {
        s->freed = false;
        s->closed = false;
        s->committed = s->covered = s->covering = s->read_to = 0;
    }
    s->epoch = epoch;
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
        s->freed = false;
    }
}

void queue_segments_freed_gather(struct queue *q)
{
    size_t most = q->segments.count < FREED_LOOKS ? q->segments.count : FREED_LOOKS;
    slice key;
    void *value;
    q->freed = (struct spool_freed_list){.dir_fd = q->child.start->spool_fd};
    q->freed.all = most ? calloc(most, sizeof *q->freed.all) : NULL;
    for (size_t left = q->segments.count; q->freed.all && left > 0 && q->freed.count < most;) {
        if (!table_next(&q->segments, &q->freed_at, &key, &value)) {
            q->freed_at = 0;
            continue;
        }
        left--;
        const struct segment *s = value;
        if (s->freed)
            q->freed.all[q->freed.count++] = (struct spool_freed){.segment = s->number, .epoch = s->epoch};
    }
}

void queue_segments_freed_forget(struct queue *q)
{
    for (size_t i = 0; i < q->freed.count; i++) {
        const struct spool_freed *f = &q->freed.all[i];
        struct segment *s = f->over ? queue_segment_find(q, f->segment) : NULL;
        /* Its owner may have died meanwhile, or told of mail in it. */
        if (s && s->freed && s->epoch == f->epoch && s->live == 0)
            forget(q, s);
    }
    free(q->freed.all);
    q->freed = (struct spool_freed_list){.count = 0};
}

uint32_t queue_segments_left(const struct queue *q)
{
    uint32_t count = 0;
    size_t at = 0;
    slice key;
    void *value;
    while (table_next(&q->segments, &at, &key, &value)) {
        const struct segment *s = value;
        count += !s->mine && !s->owner && s->live == 0 && !s->damaged && s->covered < s->committed;
    }
    return count;
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
