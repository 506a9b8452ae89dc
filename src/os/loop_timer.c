/* SPDX-License-Identifier: ISC */
/* A binary heap, which has room for every timer that is open: so starting one cannot fail. Equal times go in the order of their starts. */
#include "os/loop.h"

#include "os/loop_state.h"

#define IDLE SIZE_MAX
#define ROOM_FIRST 16

struct loop_timer {
    struct loop *loop;
    void (*call)(void *ctx);
    void *ctx;
    int64_t due_ms;
    uint64_t order;
    size_t at; /* in the heap, or IDLE */
};

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct loop *l, struct loop_timer *t, size_t at)
{
    l->timers[at] = t;
    t->at = at;
}

static void rise(struct loop *l, struct loop_timer *t, size_t at)
{
    while (at > 0 && before(t, l->timers[(at - 1) / 2])) {
        place(l, l->timers[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(l, t, at);
}

static void sink(struct loop *l, struct loop_timer *t, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < l->timer_count; at = child) {
        if (child + 1 < l->timer_count && before(l->timers[child + 1], l->timers[child]))
            child++;
        if (!before(l->timers[child], t))
            break;
        place(l, l->timers[child], at);
    }
    place(l, t, at);
}

static bool make_room(struct loop *l)
{
    if (l->timers_open < l->timer_cap)
        return true;
    size_t cap = l->timer_cap ? l->timer_cap * 2 : ROOM_FIRST;
    struct loop_timer **timers = realloc(l->timers, cap * sizeof(struct loop_timer *));
    if (!timers)
        return false;
    l->timers = timers;
    l->timer_cap = cap;
    return true;
}

enum err loop_timer_open(struct loop *l, void (*call)(void *ctx), void *ctx, struct loop_timer **timer_r)
{
    struct loop_timer *t = make_room(l) ? calloc(1, sizeof(*t)) : NULL;
    if (!t)
        return ERR_NOMEM;
    l->timers_open++;
    t->loop = l;
    t->call = call;
    t->ctx = ctx;
    t->at = IDLE;
    *timer_r = t;
    return ERR_OK;
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ms)
{
    struct loop *l = t->loop;
    loop_timer_stop(t);
    t->due_ms = delay_ms > INT64_MAX - l->now_ms ? INT64_MAX : l->now_ms + (delay_ms > 0 ? delay_ms : 0);
    t->order = ++l->timer_order;
    rise(l, t, l->timer_count++);
}

void loop_timer_stop(struct loop_timer *t)
{
    struct loop *l = t->loop;
    size_t at = t->at;
    if (at == IDLE)
        return;
    t->at = IDLE;
    struct loop_timer *last = l->timers[--l->timer_count];
    if (last == t)
        return;
    if (at > 0 && before(last, l->timers[(at - 1) / 2]))
        rise(l, last, at);
    else
        sink(l, last, at);
}

void loop_timer_close(struct loop_timer **timer)
{
    struct loop_timer *t = *timer;
    if (!t)
        return;
    *timer = NULL;
    loop_timer_stop(t);
    t->loop->timers_open--;
    free(t);
}

void loop_timers_run(struct loop *l)
{
    uint64_t last = l->timer_order;
    while (l->timer_count > 0) {
        struct loop_timer *t = l->timers[0];
        if (t->due_ms > l->now_ms || t->order > last)
            return;
        loop_timer_stop(t);
        t->call(t->ctx);
    }
}

int loop_timers_wait_ms(const struct loop *l)
{
    if (l->timer_count == 0)
        return -1;
    int64_t left = l->timers[0]->due_ms - l->now_ms;
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}
