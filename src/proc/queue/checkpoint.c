/* SPDX-License-Identifier: ISC */
/* The checkpoint: every live mail with its place and schedule, so that a start reads it and only what is newer. Written in slices while mail flows: it covers each segment up to where we knew it
 * when the slice began, and whatever changed later stands in records behind that, which are applied again at recovery. */
#include "proc/queue/state.h"

#define SLICE_MESSAGES 5000
#define STATE_VERSION 4
#define STATE_VERSION_PLAIN 3 /* of a message without priority and wishes */
#define REASON_MAX 200
#define STATE_MAX (8u * 1024 * 1024)
#define CHANGES_MIN 100000u
#define EVERY_MS (300 * 1000)

uint64_t queue_checkpoint_route_stamp(const struct conf *conf)
{
    const struct hash_key fixed = {0x7468756e72206d61, 0x696c2071756575e5};
    uint64_t stamp = 0;
    for (size_t i = 0; i < conf->source_count; i++) {
        if (conf->sources[i].pair)
            continue;
        uint64_t fields[4] = {stamp, (uint64_t)conf->sources[i].stamp.mtime_ns, conf->sources[i].stamp.size,
                              conf->sources[i].stamp.inode};
        stamp = hash_siphash(fixed, slice_of(fields, sizeof fields));
    }
    return stamp;
}

static void put(buf *b, uint64_t v, size_t bytes)
{
    char raw[8];
    put_u64(raw, v);
    buf_append(b, slice_of(raw, bytes));
}

static void part_encode(const struct queue *q, buf *b, uint32_t handle)
{
    const struct sched_part *p = sched_part(q->sched, handle);
    const struct sched_destination *d = sched_destination(q->sched, p->destination);
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, handle, &list);
    /* All its recipients are done, and that is durable before this checkpoint counts. */
    if (count == 0)
        return;
    slice key = slice_str(d->key), reason = slice_sub(sched_part_reason(q->sched, handle), 0, REASON_MAX);
    slice label = slice_sub(sched_label_text(q->sched, p->label), 0, REASON_MAX);
    put(b, key.len, 2);
    buf_append(b, key);
    put(b, d->kind, 1);
    put(b, p->tries, 2);
    put(b, p->state == SCHED_WAITING ? p->next_s : 0, 4);
    put(b, p->state == SCHED_PART_HELD, 1);
    put(b, reason.len, 1);
    buf_append(b, reason);
    put(b, label.len, 1);
    buf_append(b, label);
    put(b, count, 4);
    for (uint32_t i = 0; i < count; i++)
        put(b, list[i], 4);
}

static void wish_encode(buf *b, int8_t priority, const struct wish *w)
{
    put(b, (uint8_t)priority, 1);
    put(b, w->release_s, 4);
    put(b, w->deliver_by_s, 4);
    put(b, w->tag, 4);
    put(b, w->flags, 1);
}

static void state_encode(const struct queue *q, buf *b, const struct sched_message *m)
{
    const struct wish none = {0};
    const struct wish *w = m->extra ? slab_at(&q->wishes, m->extra) : &none;
    bool plain = !m->extra && m->priority == 0;
    put(b, plain ? STATE_VERSION_PLAIN : STATE_VERSION, 1);
    put(b, q->route_stamp, 8);
    put(b, m->flags, 1);
    put(b, m->arrival_s, 4);
    put(b, m->size, 4);
    if (!plain)
        wish_encode(b, m->priority, w);
    for (uint32_t part = m->first_part; part; part = sched_part(q->sched, part)->next_in_message)
        part_encode(q, b, part);
}

/* Reads one number; false at the end of the bytes. */
static bool get(slice *s, size_t bytes, uint64_t *v_r)
{
    char raw[8] = {0};
    if (s->len < bytes)
        return false;
    memcpy(raw, s->ptr, bytes);
    *v_r = get_u64(raw);
    *s = slice_skip(*s, bytes);
    return true;
}

/* One part as it was written. Recipients are read from `list`, four bytes each. */
struct saved_part {
    slice key, reason, label, list;
    uint64_t kind, tries, next_s, held, count;
};

static bool get_bytes(slice *s, uint64_t len, slice *bytes_r)
{
    if (s->len < len)
        return false;
    *bytes_r = slice_sub(*s, 0, len);
    *s = slice_skip(*s, len);
    return true;
}

static bool part_decode(slice *s, struct saved_part *p)
{
    uint64_t key_len, reason_len, label_len;
    return get(s, 2, &key_len) && get_bytes(s, key_len, &p->key) && get(s, 1, &p->kind) && get(s, 2, &p->tries) &&
           get(s, 4, &p->next_s) && get(s, 1, &p->held) && get(s, 1, &reason_len) &&
           get_bytes(s, reason_len, &p->reason) && get(s, 1, &label_len) && get_bytes(s, label_len, &p->label) &&
           get(s, 4, &p->count) && p->count > 0 && p->count <= s->len / 4 && get_bytes(s, p->count * 4, &p->list);
}

static void schedule_restore(struct queue *q, uint32_t part, const struct saved_part *p)
{
    sched_part_restore(q->sched, part, (uint16_t)p->tries, (int64_t)p->next_s, p->reason);
    if (p->held)
        sched_part_hold(q->sched, part);
}

static enum err part_restore(struct queue *q, uint32_t message, const struct saved_part *p)
{
    uint32_t *list = arena_array(&q->turn, p->count, sizeof *list);
    uint32_t destination, part;
    if (!list)
        return ERR_NOMEM;
    for (uint64_t i = 0; i < p->count; i++)
        list[i] = get_u32(p->list.ptr + i * 4);
    enum err e = sched_destination_get(q->sched, p->key, (uint8_t)p->kind, &destination);
    if (e == ERR_OK)
        e = sched_part_add(q->sched, message, destination, (struct sched_recipients){list, (uint32_t)p->count}, &part);
    if (e != ERR_OK)
        return e;
    sched_part_label(q->sched, part, p->label);
    schedule_restore(q, part, p);
    return ERR_OK;
}

static enum err parts_restore(struct queue *q, uint32_t message, slice state)
{
    enum err e = ERR_OK;
    while (e == ERR_OK && state.len > 0) {
        struct saved_part p;
        e = part_decode(&state, &p) ? part_restore(q, message, &p) : ERR_CORRUPT;
    }
    return e;
}

/* The schedule goes over to the new part that has the recipient, and the recipient is open. */
static void rerouted_apply(struct queue *q, uint32_t message, const struct saved_part *p, bool *open, uint32_t total)
{
    for (uint64_t i = 0; i < p->count; i++) {
        uint32_t recipient = get_u32(p->list.ptr + i * 4);
        if (recipient >= total)
            continue;
        open[recipient] = true;
        uint32_t part = sched_part_of(q->sched, message, recipient);
        if (part && sched_part(q->sched, part)->tries <= p->tries && p->kind != NEXT_HOLD)
            sched_part_restore(q->sched, part, (uint16_t)p->tries, (int64_t)p->next_s, p->reason);
    }
}

/* Recipients that are done are those that no part of the old state has: after routing anew they are dropped again. */
static enum err reroute(struct queue *q, uint32_t message, const struct spool_head *head, slice state)
{
    uint32_t total = spool_head_recipient_count(head);
    bool *open = arena_array(&q->turn, total ? total : 1, sizeof *open);
    enum err e = open ? queue_intake_route(q, message, head) : ERR_NOMEM;
    while (e == ERR_OK && state.len > 0) {
        struct saved_part p;
        if (part_decode(&state, &p))
            rerouted_apply(q, message, &p, open, total);
        else
            e = ERR_CORRUPT;
    }
    for (uint32_t i = 0; e == ERR_OK && i < total; i++) {
        uint32_t part = open[i] ? 0 : sched_part_of(q->sched, message, i);
        if (part && sched_part_drop(q->sched, part, i) == 0)
            (void)sched_part_finish(q->sched, part);
    }
    return e;
}

/* The routes have changed since. A mail that cannot be read now keeps its old ones: whoever is to send it will see. */
static enum err route_anew(struct queue *q, uint32_t message, const struct spool_place *place, slice state)
{
    struct spool_entry *entry;
    enum err e = spool_entry_open_head(q->reader, place, &entry);
    if (e == ERR_NOMEM)
        return e;
    if (e != ERR_OK)
        return parts_restore(q, message, state);
    e = reroute(q, message, spool_entry_head(entry), state);
    spool_entry_close(&entry);
    return e;
}

/* It was announced to us again before we read what had been done of it. */
static void known_replace(struct queue *q, uint32_t message, const struct sched_message *m)
{
    const struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    struct sched_message *known = sched_message(q->sched, message);
    /* Whether it is held now the checkpoint knows; its head only, whether it came so. */
    known->flags = (uint8_t)((known->flags & ~SCHED_HELD) | m->flags);
    queue_intake_place(q, message, &place);
    for (uint32_t part; (part = sched_message(q->sched, message)->first_part) != 0;)
        (void)sched_part_finish(q->sched, part);
}

static bool wish_decode(slice *s, struct sched_message *m, struct wish *w)
{
    uint64_t priority, release_s, deliver_by_s, tag, flags;
    if (!get(s, 1, &priority) || !get(s, 4, &release_s) || !get(s, 4, &deliver_by_s) || !get(s, 4, &tag) ||
        !get(s, 1, &flags))
        return false;
    m->priority = (int8_t)priority;
    *w = (struct wish){.release_s = (uint32_t)release_s,
                       .deliver_by_s = (uint32_t)deliver_by_s,
                       .tag = (uint32_t)tag,
                       .flags = (uint8_t)flags};
    return m->priority >= PRIORITY_MIN && m->priority <= PRIORITY_MAX;
}

enum err queue_checkpoint_restore(struct queue *q, const struct spool_place *place, slice state)
{
    uint64_t version, stamp, flags, arrival_s, size;
    if (!get(&state, 1, &version) || (version != STATE_VERSION && version != STATE_VERSION_PLAIN) ||
        !get(&state, 8, &stamp) || !get(&state, 1, &flags) || !get(&state, 4, &arrival_s) || !get(&state, 4, &size))
        return ERR_UNSUPPORTED;
    struct sched_message m = {
        .id = place->id,
        .segment = place->segment,
        .offset = place->offset,
        .length = place->length,
        .epoch = place->epoch,
        .copy = place->copy,
        .arrival_s = (uint32_t)arrival_s,
        .size = (uint32_t)size,
        .flags = (uint8_t)(flags & ~(uint64_t)SCHED_KEEP_BODY), /* the checkpoint says what could not be written down */
    };
    struct wish wish = {0};
    if (version == STATE_VERSION && !wish_decode(&state, &m, &wish))
        return ERR_CORRUPT;
    uint32_t handle;
    enum err e = sched_message_add(q->sched, &m, &handle);
    if (e == ERR_EXISTS)
        known_replace(q, handle, &m);
    else if (e == ERR_OK)
        queue_segment_live_add(q, place->segment);
    else
        return e;
    e = queue_wish_set(q, handle, wish);
    if (e != ERR_OK)
        return e;
    return stamp == q->route_stamp ? parts_restore(q, handle, state) : route_anew(q, handle, place, state);
}

static enum err segments_write(struct queue *q)
{
    size_t at = 0;
    slice key;
    void *value;
    enum err e = ERR_OK;
    while (e == ERR_OK && table_next(&q->segments, &at, &key, &value)) {
        struct segment *s = value;
        /* A closed one is known to its end, whatever a failed batch has left there (QUEUE.md). */
        s->covering = s->closed ? UINT32_MAX : s->committed;
        e = spool_checkpoint_segment(q->checkpoint, s->number, s->epoch, s->covering);
    }
    return e;
}

void queue_checkpoint_begin(void *ctx)
{
    struct queue *q = ctx;
    loop_timer_start(q->checkpoint_timer, EVERY_MS);
    if (q->checkpoint || q->commit || !q->recovered || q->changes == 0 || q->incomplete)
        return;
    enum err e = spool_checkpoint_begin(q->child.start->spool_fd, &q->checkpoint);
    if (e == ERR_OK)
        e = segments_write(q);
    if (e != ERR_OK) {
        log_line(LOG_WARNING, "no checkpoint could be begun: %s", err_text(e));
        spool_checkpoint_abort(&q->checkpoint);
        return;
    }
    q->changes = 0;
    q->checkpoint_at = 0;
    q->checkpoint_batch = UINT64_MAX;
    loop_timer_start(q->tick, 0);
}

static enum err messages_write(struct queue *q, int most)
{
    buf b;
    buf_init(&b, STATE_MAX);
    enum err e = ERR_OK;
    for (int i = 0; i < most && e == ERR_OK; i++) {
        q->checkpoint_at = sched_message_next(q->sched, q->checkpoint_at);
        if (!q->checkpoint_at) {
            q->checkpoint_batch = q->batch_serial;
            break;
        }
        const struct sched_message *m = sched_message(q->sched, q->checkpoint_at);
        struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
        buf_clear(&b);
        state_encode(q, &b, m);
        e = buf_ok(&b) ? spool_checkpoint_add(q->checkpoint, &place, buf_slice(&b)) : ERR_NOMEM;
    }
    buf_deinit(&b);
    return e;
}

static void covered_update(struct queue *q)
{
    size_t at = 0;
    slice key;
    void *value;
    while (table_next(&q->segments, &at, &key, &value)) {
        struct segment *s = value;
        s->covered = s->covering;
    }
    queue_segments_release_all(q);
}

static void complain(enum err e)
{
    log_line(LOG_WARNING, "checkpoint failed: %s", err_text(e));
}

static void committed(struct queue *q)
{
    enum err e = spool_checkpoint_thread_end(&q->commit);
    queue_segments_freed_forget(q);
    if (e == ERR_OK)
        covered_update(q);
    else
        complain(e);
}

static void commit_over(void *ctx, bool readable, bool writable)
{
    struct queue *q = ctx;
    (void)readable;
    (void)writable;
    os_event_clear(q->commit_fd);
    if (q->commit)
        committed(q);
}

enum err queue_checkpoint_open(struct queue *q)
{
    enum err e = os_event_open(&q->commit_fd);
    if (e == ERR_OK)
        e = loop_watch_open(q->child.loop, q->commit_fd, commit_over, q, &q->commit_watch);
    if (e != ERR_OK)
        return e;
    loop_watch_set(q->commit_watch, true, false);
    return loop_timer_open(q->child.loop, queue_checkpoint_begin, q, &q->checkpoint_timer);
}

void queue_checkpoint_step(struct queue *q)
{
    if (q->commit)
        return;
    if (!q->checkpoint) {
        if (q->changes > CHANGES_MIN + sched_message_count(q->sched))
            queue_checkpoint_begin(q);
        return;
    }
    enum err e = q->incomplete ? ERR_NOMEM : ERR_OK;
    if (e == ERR_OK && q->checkpoint_batch == UINT64_MAX) {
        e = messages_write(q, SLICE_MESSAGES);
        loop_timer_start(q->tick, 0);
    } else if (e == ERR_OK && queue_batch_durable(q, q->checkpoint_batch)) {
        queue_segments_freed_gather(q);
        e = spool_checkpoint_thread_begin(&q->checkpoint, q->commit_fd, &q->freed, &q->commit);
    }
    if (e != ERR_OK) {
        queue_segments_freed_forget(q);
        complain(e);
        spool_checkpoint_abort(&q->checkpoint);
    }
}

void queue_checkpoint_whole(struct queue *q)
{
    queue_checkpoint_close(q);
    if (!queue_batch_idle(q))
        return;
    q->changes++;
    queue_checkpoint_begin(q);
    while (q->checkpoint)
        queue_checkpoint_step(q);
    if (q->commit)
        committed(q);
}

void queue_checkpoint_close(struct queue *q)
{
    if (q->commit)
        committed(q);
    spool_checkpoint_abort(&q->checkpoint);
}
