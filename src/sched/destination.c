/* SPDX-License-Identifier: ISC */
/* Destinations: their ready queues, windows and back-off, and the turn that they take. */
#include <assert.h>

#include "sched/state.h"

#define DESTINATIONS_FEW 1024u
#define SWEEP_LEAST 64u
#define WINDOW_FIRST 4u
/* Jobs handed out ahead for each connection, so that a session finds the next mail waiting when it has sent one. */
#define JOBS_A_CONNECTION 8u
/* The bit of priority 0 among those of a destination's ready lists. */
#define LEVEL_NORMAL (1u << -PRIORITY_MIN)
/* One in so many goes to a lower priority: of a destination's parts, of destinations with normal mail, of those that have only low mail. */
#define FAIR_PARTS 8
#define FAIR_NORMAL 4
#define FAIR_LOW 16

static_assert(offsetof(struct sched_destination, key) >= sizeof(uint32_t), "a free one's first bytes are not zero");

struct sched_destination *sched_destination(const struct sched *s, uint32_t handle)
{
    assert(handle && handle <= s->destinations.used);
    return slab_at(&s->destinations, handle);
}

uint32_t sched_destination_find(const struct sched *s, slice key)
{
    return (uint32_t)(uintptr_t)table_get(&s->destination_by_key, key);
}

static uint32_t window_max(const struct sched *s)
{
    return s->options.connections * JOBS_A_CONNECTION;
}

static uint32_t window_first(const struct sched *s)
{
    return window_max(s) < WINDOW_FIRST ? window_max(s) : WINDOW_FIRST;
}

/* A destination that has no mail and no back-off to remember gives its place to the next one, so that addresses chosen by strangers cannot fill the memory. */
static bool forgettable(const struct sched_destination *d)
{
    return d->key && d->part_count == 0 && d->leased == 0 && d->heap_at == 0;
}

static void destination_forget(struct sched *s, uint32_t handle)
{
    struct sched_destination *d = sched_destination(s, handle);
    (void)table_remove(&s->destination_by_key, slice_str(d->key));
    reasons_drop(&s->reasons, d->reason);
    memory_free(d->key);
    memory_free(d->levels);
    slab_free(&s->destinations, handle);
}

/* Looks at more places than were taken since the last time: the work is bounded by that of adding them, and the number by what is in use. */
static void destinations_sweep(struct sched *s)
{
    uint32_t looks = SWEEP_LEAST + s->added * 4;
    s->added = 0;
    if (s->destinations.count < DESTINATIONS_FEW)
        return;
    for (uint32_t i = 0; i < looks && i < s->destinations.used; i++) {
        s->sweep_at = s->sweep_at % s->destinations.used + 1;
        if (forgettable(sched_destination(s, s->sweep_at)))
            destination_forget(s, s->sweep_at);
    }
}

enum err sched_destination_get(struct sched *s, slice key, uint8_t kind, uint32_t *handle_r)
{
    uint32_t handle = sched_destination_find(s, key);
    if (handle) {
        *handle_r = handle;
        return ERR_OK;
    }
    char *copy = memory_alloc(key.len + 1);
    handle = copy ? slab_alloc(&s->destinations) : 0;
    if (!handle)
        goto fail;
    memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    if (table_put(&s->destination_by_key, slice_of(copy, key.len), (void *)(uintptr_t)handle) != ERR_OK)
        goto fail;
    *sched_destination(s, handle) =
        (struct sched_destination){.key = copy, .kind = kind, .window = window_first(s), .state = SCHED_UP};
    s->added++;
    *handle_r = handle;
    return ERR_OK;
fail:
    if (handle)
        slab_free(&s->destinations, handle);
    memory_free(copy);
    return ERR_NOMEM;
}

uint32_t sched_destination_next(const struct sched *s, uint32_t after)
{
    for (uint32_t h = after + 1; h <= s->destinations.used; h++) {
        if (((struct sched_destination *)slab_at(&s->destinations, h))->key)
            return h;
    }
    return 0;
}

/* A bit for each priority that has ready parts, the lowest first. */
static uint32_t ready_mask(const struct sched_destination *d)
{
    return (d->ready.first ? LEVEL_NORMAL : 0u) | (d->levels ? d->levels->mask : 0u);
}

static enum sched_ring ring_of(const struct sched_destination *d)
{
    uint32_t mask = ready_mask(d);
    if (mask > LEVEL_NORMAL * 2 - 1)
        return SCHED_RING_URGENT;
    return mask & LEVEL_NORMAL ? SCHED_RING_NORMAL : SCHED_RING_LOW;
}

static void ring_insert(struct sched *s, uint32_t handle, enum sched_ring ring)
{
    struct sched_destination *d = sched_destination(s, handle);
    d->ring = (uint8_t)ring;
    if (!s->active[ring]) {
        d->active_prev = d->active_next = handle;
        s->active[ring] = handle;
        return;
    }
    struct sched_destination *head = sched_destination(s, s->active[ring]);
    d->active_prev = head->active_prev;
    d->active_next = s->active[ring];
    sched_destination(s, head->active_prev)->active_next = handle;
    head->active_prev = handle;
}

static void ring_remove(struct sched *s, uint32_t handle)
{
    const struct sched_destination *d = sched_destination(s, handle);
    sched_destination(s, d->active_prev)->active_next = d->active_next;
    sched_destination(s, d->active_next)->active_prev = d->active_prev;
    if (s->active[d->ring] == handle)
        s->active[d->ring] = d->active_next == handle ? 0 : d->active_next;
}

void state_active_update(struct sched *s, uint32_t handle)
{
    struct sched_destination *d = sched_destination(s, handle);
    bool able = d->ready_count > 0 && d->state != SCHED_DOWN && d->leased < d->window;
    enum sched_ring ring = able ? ring_of(d) : SCHED_RING_NORMAL;
    if (able == d->active && (!able || ring == d->ring))
        return;
    if (d->active)
        ring_remove(s, handle);
    d->active = able;
    if (able)
        ring_insert(s, handle, ring);
}

/* The list of this priority; without memory for lists of their own its parts are as normal ones from now on. */
static struct sched_list *ready_list(struct sched_destination *d, struct sched_part *p)
{
    if (p->priority != 0 && !d->levels)
        d->levels = memory_zeroed(1, sizeof *d->levels);
    if (!d->levels)
        p->priority = 0;
    return p->priority == 0 ? &d->ready : &d->levels->list[p->priority - PRIORITY_MIN];
}

static void level_note(struct sched_destination *d, int8_t priority)
{
    uint32_t level = (uint32_t)(priority - PRIORITY_MIN);
    if (priority == 0)
        return;
    if (d->levels->list[level].first)
        d->levels->mask |= 1u << level;
    else
        d->levels->mask &= ~(1u << level);
}

void state_ready_push(struct sched *s, uint32_t handle, bool front)
{
    struct sched_part *p = sched_part(s, handle);
    struct sched_destination *d = sched_destination(s, p->destination);
    struct sched_list *list = ready_list(d, p);
    p->state = SCHED_READY;
    p->prev = front ? 0 : list->last;
    p->next = front ? list->first : 0;
    if (p->prev)
        sched_part(s, p->prev)->next = handle;
    else
        list->first = handle;
    if (p->next)
        sched_part(s, p->next)->prev = handle;
    else
        list->last = handle;
    d->ready_count++;
    level_note(d, p->priority);
    state_active_update(s, p->destination);
}

void state_ready_remove(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    struct sched_destination *d = sched_destination(s, p->destination);
    struct sched_list *list = ready_list(d, p);
    if (p->prev)
        sched_part(s, p->prev)->next = p->next;
    else
        list->first = p->next;
    if (p->next)
        sched_part(s, p->next)->prev = p->prev;
    else
        list->last = p->prev;
    p->prev = p->next = 0;
    d->ready_count--;
    level_note(d, p->priority);
    state_active_update(s, p->destination);
}

void state_wait(struct sched *s, uint32_t handle, uint32_t until_s)
{
    struct sched_part *p = sched_part(s, handle);
    p->state = SCHED_WAITING;
    p->next_s = until_s;
    /* Without memory for the heap the part is tried again too early rather than never. */
    if (heap_push(&s->waiting, (struct heap_item){until_s, handle}) != ERR_OK)
        state_ready_push(s, handle, false);
}

void state_wait_end(struct sched *s, uint32_t handle)
{
    struct sched_part *p = sched_part(s, handle);
    if (p->heap_at)
        heap_remove(&s->waiting, p->heap_at);
}

void state_lease_end(struct sched *s, uint32_t handle)
{
    uint32_t destination = sched_part(s, handle)->destination;
    sched_destination(s, destination)->leased--;
    s->leased--;
    state_active_update(s, destination);
}

static uint32_t highest(uint32_t mask)
{
    uint32_t level = 31;
    while (!(mask >> level))
        level--;
    return level;
}

/* The highest priority, but each time in eight the next lower one that did not have its turn lately. */
static uint32_t ready_pick(struct sched_destination *d)
{
    uint32_t mask = ready_mask(d);
    if (mask == LEVEL_NORMAL)
        return d->ready.first;
    uint32_t level = highest(mask);
    if (++d->turns % FAIR_PARTS == 0) {
        uint32_t lower = mask & ((1u << d->fair) - 1);
        level = highest(lower ? lower : mask);
        d->fair = (uint8_t)level;
    }
    return level == -PRIORITY_MIN ? d->ready.first : d->levels->list[level].first;
}

/* Whose turn it is, or 0. */
static uint32_t destination_pick(struct sched *s)
{
    s->turns++;
    if (s->turns % FAIR_LOW == 0 && s->active[SCHED_RING_LOW])
        return s->active[SCHED_RING_LOW];
    if (s->turns % FAIR_NORMAL == 0 && s->active[SCHED_RING_NORMAL])
        return s->active[SCHED_RING_NORMAL];
    for (size_t i = 0; i < SCHED_RINGS; i++) {
        if (s->active[i])
            return s->active[i];
    }
    return 0;
}

uint32_t sched_dispatch(struct sched *s)
{
    uint32_t destination = s->leased < s->options.jobs_max ? destination_pick(s) : 0;
    if (!destination)
        return 0;
    struct sched_destination *d = sched_destination(s, destination);
    s->active[d->ring] = d->active_next;
    uint32_t handle = ready_pick(d);
    sched_part_lease(s, handle);
    return handle;
}

static void due(struct sched *s, uint32_t name)
{
    if (!(name & HEAP_DESTINATION)) {
        state_ready_push(s, name, false);
        return;
    }
    uint32_t handle = name & ~HEAP_DESTINATION;
    struct sched_destination *d = sched_destination(s, handle);
    d->state = SCHED_PROBING;
    d->window = 1;
    state_active_update(s, handle);
}

int64_t sched_tick(struct sched *s, int64_t now_s)
{
    while (s->waiting.count > 0 && (int64_t)s->waiting.items[1].time_s <= now_s) {
        uint32_t name = s->waiting.items[1].name;
        heap_remove(&s->waiting, 1);
        due(s, name);
    }
    destinations_sweep(s);
    return s->waiting.count > 0 ? (int64_t)s->waiting.items[1].time_s : INT64_MAX;
}

int64_t sched_destination_down(struct sched *s, uint32_t handle, int64_t now_s, slice reason)
{
    struct sched_destination *d = sched_destination(s, handle);
    /* Many jobs of one session report the same failure: only the first counts. */
    if (d->state == SCHED_DOWN)
        return d->retry_s;
    size_t i = d->fails < s->options.retry_count ? d->fails : s->options.retry_count - 1;
    if (d->fails < UINT16_MAX)
        d->fails++;
    d->retry_s = (uint32_t)(now_s + s->options.retry_s[i]);
    uint32_t text = reasons_take(&s->reasons, reason);
    reasons_drop(&s->reasons, d->reason);
    d->reason = text;
    d->state = SCHED_DOWN;
    if (heap_push(&s->waiting, (struct heap_item){d->retry_s, handle | HEAP_DESTINATION}) != ERR_OK)
        d->state = SCHED_PROBING;
    d->window = 1;
    state_active_update(s, handle);
    return d->retry_s;
}

void sched_destination_ok(struct sched *s, uint32_t handle)
{
    struct sched_destination *d = sched_destination(s, handle);
    if (d->state == SCHED_DOWN && d->heap_at)
        heap_remove(&s->waiting, d->heap_at);
    d->state = SCHED_UP;
    d->fails = 0;
    reasons_drop(&s->reasons, d->reason);
    d->reason = 0;
    if (d->window < window_first(s))
        d->window = window_first(s);
    else if (d->window < window_max(s))
        d->window++;
    state_active_update(s, handle);
}
