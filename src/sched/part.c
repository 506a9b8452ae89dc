/* SPDX-License-Identifier: ISC */
/* Parts: what of a message goes to one destination, and its way from ready through leased and waiting to its end. */
#include <assert.h>

#include "sched/state.h"

struct sched_part *sched_part(const struct sched *s, uint32_t handle)
{
    assert(handle && handle <= s->parts.used);
    return slab_at(&s->parts, handle);
}

uint32_t sched_part_next(const struct sched *s, uint32_t after)
{
    for (uint32_t h = after + 1; h <= s->parts.used; h++) {
        if (((struct sched_part *)slab_at(&s->parts, h))->state)
            return h;
    }
    return 0;
}

static enum err recipients_set(struct sched_part *p, struct sched_recipients r)
{
    if (r.count == 1) {
        p->recipients.one = r.list[0];
        return ERR_OK;
    }
    uint32_t *list = memory_alloc(((size_t)r.count + 1) * sizeof *list);
    if (!list)
        return ERR_NOMEM;
    list[0] = r.count;
    memcpy(list + 1, r.list, (size_t)r.count * sizeof *list);
    p->recipients.list = list;
    p->many = true;
    return ERR_OK;
}

static void rest(struct sched *s, struct sched_part *p)
{
    p->state = SCHED_PART_HELD;
    s->held++;
}

enum err sched_part_add(struct sched *s, uint32_t message, uint32_t destination, struct sched_recipients r,
                        uint32_t *handle_r)
{
    assert(r.count > 0);
    uint32_t handle = slab_alloc(&s->parts);
    if (!handle)
        return ERR_NOMEM;
    struct sched_part *p = sched_part(s, handle);
    if (recipients_set(p, r) != ERR_OK) {
        slab_free(&s->parts, handle);
        return ERR_NOMEM;
    }
    struct sched_message *m = sched_message(s, message);
    p->message = message;
    p->destination = destination;
    p->priority = m->priority;
    p->next_in_message = m->first_part;
    m->first_part = handle;
    sched_destination(s, destination)->part_count++;
    if (m->flags & SCHED_HELD)
        rest(s, p);
    else
        state_ready_push(s, handle, false);
    *handle_r = handle;
    return ERR_OK;
}

uint32_t sched_part_recipients(const struct sched *s, uint32_t handle, const uint32_t **list_r)
{
    const struct sched_part *p = sched_part(s, handle);
    *list_r = p->many ? p->recipients.list + 1 : &p->recipients.one;
    return p->many ? p->recipients.list[0] : 1;
}

uint32_t sched_part_of(const struct sched *s, uint32_t message, uint32_t recipient)
{
    for (uint32_t h = sched_message(s, message)->first_part; h; h = sched_part(s, h)->next_in_message) {
        const uint32_t *list;
        uint32_t count = sched_part_recipients(s, h, &list);
        for (uint32_t i = 0; i < count; i++) {
            if (list[i] == recipient)
                return h;
        }
    }
    return 0;
}

uint32_t sched_part_drop(struct sched *s, uint32_t handle, uint32_t recipient)
{
    struct sched_part *p = sched_part(s, handle);
    if (!p->many)
        return p->recipients.one == recipient ? 0 : 1;
    uint32_t *list = p->recipients.list;
    for (uint32_t i = 1; i <= list[0]; i++) {
        if (list[i] != recipient)
            continue;
        memmove(list + i, list + i + 1, (list[0] - i) * sizeof *list);
        list[0]--;
        break;
    }
    return list[0];
}

static void reason_set(struct sched *s, uint32_t *reason, slice text)
{
    uint32_t handle = reasons_take(&s->reasons, text);
    reasons_drop(&s->reasons, *reason);
    *reason = handle;
}

void sched_part_return(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    assert(p->state == SCHED_LEASED);
    state_lease_end(s, handle);
    if (sched_message(s, p->message)->flags & SCHED_HELD) {
        rest(s, p);
        return;
    }
    state_ready_push(s, handle, true);
}

/* The wait after `tries` attempts in vain. */
static int64_t schedule_wait(const struct sched_options *o, uint32_t tries)
{
    size_t i = tries > 0 ? tries - 1 : 0;
    return o->retry_s[i < o->retry_count ? i : o->retry_count - 1];
}

int64_t sched_part_defer(struct sched *s, uint32_t handle, int64_t now_s, slice reason)
{
    struct sched_part *p = sched_part(s, handle);
    if (p->state == SCHED_LEASED)
        state_lease_end(s, handle);
    if (p->tries < UINT16_MAX)
        p->tries++;
    reason_set(s, &p->reason, reason);
    int64_t next_s = now_s + schedule_wait(&s->options, p->tries);
    if (sched_message(s, p->message)->flags & SCHED_HELD)
        rest(s, p);
    else
        state_wait(s, handle, (uint32_t)next_s);
    return next_s;
}

void sched_waits_shorten(struct sched *s, int64_t now_s)
{
    for (uint32_t at = 1; at <= s->waiting.count; at++) {
        uint32_t name = s->waiting.items[at].name;
        bool whole = name & HEAP_DESTINATION;
        struct sched_destination *d = whole ? sched_destination(s, name & ~HEAP_DESTINATION) : NULL;
        struct sched_part *p = whole ? NULL : sched_part(s, name);
        if (p && p->tries == 0)
            continue;
        int64_t latest_s = now_s + schedule_wait(&s->options, d ? d->fails : p->tries);
        uint32_t *due_s = d ? &d->retry_s : &p->next_s;
        if ((int64_t)*due_s <= latest_s)
            continue;
        *due_s = latest_s < 0 ? 0 : (uint32_t)latest_s;
        heap_sooner(&s->waiting, at, *due_s);
    }
}

void sched_part_restore(struct sched *s, uint32_t handle, uint16_t tries, int64_t next_s, slice reason)
{
    struct sched_part *p = sched_part(s, handle);
    p->tries = tries;
    reason_set(s, &p->reason, reason);
    if (next_s == 0)
        return;
    if (p->state == SCHED_READY)
        state_ready_remove(s, handle);
    else if (p->state == SCHED_WAITING)
        state_wait_end(s, handle);
    else
        return;
    state_wait(s, handle, next_s < 0 ? 0 : (uint32_t)next_s);
}

void sched_part_until(struct sched *s, uint32_t handle, int64_t latest_s)
{
    struct sched_part *p = sched_part(s, handle);
    if (p->state != SCHED_WAITING || (int64_t)p->next_s <= latest_s)
        return;
    state_wait_end(s, handle);
    state_wait(s, handle, latest_s < 0 ? 0 : (uint32_t)latest_s);
}

void sched_part_retry(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    if (p->state == SCHED_WAITING) {
        state_wait_end(s, handle);
        state_ready_push(s, handle, true);
    }
    struct sched_destination *d = sched_destination(s, p->destination);
    if (d->state == SCHED_DOWN && d->heap_at) {
        heap_remove(&s->waiting, d->heap_at);
        d->state = SCHED_PROBING;
        d->window = 1;
        state_active_update(s, p->destination);
    }
}

void sched_part_hold(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    if (p->state == SCHED_READY)
        state_ready_remove(s, handle);
    else if (p->state == SCHED_WAITING)
        state_wait_end(s, handle);
    else
        return;
    rest(s, p);
}

void sched_part_release(struct sched *s, uint32_t handle)
{
    if (sched_part(s, handle)->state != SCHED_PART_HELD)
        return;
    s->held--;
    state_ready_push(s, handle, false);
}

void sched_part_end(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    switch ((enum sched_part_state)p->state) {
    case SCHED_READY:
        state_ready_remove(s, handle);
        break;
    case SCHED_LEASED:
        state_lease_end(s, handle);
        break;
    case SCHED_WAITING:
        state_wait_end(s, handle);
        break;
    case SCHED_PART_HELD:
        s->held--;
        break;
    case SCHED_ENDING:
        break;
    }
    p->state = SCHED_ENDING;
}

static void unlink_from_message(struct sched *s, uint32_t handle)
{
    const struct sched_part *p = sched_part(s, handle);
    uint32_t *link = &sched_message(s, p->message)->first_part;
    while (*link != handle)
        link = &sched_part(s, *link)->next_in_message;
    *link = p->next_in_message;
}

bool sched_part_finish(struct sched *s, uint32_t handle)
{
    sched_part_end(s, handle);
    struct sched_part *p = sched_part(s, handle);
    uint32_t message = p->message;
    unlink_from_message(s, handle);
    sched_destination(s, p->destination)->part_count--;
    reasons_drop(&s->reasons, p->reason);
    reasons_drop(&s->reasons, p->label);
    if (p->many)
        memory_free(p->recipients.list);
    slab_free(&s->parts, handle);
    return sched_message(s, message)->first_part == 0;
}

void sched_part_lease(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    assert(p->state == SCHED_READY);
    sched_destination(s, p->destination)->leased++;
    s->leased++;
    state_ready_remove(s, handle);
    p->state = SCHED_LEASED;
}

int64_t sched_part_time(const struct sched *s, uint32_t handle, int64_t now_s)
{
    const struct sched_part *p = sched_part(s, handle);
    const struct sched_destination *d = sched_destination(s, p->destination);
    int64_t at = p->state == SCHED_WAITING ? p->next_s : now_s;
    if (d->state == SCHED_DOWN && (int64_t)d->retry_s > at)
        at = d->retry_s;
    return at;
}

slice sched_part_reason(const struct sched *s, uint32_t handle)
{
    const struct sched_part *p = sched_part(s, handle);
    const struct sched_destination *d = sched_destination(s, p->destination);
    bool longer = p->state == SCHED_WAITING && p->next_s > d->retry_s && p->reason; /* than its destination is down */
    return reasons_text(&s->reasons, d->state != SCHED_UP && d->reason && !longer ? d->reason : p->reason);
}

void sched_part_label(struct sched *s, uint32_t handle, slice domain)
{
    reason_set(s, &sched_part(s, handle)->label, domain);
}

uint32_t sched_label_last(const struct sched *s)
{
    return s->reasons.slab.used;
}

slice sched_label_text(const struct sched *s, uint32_t label)
{
    return reasons_text(&s->reasons, label);
}
