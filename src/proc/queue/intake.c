/* SPDX-License-Identifier: ISC */
/* Mail comes into the index: from a receiver's announcement, from recovery, from our own batches. The same record may come twice, and an older copy after a newer one. */
#include "proc/queue/state.h"

/* Recipients with the next hop that each has, to be grouped by destination. */
struct routed {
    uint32_t recipient;
    uint32_t destination;
};

static int routed_compare(const void *a, const void *b)
{
    const struct routed *x = a, *y = b;
    if (x->destination != y->destination)
        return x->destination < y->destination ? -1 : 1;
    return x->recipient < y->recipient ? -1 : x->recipient > y->recipient;
}

static enum err destination_of(struct queue *q, const struct recipient *r, uint32_t *destination_r)
{
    struct next_hop hop = route_next(q->routes, r);
    char memory[512];
    buf key;
    buf_init_fixed(&key, memory, sizeof memory);
    route_next_key(&key, &hop);
    return sched_destination_get(q->sched, buf_slice(&key), (uint8_t)hop.kind, destination_r);
}

/* The domain of the part's first recipient: what an admin looks for, whatever host the mail goes through. */
static slice label_of(const struct spool_head *head, uint32_t recipient)
{
    const struct envelope *envelope;
    const struct recipient *r = spool_head_recipient(head, recipient, &envelope);
    ptrdiff_t at = r ? slice_rfind_char(r->address, '@') : -1;
    return at < 0 ? SLICE_NONE : slice_skip(r->address, (size_t)at + 1);
}

static enum err parts_add(struct queue *q, uint32_t message, const struct spool_head *head, const struct routed *routed,
                          uint32_t count)
{
    uint32_t *list = arena_array(&q->turn, count, sizeof *list);
    if (!list)
        return ERR_NOMEM;
    for (uint32_t from = 0; from < count;) {
        uint32_t n = 0, destination = routed[from].destination, part;
        while (from + n < count && routed[from + n].destination == destination) {
            list[n] = routed[from + n].recipient;
            n++;
        }
        enum err e = sched_part_add(q->sched, message, destination, (struct sched_recipients){list, n}, &part);
        if (e != ERR_OK)
            return e;
        sched_part_label(q->sched, part, label_of(head, list[0]));
        if (sched_destination(q->sched, destination)->kind == NEXT_HOLD)
            sched_part_hold(q->sched, part);
        from += n;
    }
    return ERR_OK;
}

enum err queue_intake_route(struct queue *q, uint32_t message, const struct spool_head *head)
{
    uint32_t total = spool_head_recipient_count(head);
    struct routed *routed = arena_array(&q->turn, total, sizeof *routed);
    if (!routed)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < total; i++) {
        const struct envelope *envelope;
        const struct recipient *r = spool_head_recipient(head, i, &envelope);
        routed[i].recipient = i;
        enum err e = destination_of(q, r, &routed[i].destination);
        if (e != ERR_OK)
            return e;
    }
    if (total > 1)
        qsort(routed, total, sizeof *routed, routed_compare);
    return parts_add(q, message, head, routed, total);
}

static uint8_t flags_of(const struct spool_head *head)
{
    uint8_t flags = head->large_file ? SCHED_LARGE : 0;
    bool all_null = true;
    for (uint16_t i = 0; i < head->envelope_count; i++) {
        const struct envelope *e = &head->envelopes[i];
        all_null = all_null && e->reverse_path.len == 0;
        flags |= e->flags & ENVELOPE_BOUNCE ? SCHED_BOUNCE : 0;
        flags |= e->flags & ENVELOPE_TRUSTED ? SCHED_TRUSTED : 0;
        flags |= e->flags & ENVELOPE_HELD ? SCHED_HELD : 0;
    }
    return all_null ? flags | SCHED_NULL_PATH : flags;
}

void queue_intake_place(struct queue *q, uint32_t handle, const struct spool_place *place)
{
    struct sched_message *m = sched_message(q->sched, handle);
    if (place->copy <= m->copy)
        return;
    uint64_t old = m->segment;
    queue_segment_live_add(q, place->segment);
    m->segment = place->segment;
    m->offset = place->offset;
    m->length = place->length;
    m->epoch = place->epoch;
    m->copy = place->copy;
    m->flags |= SCHED_MOVED;
    queue_segment_live_drop(q, old);
}

/* A damaged or foreign record must not lead out of the tables. */
static int8_t priority_of(const struct spool_head *head)
{
    int8_t p = head->envelope_count ? head->envelopes[0].priority : 0;
    return p < PRIORITY_MIN ? PRIORITY_MIN : p > PRIORITY_MAX ? PRIORITY_MAX : p;
}

/* It came to be held: the reason for whoever looks at the queue. */
static void held_explain(struct queue *q, uint32_t message, const struct spool_head *head)
{
    const struct sched_message *m = sched_message(q->sched, message);
    slice reason = SLICE("held for the job that it belongs to");
    if (!(m->flags & SCHED_HELD) || head->envelope_count == 0)
        return;
    if (head->envelopes[0].tag.len == 0 &&
        (head->origin.login.len == 0 || arena_printf(&q->turn, &reason, "%.*s has sent too much mail in an hour",
                                                     SLICE_ARG(head->origin.login)) != ERR_OK))
        return;
    for (uint32_t part = m->first_part; part; part = sched_part(q->sched, part)->next_in_message)
        sched_part_restore(q->sched, part, 0, 0, reason);
    if (q->recovered)
        queue_log_held(m->id, true, reason);
}

/* Nobody tries to deliver it: without this the log and the trace would fall silent as if it were forgotten. */
static void held_by_route(struct queue *q, const struct sched_part *p)
{
    char memory[512];
    buf reason;
    buf_init_fixed(&reason, memory, sizeof memory);
    buf_append(&reason, SLICE("by the route "));
    buf_append(&reason, slice_str(sched_destination(q->sched, p->destination)->key));
    queue_log_held(sched_message(q->sched, p->message)->id, true, buf_slice(&reason));
}

static void log_held_parts(struct queue *q, uint32_t message)
{
    for (uint32_t part = sched_message(q->sched, message)->first_part; part;) {
        const struct sched_part *p = sched_part(q->sched, part);
        if (sched_destination(q->sched, p->destination)->kind == NEXT_HOLD)
            held_by_route(q, p);
        part = p->next_in_message;
    }
}

enum err queue_intake_message(struct queue *q, const struct spool_place *place, slice head_bytes, bool recovering)
{
    struct spool_head head;
    enum err e = spool_head_decode(head_bytes, &q->turn, &head);
    if (e != ERR_OK)
        return e;
    struct sched_message m = {
        .id = place->id,
        .segment = place->segment,
        .offset = place->offset,
        .length = place->length,
        .epoch = place->epoch,
        .copy = place->copy,
        .arrival_s = head.arrival_s > 0 ? (uint32_t)head.arrival_s : 1,
        .size = head.facts.size > UINT32_MAX ? UINT32_MAX : (uint32_t)head.facts.size,
        .flags = flags_of(&head),
    };
    m.flags |= place->copy > 0 ? SCHED_MOVED : 0;
    m.priority = priority_of(&head);
    uint32_t handle;
    e = sched_message_add(q->sched, &m, &handle);
    if (e == ERR_EXISTS) {
        queue_intake_place(q, handle, place);
        return ERR_OK;
    }
    if (e != ERR_OK)
        return e;
    queue_segment_live_add(q, place->segment);
    q->changes++;
    if (!recovering)
        queue_log_active(m.id, &head);
    e = queue_wish_set(q, handle, queue_wish_read(&head));
    if (e == ERR_OK)
        e = queue_intake_route(q, handle, &head);
    if (e == ERR_OK) {
        queue_wish_hold_back(q, handle);
        held_explain(q, handle, &head);
        if (!recovering)
            log_held_parts(q, handle);
    }
    if (e == ERR_OK && !recovering && !sched_message(q->sched, handle)->first_part)
        queue_intake_message_done(q, handle);
    return e;
}

/* Committed before its receiver's HELLO, and announced behind it: our start has read it from the disk, and it may be done by now. By what the start has read alone: other words on how far a segment
 * is committed may come before the announcements of what is in it. */
static bool was_read(const struct segment *s, const struct ipc_announce *a)
{
    return s->epoch == a->epoch && s->read_to >= a->length && a->offset <= s->read_to - a->length;
}

void queue_intake_announce(struct queue *q, struct hub_peer *p, const struct ipc_announce *a)
{
    struct peer_state *state = p->user;
    struct segment *s = queue_segment_get(q, a->segment);
    if (s) {
        queue_segment_epoch(s, a->epoch);
        s->owner = p;
        s->writer = p->process;
    }
    struct spool_place place = CHILD_PLACE_OF(*a);
    enum err e = s ? ERR_OK : ERR_NOMEM;
    if (s && !was_read(s, a))
        e = queue_intake_message(q, &place, a->head, false);
    if (e != ERR_OK) {
        /* It is on disk and stays there: a restart reads it again. The segment must not be used anew before, nor a checkpoint pass over it. */
        queue_incomplete(q);
        log_line(LOG_ERROR, "announced message cannot be taken into the index (%s): it waits for the next start",
                 err_text(e));
        if (s)
            s->damaged = true;
    }
    /* Not a->committed: that is the end of the batch, and the announcements of its other mails may never come. */
    if (s && a->offset + a->length > s->committed)
        s->committed = a->offset + a->length;
    if (state)
        state->unacked += a->head.len + 64;
}

/* What was finished before a start is known from a checkpoint only when its segment has been freed since. Its body was removed before that; if a power cut brought it back, the sweep removes it. */
static bool was_removed_before(const struct queue *q, enum err e)
{
    return !q->recovered && (e == ERR_NOTFOUND || e == ERR_CORRUPT);
}

static void large_remove(struct queue *q, const struct sched_message *m)
{
    struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    struct spool_entry *entry;
    enum err e = spool_entry_open_head(q->reader, &place, &entry);
    if (e == ERR_OK) {
        uint64_t file = spool_entry_head(entry)->large_file;
        spool_entry_close(&entry);
        e = spool_large_remove(q->child.start->spool_fd, file);
    }
    if (e != ERR_OK && !was_removed_before(q, e))
        log_line(LOG_WARNING, "large body of a finished message cannot be removed now (%s): the next start does it",
                 err_text(e));
}

void queue_intake_message_done(struct queue *q, uint32_t message)
{
    const struct sched_message *m = sched_message(q->sched, message);
    uint64_t segment = m->segment;
    if (q->recovered)
        queue_log_removed(m->id);
    /* With part of it not in the index, what looks finished may still have recipients. */
    if ((m->flags & SCHED_LARGE) && !(m->flags & SCHED_KEEP_BODY) && !q->incomplete)
        large_remove(q, m);
    queue_wish_drop(q, message);
    sched_message_remove(q->sched, message);
    queue_segment_live_drop(q, segment);
    q->changes++;
}

bool queue_intake_handled_here(struct queue *q, uint32_t part)
{
    const struct sched_part *p = sched_part(q->sched, part);
    if (queue_outcome_too_late(q, part))
        return true;
    switch ((enum next_kind)sched_destination(q->sched, p->destination)->kind) {
    case NEXT_DISCARD:
        queue_outcome_delivered(q, part);
        return true;
    case NEXT_HOLD:
        sched_part_return(q->sched, part);
        sched_part_hold(q->sched, part);
        held_by_route(q, p);
        return true;
    case NEXT_UNKNOWN: {
        struct verdict v = status_verdict_text(STATUS_LOCAL_ERROR,
                                               SLICE("the configuration has no delivery for this address any more"));
        if (!queue_outcome_check_age(q, part, &v, SLICE_NONE))
            (void)sched_part_defer(q->sched, part, os_wall_s(), v.text);
        return true;
    }
    case NEXT_NOTICE:
        queue_outcome_notice(q, part);
        return true;
    case NEXT_LOCAL:
    case NEXT_SMTP:
    case NEXT_LMTP:
        return false;
    }
    return false;
}
