/* SPDX-License-Identifier: ISC */
/* The queue by the recipients' domain. Needs no head of a mail, so all of it is one pass over the index, within one turn: what the lines name is copied, because domains and reasons may be gone
 * when a slow console takes the last of them. */
#include "proc/queue/state.h"

#define TEXTS_MAX (256u * 1024 * 1024)
#define PENDING_MAX (1u * 1024 * 1024)

struct tally {
    slice name;
    uint32_t messages;
    int64_t oldest_s;
    int64_t next_s;
    slice reason;
    uint8_t state;
};

struct summary {
    struct tally *tally; /* while it is made one a label, then one a line */
    uint32_t count, at;
    struct arena texts;
};

static void tally_part(const struct queue *q, struct tally *t, uint32_t part, int64_t now_s)
{
    const struct sched_part *p = sched_part(q->sched, part);
    const struct sched_destination *d = sched_destination(q->sched, p->destination);
    int64_t arrival = sched_message(q->sched, p->message)->arrival_s;
    t->messages++;
    if (t->oldest_s == 0 || arrival < t->oldest_s)
        t->oldest_s = arrival;
    bool held = p->state == SCHED_PART_HELD;
    int64_t at = held ? INT64_MAX : sched_part_time(q->sched, part, now_s);
    /* Why the one waits that goes first. */
    if (sched_part_reason(q->sched, part).len > 0 && (t->reason.len == 0 || at <= t->next_s))
        t->reason = sched_part_reason(q->sched, part);
    if (held)
        return;
    if (t->next_s == 0 || at < t->next_s)
        t->next_s = at;
    bool active = p->state == SCHED_LEASED || (p->state == SCHED_READY && d->state != SCHED_DOWN);
    if (active || t->state == QUEUE_ITEM_HELD)
        t->state = active ? QUEUE_ITEM_ACTIVE : QUEUE_ITEM_DEFERRED;
}

static void line_send(struct queue *q, struct hub_peer *to, uint64_t token, const struct tally *t)
{
    struct ipc_message m = {.type = IPC_queue_destination, .fd = -1};
    m.u.queue_destination.token = token;
    m.u.queue_destination.name = t->name;
    m.u.queue_destination.messages = t->messages;
    m.u.queue_destination.oldest_s = t->oldest_s;
    m.u.queue_destination.next_s = t->next_s;
    m.u.queue_destination.state = t->state;
    m.u.queue_destination.reason = t->reason;
    ipc_hub_send(q->child.hub, to, &m);
}

static slice copied(struct arena *a, slice text)
{
    slice copy = SLICE_NONE;
    enum err e = arena_copy(a, text, &copy);
    (void)e; /* without memory the line stays without it */
    return copy;
}

/* Only domains that have mail stay. */
static void lines_keep(struct queue *q, struct summary *s, uint32_t labels)
{
    for (uint32_t label = 0; label < labels; label++) {
        struct tally *t = &s->tally[label];
        if (t->messages == 0)
            continue;
        t->name = copied(&s->texts, sched_label_text(q->sched, label));
        t->reason = copied(&s->texts, t->reason);
        s->tally[s->count++] = *t;
    }
}

struct summary *queue_summary_make(struct queue *q, uint32_t *lines_r)
{
    uint32_t labels = sched_label_last(q->sched) + 1;
    struct summary *s = calloc(1, sizeof *s);
    if (s)
        s->tally = calloc(labels, sizeof *s->tally);
    if (!s || !s->tally) {
        free(s);
        return NULL;
    }
    arena_init(&s->texts, TEXTS_MAX);
    for (uint32_t label = 0; label < labels; label++)
        s->tally[label].state = QUEUE_ITEM_HELD;
    int64_t now_s = os_wall_s();
    for (uint32_t part = sched_part_next(q->sched, 0); part; part = sched_part_next(q->sched, part)) {
        const struct sched_part *p = sched_part(q->sched, part);
        if (p->state != SCHED_ENDING)
            tally_part(q, &s->tally[p->label], part, now_s);
    }
    lines_keep(q, s, labels);
    *lines_r = s->count;
    return s;
}

bool queue_summary_send(struct queue *q, struct summary *s, struct hub_peer *to, uint64_t token)
{
    while (s->at < s->count && ipc_hub_pending(q->child.hub, to) <= PENDING_MAX)
        line_send(q, to, token, &s->tally[s->at++]);
    return s->at == s->count;
}

void queue_summary_close(struct summary **summary)
{
    struct summary *s = *summary;
    if (!s)
        return;
    arena_deinit(&s->texts);
    free(s->tally);
    free(s);
    *summary = NULL;
}
