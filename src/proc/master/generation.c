/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#define ARENA_MAX (16u << 20)
#define DESCRIPTORS_OWN 64u /* of a receiver: listeners, channels, segments */

static enum err find_user(struct master *m, struct master_generation *g, buf *messages)
{
    slice name = g->conf->user;
    enum err e;
    if (m->root) {
        e = os_user_by_name(name, &g->arena, &g->user);
        if (e == ERR_NOTFOUND)
            buf_printf(messages,
                       "%.*s: error: user \"%.*s\" does not exist; make it (useradd --system %.*s) or set `user`\n",
                       SLICE_ARG(g->conf->path), SLICE_ARG(name), SLICE_ARG(name));
        else if (e != ERR_OK)
            buf_printf(messages, "%.*s: error: user \"%.*s\": %s\n", SLICE_ARG(g->conf->path), SLICE_ARG(name),
                       err_text(e));
        else if (g->user.uid == 0) {
            buf_printf(messages, "%.*s: error: `user` is root; name any other account\n", SLICE_ARG(g->conf->path));
            e = ERR_PERMISSION;
        }
        return e;
    }
    e = os_user_by_uid(os_uid(), &g->arena, &g->user);
    if (e == ERR_OK)
        return ERR_OK;
    g->user = (struct os_user){.uid = os_uid(), .gid = process_gid(), .name = SLICE("?")};
    return ERR_OK;
}

/* Sessions must leave room for the files that mail is written to: else a crowd at the door stops what is inside. */
static void lower_sessions(const struct master *m, struct conf *conf, buf *messages)
{
    uint64_t room = m->descriptors > 2 * DESCRIPTORS_OWN ? m->descriptors - DESCRIPTORS_OWN : m->descriptors / 2;
    uint32_t *sessions = &conf->limits.sessions;
    if (room == 0 || room > UINT32_MAX || (*sessions > 0 && *sessions <= room))
        return;
    if (*sessions > 0)
        buf_printf(messages,
                   "%.*s: warning: [limits] sessions = %u is lowered to %u: a process may have %u descriptors here; "
                   "raise them (`ulimit -Hn`, systemd: LimitNOFILE=)\n",
                   SLICE_ARG(conf->path), *sessions, (unsigned)room, (unsigned)m->descriptors);
    *sessions = (uint32_t)room;
}

static uint32_t receivers_wanted(const struct master *m)
{
    uint32_t n = m->options.receivers ? m->options.receivers : process_cores() / 2;
    uint32_t most = m->options.shared.columns / 2; /* two generations at a time */
    if (most > 0 && n > most)
        n = most;
    return n > 0 ? n : 1;
}

static enum err make_seats(struct master *m, struct master_generation *g)
{
    static const enum process_kind single[] = {PROCESS_LOOKUP, PROCESS_SENDER, PROCESS_DELIVER};
    size_t receivers = receivers_wanted(m), n = 0, singles = sizeof single / sizeof single[0];
    g->seats = arena_array(&g->arena, receivers + singles + 2, sizeof *g->seats);
    g->seen = arena_array(&g->arena, g->conf->source_count + 1, sizeof *g->seen);
    g->last = arena_array(&g->arena, g->conf->source_count + 1, sizeof *g->last);
    if (!g->seats || !g->seen || !g->last)
        return ERR_NOMEM;
    if (g->conf->tls_count > 0)
        g->seats[n++].kind = PROCESS_KEYS; /* before the receivers, so that they know it when the first client comes */
    for (size_t i = 0; i < singles; i++)
        g->seats[n++].kind = single[i];
    for (size_t i = 0; i < receivers; i++)
        g->seats[n++].kind = PROCESS_RECEIVER;
    g->seats[n++].kind = PROCESS_CONSOLE;
    for (size_t i = 0; i < n; i++)
        g->seats[i].generation = g;
    g->seat_count = n;
    for (size_t i = 0; i < g->conf->source_count; i++)
        g->seen[i] = g->last[i] = g->conf->sources[i].stamp;
    return ERR_OK;
}

enum err master_generation_open(struct master *m, struct conf *conf, buf *messages, struct master_generation **g_r)
{
    struct master_generation *g = calloc(1, sizeof *g);
    if (!g) {
        conf_close(&conf);
        return ERR_NOMEM;
    }
    list_init(&g->link);
    g->conf = conf;
    g->number = ++m->last_generation;
    g->control_fd = -1;
    arena_init(&g->arena, ARENA_MAX);
    lower_sessions(m, conf, messages);
    enum err e = find_user(m, g, messages);
    if (e == ERR_OK)
        e = make_seats(m, g);
    if (e != ERR_OK) {
        master_generation_close(&g);
        return e;
    }
    *g_r = g;
    return ERR_OK;
}

void master_generation_close(struct master_generation **generation)
{
    struct master_generation *g = *generation;
    if (!g)
        return;
    *generation = NULL;
    list_remove(&g->link);
    conf_close(&g->conf);
    arena_deinit(&g->arena);
    free(g);
}

void master_generations_sweep(struct master *m)
{
    LIST_FOREACH(at, &m->generations) {
        struct master_generation *g = LIST_ENTRY(at, struct master_generation, link);
        if (g->old && m->queue.generation != g && master_children_of(m, g, M_CHILDREN) == 0)
            master_generation_close(&g);
    }
}
