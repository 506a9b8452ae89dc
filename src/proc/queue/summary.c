/* SPDX-License-Identifier: ISC */
/* The queue by the recipients' domain. Needs no head of a mail, so all of it is one pass over the index. */
#include "proc/queue/state.h"

/* One pass over the parts fills all destinations at once. */
struct tally {
    uint32_t messages;
    int64_t oldest_s;
    int64_t next_s;
    slice reason;
    uint8_t state;
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

static void summary_send(struct queue *q, struct hub_peer *p, uint64_t token, slice name, const struct tally *t)
{
    struct ipc_message m = {.type = IPC_queue_destination, .fd = -1};
    m.u.queue_destination.token = token;
    m.u.queue_destination.name = name;
    m.u.queue_destination.messages = t->messages;
    m.u.queue_destination.oldest_s = t->oldest_s;
    m.u.queue_destination.next_s = t->next_s;
    m.u.queue_destination.state = t->state;
    m.u.queue_destination.reason = t->reason;
    ipc_hub_send(q->child.hub, p, &m);
}

uint32_t queue_summary_send(struct queue *q, struct hub_peer *to, uint64_t token)
{
    uint32_t last = sched_label_last(q->sched);
    struct tally *tally = calloc((size_t)last + 1, sizeof *tally);
    uint32_t sent = 0;
    if (!tally)
        return 0;
    for (uint32_t label = 0; label <= last; label++)
        tally[label].state = QUEUE_ITEM_HELD;
    int64_t now_s = os_wall_s();
    for (uint32_t part = sched_part_next(q->sched, 0); part; part = sched_part_next(q->sched, part)) {
        const struct sched_part *p = sched_part(q->sched, part);
        if (p->state != SCHED_ENDING)
            tally_part(q, &tally[p->label], part, now_s);
    }
    for (uint32_t label = 0; label <= last; label++) {
        if (tally[label].messages == 0)
            continue;
        summary_send(q, to, token, sched_label_text(q->sched, label), &tally[label]);
        sent++;
    }
    free(tally);
    return sent;
}
