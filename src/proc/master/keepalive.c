/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#define AGAIN_MS 1000

void master_tell(enum err told)
{
    if (told != ERR_OK)
        log_line(LOG_WARNING, "the service manager cannot be told: %s", err_text(told));
}

void master_keepalive_init(struct master *m)
{
    /* Half the time, so that one that comes late is no alarm. */
    m->keepalive = (struct master_keepalive){.every_ms = (os_watchdog_own_ms() + 1) / 2};
}

static bool seat_lives(const struct master_seat *s)
{
    return s->child && s->child->answered == s->child->asked;
}

/* The seat that nobody answers for, or NULL. When the server stops, only that the master turns counts. */
static const struct master_seat *find_dead(const struct master *m)
{
    if (m->stop != STOP_NOT)
        return NULL;
    if (!seat_lives(&m->queue))
        return &m->queue;
    for (size_t i = 0; i < m->current->seat_count; i++) {
        if (!seat_lives(&m->current->seats[i]))
            return &m->current->seats[i];
    }
    return NULL;
}

static void ask_all(struct master *m)
{
    m->keepalive.round++;
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        struct ipc_message ping = {.type = IPC_ping, .fd = -1, .u.ping = {m->keepalive.round}};
        if (!c->ready || !c->channel)
            continue;
        c->asked = m->keepalive.round;
        master_child_send(c, &ping);
    }
}

/* Nobody is asked before all were ready once: to look again at once until then would be to spin. */
int64_t master_keepalive_soonest(const struct master *m)
{
    return m->keepalive.every_ms > 0 && m->announced ? m->keepalive.at_ms : NEVER;
}

void master_keepalive_tick(struct master *m, int64_t now_ms)
{
    struct master_keepalive *k = &m->keepalive;
    if (k->every_ms == 0 || !m->announced || now_ms < k->at_ms)
        return;
    const struct master_seat *dead = find_dead(m);
    if (dead) {
        k->at_ms = now_ms + (k->every_ms < AGAIN_MS ? k->every_ms : AGAIN_MS);
        if (!k->silent || k->dead != dead->kind)
            log_line(LOG_WARNING, "%s does not answer: the service manager's watchdog is not told that all is well",
                     process_kind_name(dead->kind));
        k->silent = true;
        k->dead = dead->kind;
        return;
    }
    k->silent = false;
    k->at_ms = now_ms + k->every_ms;
    master_tell(os_notify_alive());
    if (m->stop == STOP_NOT)
        ask_all(m);
}
