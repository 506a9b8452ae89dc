/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#include <signal.h>

#define LEASE_NUMBERS 65536u
#define LEASE_MAX (1u << 20)

/* Which kinds talk to each other; some only within a generation, because their answers depend on the configuration. */
static const struct {
    enum process_kind a, b;
    bool same_generation;
} edges[] = {
    {PROCESS_RECEIVER, PROCESS_QUEUE, false}, {PROCESS_RECEIVER, PROCESS_LOOKUP, true},
    {PROCESS_QUEUE, PROCESS_SENDER, false},   {PROCESS_QUEUE, PROCESS_DELIVER, false},
    {PROCESS_SENDER, PROCESS_LOOKUP, true},   {PROCESS_CONSOLE, PROCESS_QUEUE, false},
    {PROCESS_RECEIVER, PROCESS_KEYS, true},
};

static bool linked(const struct master_child *x, const struct master_child *y)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        bool there = x->kind == edges[i].a && y->kind == edges[i].b;
        bool back = x->kind == edges[i].b && y->kind == edges[i].a;
        if (there || back)
            return !edges[i].same_generation || x->generation == y->generation;
    }
    return false;
}

struct master_child *master_child_find(struct master *m, uint32_t process)
{
    LIST_FOREACH(at, &m->children) {
        struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        if (c->process == process)
            return c;
    }
    return NULL;
}

size_t master_children_of(const struct master *m, const struct master_generation *g, unsigned kinds)
{
    size_t n = 0;
    LIST_FOREACH(at, &m->children) {
        const struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        n += (!g || c->generation == g) && (kinds & (1u << c->kind));
    }
    return n;
}

void master_child_send(struct master_child *c, const struct ipc_message *message)
{
    int fd = message->fd;
    if (c->channel)
        ipc_channel_send(c->channel, message);
    else
        os_close(&fd);
}

static void tell_of(struct master_child *to, const struct master_child *c, int fd)
{
    struct ipc_message m = {
        .type = IPC_peer,
        .fd = fd,
        .u.peer = {
            .process = c->process, .kind = (uint8_t)c->kind, .slot = c->slot, .generation = c->generation->number}};
    master_child_send(to, &m);
}

static void introduce(struct master *m, struct master_child *c)
{
    uint32_t count = 0;
    LIST_FOREACH(at, &m->children) {
        struct master_child *other = LIST_ENTRY(at, struct master_child, link);
        int pair[2];
        if (other == c || !linked(other, c))
            continue;
        enum err e = socket_pair(pair);
        if (e != ERR_OK) {
            /* It must not work without one of its peers: a queue would take a receiver that it does not know for dead. */
            log_line(LOG_ERROR, "no channel between %s and %s: %s; starting it again", process_kind_name(c->kind),
                     process_kind_name(other->kind), err_text(e));
            process_kill(c->pid, SIGKILL);
            return;
        }
        tell_of(c, other, pair[0]);
        tell_of(other, c, pair[1]);
        count++;
    }
    struct ipc_message settled = {.type = IPC_peers_settled, .fd = -1, .u.peers_settled = {count}};
    master_child_send(c, &settled);
}

static bool slot_taken(const struct master *m, enum process_kind kind, uint32_t slot)
{
    LIST_FOREACH(at, &m->children) {
        const struct master_child *c = LIST_ENTRY(at, struct master_child, link);
        if (c->kind == kind && c->slot == slot)
            return true;
    }
    return false;
}

static bool find_slot(const struct master *m, enum process_kind kind, uint32_t *slot_r)
{
    uint32_t slot = 0;
    while (slot_taken(m, kind, slot))
        slot++;
    if (kind == PROCESS_RECEIVER && m->options.shared.columns > 0 && slot >= m->options.shared.columns)
        return false;
    *slot_r = slot;
    return true;
}

/* In the child: never returns. */
static void run_child(struct master *m, const struct master_child *c, struct trace_ring *ring, int control_fd)
{
    struct master_generation *g = c->generation;
    bool spool = c->kind == PROCESS_RECEIVER || c->kind == PROCESS_QUEUE || c->kind == PROCESS_SENDER ||
                 c->kind == PROCESS_DELIVER;
    struct child_start start = {.kind = c->kind,
                                .process = c->process,
                                .slot = c->slot,
                                .generation = g->number,
                                .master_pid = m->pid,
                                .conf = g->conf,
                                .hash_key = os_random_key(),
                                .control_fd = control_fd,
                                .lock_fd = m->lock_fd,
                                .spool_fd = spool ? m->spool_fd : -1,
                                .number_floor = m->number_floor,
                                .shared = m->shared,
                                .ring = ring,
                                .user = g->user,
                                .root = m->root};
    if (c->kind != PROCESS_RECEIVER)
        explicit_bzero(m->ticket_key, sizeof m->ticket_key); /* this process's copy */
    if (c->kind == PROCESS_RECEIVER) {
        start.listen_fds = g->fds;
        start.listen_conf = g->fd_conf;
        start.listen_count = g->fd_count;
        start.ticket_key = slice_of(m->ticket_key, sizeof m->ticket_key);
    } else if (c->kind == PROCESS_CONSOLE) {
        start.listen_fds = &g->control_fd;
        start.listen_count = 1;
    }
    master_rings_leave(m, ring);
    process_exit(m->options.entries[c->kind](&start));
}

static enum err fork_child(struct master *m, struct master_child *c)
{
    int pair[2];
    struct trace_ring *ring = master_ring_of(m, c->kind, c->slot);
    enum err e = socket_pair(pair);
    if (e != ERR_OK)
        return e;
    e = process_fork(&c->pid);
    if (e == ERR_OK && c->pid == 0)
        run_child(m, c, ring, pair[1]);
    os_close(&pair[1]);
    if (e != ERR_OK) {
        os_close(&pair[0]);
        return e;
    }
    e = ipc_channel_open(pair[0], PROCESS_MASTER, c->kind, &c->channel);
    if (e != ERR_OK)
        process_kill(c->pid, SIGKILL);
    return ERR_OK;
}

void master_child_start(struct master *m, struct master_seat *seat)
{
    struct master_child *c = calloc(1, sizeof *c);
    enum err e = c ? ERR_OK : ERR_NOMEM;
    if (c) {
        c->kind = seat->kind;
        c->generation = seat->generation;
        c->process = ++m->last_process;
        c->born_ms = os_now_ms();
        c->kill_at_ms = NEVER;
        e = find_slot(m, c->kind, &c->slot) ? fork_child(m, c) : ERR_LIMIT;
    }
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot start %s: %s; trying again", process_kind_name(seat->kind), err_text(e));
        seat->restart_at_ms = os_now_ms() + 1000;
        free(c);
        return;
    }
    c->seat = seat;
    seat->child = c;
    seat->restart_at_ms = NEVER;
    list_push(&m->children, &c->link);
    introduce(m, c);
    if (c->kind == PROCESS_RECEIVER || c->kind == PROCESS_QUEUE)
        master_numbers_lease(m, c, LEASE_NUMBERS);
}

void master_numbers_lease(struct master *m, struct master_child *c, uint32_t count)
{
    uint64_t first = 0;
    if (count == 0 || count > LEASE_MAX)
        count = LEASE_NUMBERS;
    enum err e = spool_numbers_take(m->spool_fd, count, &first);
    c->numbers_owed = e == ERR_OK ? 0 : count;
    c->numbers_at_ms = os_now_ms() + 1000;
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot lease numbers to %s %d: %s; trying again", process_kind_name(c->kind), c->pid,
                 err_text(e));
        return;
    }
    struct ipc_message n = {.type = IPC_numbers, .fd = -1, .u.numbers = {first, count}};
    master_child_send(c, &n);
}

void master_child_drain(struct master_child *c, int64_t limit_ms, int64_t kill_after_ms)
{
    int64_t kill_at = os_now_ms() + kill_after_ms;
    struct ipc_message drain = {.type = IPC_drain, .fd = -1, .u.drain = {limit_ms}};
    if (kill_at < c->kill_at_ms)
        c->kill_at_ms = kill_at;
    c->draining = true;
    master_child_send(c, &drain);
}

struct reader {
    struct master *m;
    struct master_child *c;
};

static void ask_reload(struct reader *r, uint64_t token)
{
    struct master_waiter w = {r->c->process, token};
    log_line(LOG_INFO, "reload asked for by the command line");
    master_reload_ask(r->m, false, &w);
}

static void on_message(void *ctx, const struct ipc_message *message)
{
    struct reader *r = ctx;
    switch (message->type) {
    case IPC_ready:
        r->c->ready = true;
        break;
    case IPC_pong:
        r->c->answered = message->u.pong.round;
        break;
    case IPC_numbers_wanted:
        master_numbers_lease(r->m, r->c, message->u.numbers_wanted.count);
        break;
    case IPC_reload:
        ask_reload(r, message->u.reload.token);
        break;
    case IPC_stop:
        log_line(LOG_INFO, "stop asked for by the command line");
        master_stop(r->m);
        break;
    default:
        break;
    }
}

/* It sees the end of its control channel and ends; if not, it is ended. */
static void channel_cut(struct master_child *c)
{
    ipc_channel_close(&c->channel);
    int64_t soon = os_now_ms() + 5000;
    if (c->kill_at_ms > soon)
        c->kill_at_ms = soon;
}

void master_child_read(struct master *m, struct master_child *c)
{
    struct reader r = {m, c};
    enum err e = ipc_channel_read(c->channel, on_message, &r);
    if (e == ERR_OK || e == ERR_AGAIN)
        return;
    channel_cut(c);
}

void master_child_broken(struct master *m, struct master_child *c)
{
    master_child_read(m, c);
    if (c->channel)
        channel_cut(c);
}

static void log_end(const struct master_child *c, int status)
{
    char memory[128];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    process_status_print(&b, status);
    bool wanted = c->draining && status == 0;
    log_line(wanted ? LOG_INFO : LOG_WARNING, "%s[%d] %.*s", process_kind_name(c->kind), c->pid,
             SLICE_ARG(buf_slice(&b)));
}

void master_child_ended(struct master *m, struct master_child *c, int status)
{
    if (c->channel)
        master_child_read(m, c);
    log_end(c, status);
    list_remove(&c->link);
    master_ring_rest(m, c->kind, c->slot);
    if (c->kind == PROCESS_RECEIVER && m->options.shared.column_clear)
        m->options.shared.column_clear(m->shared, c->slot);
    struct ipc_message gone = {.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {c->process}};
    LIST_FOREACH(at, &m->children) {
        struct master_child *other = LIST_ENTRY(at, struct master_child, link);
        if (linked(other, c))
            master_child_send(other, &gone);
    }
    ipc_channel_close(&c->channel);
    if (c->seat)
        master_seat_emptied(m, c->seat, c);
    free(c);
}
