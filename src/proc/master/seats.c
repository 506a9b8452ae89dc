/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#include <signal.h>

#define LONG_LIFE_MS 60000
#define BACKOFF_MAX_MS 30000
#define START_FAILURES 3u

void master_seats_fill(struct master *m, struct master_generation *g)
{
    for (size_t i = 0; i < g->seat_count; i++)
        master_child_start(m, &g->seats[i]);
    /* The queue comes last, so that it knows every receiver before it reads the spool: what a living one writes is not what a dead one left. */
    if (!m->queue.child && m->queue.generation == g)
        master_child_start(m, &m->queue);
}

static bool seat_ready(const struct master_seat *s)
{
    return s->child && s->child->ready && s->child->generation == s->generation;
}

bool master_seats_ready(const struct master *m)
{
    const struct master_generation *g = m->current;
    if (!seat_ready(&m->queue))
        return false;
    for (size_t i = 0; i < g->seat_count; i++) {
        if (!seat_ready(&g->seats[i]))
            return false;
    }
    return true;
}

/* At once, then 1 s, 2 s, 4 s ... 30 s while it keeps dying. */
static int64_t backoff_ms(uint32_t failures)
{
    int64_t delay = 0;
    for (uint32_t i = 1; i < failures && delay < BACKOFF_MAX_MS; i++)
        delay = delay ? 2 * delay : 1000;
    return delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
}

void master_seat_emptied(struct master *m, struct master_seat *seat, const struct master_child *c)
{
    int64_t now = os_now_ms();
    seat->child = NULL;
    seat->restart_at_ms = NEVER;
    if (m->stop != STOP_NOT)
        return;
    if (c->draining || now - c->born_ms >= LONG_LIFE_MS)
        seat->failures = 0;
    if (!c->draining)
        seat->failures++;
    if (!m->announced && seat->failures >= START_FAILURES) {
        log_line(LOG_ERROR, "%s cannot start; giving up", process_kind_name(seat->kind));
        m->exit_status = EXIT_SOFTWARE;
        master_stop(m);
        return;
    }
    int64_t delay = backoff_ms(seat->failures);
    seat->restart_at_ms = now + delay;
    if (!c->draining && delay > 0)
        log_line(LOG_WARNING, "starting %s again in %lld s", process_kind_name(seat->kind), (long long)(delay / 1000));
}

static void seat_tick(struct master *m, struct master_seat *s, int64_t now_ms)
{
    if (!s->child && s->restart_at_ms <= now_ms)
        master_child_start(m, s);
}

void master_seats_tick(struct master *m, int64_t now_ms)
{
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        if (c->numbers_owed > 0 && c->numbers_at_ms <= now_ms)
            master_numbers_lease(m, c, c->numbers_owed);
        if (c->kill_at_ms <= now_ms) {
            log_line(LOG_WARNING, "%s[%d] did not end in time: killed", process_kind_name(c->kind), c->pid);
            process_kill(c->pid, SIGKILL);
            c->kill_at_ms = NEVER;
        }
    }
    if (m->stop != STOP_NOT)
        return;
    seat_tick(m, &m->queue, now_ms);
    for (size_t i = 0; i < m->current->seat_count; i++)
        seat_tick(m, &m->current->seats[i], now_ms);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t master_seats_soonest(const struct master *m)
{
    int64_t at = NEVER;
    LIST_FOREACH(link, &m->children) {
        const struct master_child *c = LIST_ENTRY(link, struct master_child, link);
        at = sooner(at, c->kill_at_ms);
    }
    if (m->stop != STOP_NOT)
        return at;
    if (!m->queue.child)
        at = sooner(at, m->queue.restart_at_ms);
    for (size_t i = 0; i < m->current->seat_count; i++) {
        if (!m->current->seats[i].child)
            at = sooner(at, m->current->seats[i].restart_at_ms);
    }
    return at;
}
