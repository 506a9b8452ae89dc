/* SPDX-License-Identifier: ISC */
/* How many sessions at once. A loop that drives a few is not done sooner with many, and each mail costs more when the memory of so many connections, ours and the kernel's, does not stay in the
 * processor's cache. So sessions are opened a few at a time, in the order of who asked first: the next one when one of them is done, or idle, or has shown by its age that it is the host that
 * takes its time. Such hosts cost nothing, and nobody waits for them. */
#include "proc/sender/state.h"

#define SESSIONS_MAX 2000u
#define YOUNG_MAX 32u
#define YOUNG_MS 10
#define IDLE_MAX 1200u

static bool full(const struct sender *s)
{
    return s->session_count >= SESSIONS_MAX;
}

static bool room(const struct sender *s)
{
    return s->young_count < YOUNG_MAX && !full(s);
}

bool sender_pace_allows(struct sender *s, struct destination *d)
{
    if (room(s) && (list_empty(&s->openers) || s->opener == d))
        return true;
    if (list_empty(&d->opens))
        list_push(&s->openers, &d->opens);
    return false;
}

void sender_pace_begin(struct sender *s, struct session *x)
{
    x->young = true;
    s->young_count++;
    list_push(&s->young, &x->pace);
}

void sender_pace_end(struct sender *s, struct session *x)
{
    s->young_count -= x->young ? 1 : 0;
    x->young = false;
    list_remove(&x->pace);
}

void sender_pace_idle(struct sender *s, struct session *x)
{
    sender_pace_end(s, x);
    list_push(&s->idlers, &x->pace);
}

/* Milliseconds until the first young one is so no more; 0: now. */
static int64_t youth_left_ms(const struct sender *s)
{
    const struct session *x = LIST_ENTRY(s->young.next, struct session, pace);
    int64_t left_ms = x->begun_us / 1000 + YOUNG_MS - loop_now_ms(s->child.loop);
    return left_ms > 0 ? left_ms : 0;
}

static void turn(void *ctx)
{
    struct sender *s = ctx;
    while (!list_empty(&s->young) && youth_left_ms(s) == 0)
        sender_pace_end(s, LIST_ENTRY(s->young.next, struct session, pace));
    while (!list_empty(&s->openers) && room(s)) {
        s->opener = LIST_ENTRY(list_pop(&s->openers), struct destination, opens);
        sender_destination_pump(s, s->opener);
    }
    s->opener = NULL;
    uint32_t idle_max = !list_empty(&s->openers) && full(s) ? 0 : IDLE_MAX;
    while (s->idle > idle_max)
        sender_session_quit(s, LIST_ENTRY(s->idlers.next, struct session, pace));
    if (!list_empty(&s->openers) && !list_empty(&s->young))
        loop_timer_start(s->pace, youth_left_ms(s));
}

enum err sender_pace_open(struct sender *s)
{
    list_init(&s->young);
    list_init(&s->idlers);
    list_init(&s->openers);
    enum err e = loop_timer_open(s->child.loop, turn, s, &s->pace);
    return e == ERR_OK ? loop_at_turn_end(s->child.loop, turn, s) : e;
}
