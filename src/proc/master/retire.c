/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#include <signal.h>

#define RELOAD_DRAIN_MS (10 * 60 * 1000)
#define QUEUE_DRAIN_MS 5000
#define STOP_DRAIN_MS 30000
#define GRACE_MS 5000

/* Those who begin nothing new, and end when what they have begun has ended. */
#define M_WORKERS (M_RECEIVER | M_SENDER | M_DELIVER)

static void drain_kinds(struct master *m, const struct master_generation *g, unsigned kinds, int64_t limit_ms)
{
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        if ((!g || c->generation == g) && (kinds & (1u << c->kind)) && (m->stop != STOP_NOT || !c->draining))
            master_child_drain(c, limit_ms, limit_ms + GRACE_MS);
    }
}

static void leave_seats(struct master_generation *g)
{
    for (size_t i = 0; i < g->seat_count; i++) {
        if (g->seats[i].child)
            g->seats[i].child->seat = NULL;
        g->seats[i].child = NULL;
    }
}

void master_retire(struct master *m)
{
    LIST_FOREACH(at, &m->generations) {
        struct master_generation *g = LIST_ENTRY(at, struct master_generation, link);
        if (g == m->current || g->old)
            continue;
        g->old = true;
        leave_seats(g);
        drain_kinds(m, g, M_WORKERS, RELOAD_DRAIN_MS);
    }
    m->queue.generation = m->current;
    if (m->queue.child)
        master_child_drain(m->queue.child, QUEUE_DRAIN_MS, QUEUE_DRAIN_MS + GRACE_MS);
}

/* A receiver that waits for its column in the shared memory gets it from the oldest generation. */
static void make_room(struct master *m, int64_t now_ms)
{
    uint32_t columns = m->options.shared.columns;
    bool wanted = false;
    for (size_t i = 0; i < m->current->seat_count; i++)
        wanted |= m->current->seats[i].kind == PROCESS_RECEIVER && !m->current->seats[i].child;
    if (!wanted || columns == 0 || master_children_of(m, NULL, M_RECEIVER) < columns)
        return;
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        if (c->kind == PROCESS_RECEIVER && c->generation->old && c->kill_at_ms != NEVER) {
            c->kill_at_ms = now_ms;
            return;
        }
    }
}

static void retire_generation(struct master *m, struct master_generation *g)
{
    if (m->reload.state != RELOAD_STARTING)
        drain_kinds(m, g, M_CONSOLE, QUEUE_DRAIN_MS);
    if (master_children_of(m, g, M_RECEIVER | M_SENDER) == 0)
        drain_kinds(m, g, M_LOOKUP | M_KEYS, QUEUE_DRAIN_MS);
}

static void stop_tick(struct master *m)
{
    if (m->stop == STOP_SESSIONS && master_children_of(m, NULL, M_WORKERS | M_CONSOLE) == 0) {
        m->stop = STOP_QUEUE;
        drain_kinds(m, NULL, M_QUEUE | M_LOOKUP | M_KEYS, QUEUE_DRAIN_MS);
    }
}

void master_retire_tick(struct master *m, int64_t now_ms)
{
    if (m->stop != STOP_NOT) {
        stop_tick(m);
        return;
    }
    make_room(m, now_ms);
    LIST_FOREACH(at, &m->generations) {
        struct master_generation *g = LIST_ENTRY(at, struct master_generation, link);
        if (g->old)
            retire_generation(m, g);
    }
    master_generations_sweep(m);
}

static void kill_all(struct master *m)
{
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        process_kill(c->pid, SIGKILL);
    }
}

void master_stop(struct master *m)
{
    if (m->stop != STOP_NOT) {
        m->stop = STOP_NOW;
        kill_all(m);
        return;
    }
    m->stop = STOP_SESSIONS;
    master_tell(os_notify(SLICE("STOPPING=1")));
    m->current = NULL;
    master_listeners_sweep(m);
    drain_kinds(m, NULL, M_WORKERS | M_CONSOLE, STOP_DRAIN_MS);
}
