/* SPDX-License-Identifier: ISC */
/* The checkpoint: every live mail with its place and schedule, so that a start reads it and only what is newer. Written in slices while mail flows: it covers each segment up to where we knew it
 * when the slice began, and whatever changed later stands in records behind that, which are applied again at recovery. */
#include "proc/queue/state.h"

#define SLICE_MESSAGES 5000
#define STATE_VERSION 1
#define STATE_MAX (8u * 1024 * 1024)
#define CHANGES_MIN 100000u
#define EVERY_MS (300 * 1000)

uint64_t queue_checkpoint_route_stamp(const struct conf *conf)
{
    const struct hash_key fixed = {0x7468756e72206d61, 0x696c2071756575e5};
    uint64_t stamp = 0;
    for (size_t i = 0; i < conf->source_count; i++) {
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
    slice key = slice_str(d->key);
    put(b, key.len, 2);
    buf_append(b, key);
    put(b, d->kind, 1);
    put(b, p->tries, 2);
    put(b, p->state == SCHED_WAITING ? p->next_s : 0, 4);
    put(b, p->state == SCHED_PART_HELD, 1);
    put(b, count, 4);
    for (uint32_t i = 0; i < count; i++)
        put(b, list[i], 4);
}

static void state_encode(const struct queue *q, buf *b, const struct sched_message *m)
{
    put(b, STATE_VERSION, 1);
    put(b, q->route_stamp, 8);
    put(b, m->flags, 1);
    put(b, m->arrival_s, 4);
    put(b, m->size, 4);
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

static enum err part_restore(struct queue *q, uint32_t message, slice *s)
{
    uint64_t key_len, kind, tries, next_s, held, count, recipient;
    slice key;
    if (!get(s, 2, &key_len) || s->len < key_len)
        return ERR_CORRUPT;
    key = slice_sub(*s, 0, key_len);
    *s = slice_skip(*s, key_len);
    if (!get(s, 1, &kind) || !get(s, 2, &tries) || !get(s, 4, &next_s) || !get(s, 1, &held) || !get(s, 4, &count) ||
        count == 0 || count > s->len / 4)
        return ERR_CORRUPT;
    uint32_t *list = arena_array(&q->turn, count, sizeof *list);
    uint32_t destination, part;
    if (!list)
        return ERR_NOMEM;
    for (uint64_t i = 0; i < count && get(s, 4, &recipient); i++)
        list[i] = (uint32_t)recipient;
    enum err e = sched_destination_get(q->sched, key, (uint8_t)kind, &destination);
    if (e == ERR_OK)
        e = sched_part_add(q->sched, message, destination, (struct sched_recipients){list, (uint32_t)count}, &part);
    if (e != ERR_OK)
        return e;
    if (held)
        sched_part_hold(q->sched, part);
    else if (next_s)
        sched_part_restore(q->sched, part, (uint16_t)tries, (int64_t)next_s, SLICE_NONE);
    return ERR_OK;
}

/* Recipients that are done are those that no part of the old state has: after routing anew they are dropped again. */
static enum err reroute(struct queue *q, uint32_t message, const struct spool_place *place, slice state)
{
    struct spool_entry *entry;
    enum err e = spool_entry_open_head(q->reader, place, &entry);
    if (e != ERR_OK)
        return e;
    const struct spool_head *head = spool_entry_head(entry);
    uint32_t total = spool_head_recipient_count(head);
    bool *open = arena_array(&q->turn, total ? total : 1, sizeof *open);
    e = open ? queue_intake_route(q, message, head) : ERR_NOMEM;
    spool_entry_close(&entry);
    uint64_t key_len, count, recipient;
    while (e == ERR_OK && get(&state, 2, &key_len) && state.len >= key_len + 8) {
        state = slice_skip(state, key_len + 8);
        if (!get(&state, 4, &count))
            break;
        for (uint64_t i = 0; i < count && get(&state, 4, &recipient); i++) {
            if (recipient < total)
                open[recipient] = true;
        }
    }
    for (uint32_t i = 0; e == ERR_OK && i < total; i++) {
        uint32_t part = open[i] ? 0 : sched_part_of(q->sched, message, i);
        if (part && sched_part_drop(q->sched, part, i) == 0)
            (void)sched_part_finish(q->sched, part);
    }
    return e;
}

enum err queue_checkpoint_restore(struct queue *q, const struct spool_place *place, slice state)
{
    uint64_t version, stamp, flags, arrival_s, size;
    if (!get(&state, 1, &version) || version != STATE_VERSION || !get(&state, 8, &stamp) || !get(&state, 1, &flags) ||
        !get(&state, 4, &arrival_s) || !get(&state, 4, &size))
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
        .flags = (uint8_t)flags,
    };
    uint32_t handle;
    enum err e = sched_message_add(q->sched, &m, &handle);
    if (e == ERR_EXISTS)
        return ERR_OK;
    if (e != ERR_OK)
        return e;
    queue_segment_live_add(q, place->segment);
    if (stamp != q->route_stamp)
        return reroute(q, handle, place, state);
    while (e == ERR_OK && state.len > 0)
        e = part_restore(q, handle, &state);
    return e;
}

static enum err segments_write(struct queue *q)
{
    size_t at = 0;
    slice key;
    void *value;
    enum err e = ERR_OK;
    while (e == ERR_OK && table_next(&q->segments, &at, &key, &value)) {
        struct segment *s = value;
        s->covering = s->committed;
        e = spool_checkpoint_segment(q->checkpoint, s->number, s->epoch, s->committed);
    }
    return e;
}

void queue_checkpoint_begin(void *ctx)
{
    struct queue *q = ctx;
    loop_timer_start(q->checkpoint_timer, EVERY_MS);
    if (q->checkpoint || !q->recovered || q->changes == 0)
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

void queue_checkpoint_step(struct queue *q)
{
    if (!q->checkpoint) {
        if (q->changes > CHANGES_MIN + sched_message_count(q->sched))
            queue_checkpoint_begin(q);
        return;
    }
    enum err e = ERR_OK;
    if (q->checkpoint_batch == UINT64_MAX) {
        e = messages_write(q, SLICE_MESSAGES);
        loop_timer_start(q->tick, 0);
    } else if (queue_batch_durable(q, q->checkpoint_batch)) {
        e = spool_checkpoint_commit(&q->checkpoint);
        if (e == ERR_OK)
            covered_update(q);
    }
    if (e != ERR_OK) {
        log_line(LOG_WARNING, "checkpoint failed: %s", err_text(e));
        spool_checkpoint_abort(&q->checkpoint);
    }
}

void queue_checkpoint_whole(struct queue *q)
{
    spool_checkpoint_abort(&q->checkpoint);
    if (!queue_batch_idle(q))
        return;
    q->changes++;
    queue_checkpoint_begin(q);
    while (q->checkpoint)
        queue_checkpoint_step(q);
}
