/* SPDX-License-Identifier: ISC */
#include "ipc/hub.h"

#include <assert.h>

#define LAST_READS 256

/* One channel of the hub: to the master, or to a peer. */
struct line {
    struct hub_peer peer; /* the master's: unused */
    struct ipc_hub *hub;
    struct ipc_channel *channel; /* NULL: broken */
    struct loop_watch *watch;
    struct list link, dirty;
    bool paused, waits; /* waits: the socket took only a part */
    bool reading;
};

struct ipc_hub {
    struct loop *loop;
    enum process_kind self;
    struct ipc_hub_ops ops;
    void *ctx;
    struct line *master;
    struct list peers; /* struct line.link */
    struct list dirty; /* struct line.dirty: has frames to write */
    struct loop_timer *wake;
};

static void watch_set(struct line *l)
{
    loop_watch_set(l->watch, !l->paused, l->waits);
}

static void line_shut(struct line *l)
{
    list_remove(&l->dirty);
    if (l->watch)
        loop_watch_close(&l->watch);
    ipc_channel_close(&l->channel);
    l->peer.up = false;
}

static void line_free(struct line *l)
{
    list_remove(&l->link);
    list_remove(&l->dirty);
    free(l);
}

static void line_message(void *ctx, const struct ipc_message *m);

/* What a peer wrote before it went must still be read: results, announcements. Bounded, since it may live. */
static void line_read_rest(struct line *l)
{
    enum err e = ERR_OK;
    if (l->reading || !l->channel)
        return;
    l->reading = true;
    for (int i = 0; i < LAST_READS && e == ERR_OK; i++) {
        e = ipc_channel_read(l->channel, line_message, l);
        if (e == ERR_AGAIN)
            e = socket_wait(ipc_channel_fd(l->channel), false, 0);
    }
    l->reading = false;
}

static void line_broke(struct line *l)
{
    struct ipc_hub *h = l->hub;
    line_shut(l);
    if (l == h->master) {
        if (h->ops.master_gone)
            h->ops.master_gone(h->ctx);
        return;
    }
    if (h->ops.peer_down)
        h->ops.peer_down(h->ctx, &l->peer, false);
}

static void line_flush(struct line *l)
{
    enum err e = ipc_channel_flush(l->channel);
    bool waits = e == ERR_AGAIN;
    if (e != ERR_OK && !waits) {
        line_read_rest(l);
        line_broke(l);
        return;
    }
    if (waits != l->waits) {
        l->waits = waits;
        watch_set(l);
    }
}

static void line_event(void *ctx, bool readable, bool writable)
{
    struct line *l = ctx;
    if (readable) {
        l->reading = true;
        enum err e = ipc_channel_read(l->channel, line_message, l);
        l->reading = false;
        if (e != ERR_AGAIN && e != ERR_OK) {
            line_broke(l);
            return;
        }
    }
    if (writable)
        line_flush(l);
}

static enum err line_open(struct ipc_hub *h, int fd, enum process_kind kind, struct line **line_r)
{
    struct line *l = calloc(1, sizeof *l);
    if (!l) {
        os_close(&fd);
        return ERR_NOMEM;
    }
    l->hub = h;
    l->peer.kind = kind;
    l->peer.up = true;
    list_init(&l->link);
    list_init(&l->dirty);
    enum err e = ipc_channel_open(fd, h->self, kind, &l->channel);
    if (e == ERR_OK)
        e = loop_watch_open(h->loop, fd, line_event, l, &l->watch);
    if (e != ERR_OK) {
        ipc_channel_close(&l->channel);
        free(l);
        return e;
    }
    watch_set(l);
    *line_r = l;
    return ERR_OK;
}

static struct line *line_of(const struct hub_peer *p)
{
    return LIST_ENTRY(p, struct line, peer);
}

static void peer_introduced(struct ipc_hub *h, const struct ipc_message *m)
{
    const struct ipc_peer *p = &m->u.peer;
    struct line *l = NULL;
    enum err e = m->fd < 0 || p->kind >= PROCESS_KIND_COUNT ? ERR_SYNTAX : line_open(h, m->fd, p->kind, &l);
    if (e != ERR_OK) {
        /* Without this peer our picture would be wrong: we end, and the master starts us again. */
        log_line(LOG_ERROR, "no channel to process %u: %s; ending, to be started again", p->process, err_text(e));
        if (h->ops.master_gone)
            h->ops.master_gone(h->ctx);
        return;
    }
    l->peer.process = p->process;
    l->peer.slot = p->slot;
    l->peer.generation = p->generation;
    list_push(&h->peers, &l->link);
    if (h->ops.peer_up)
        h->ops.peer_up(h->ctx, &l->peer);
}

static void peer_died(struct ipc_hub *h, uint32_t process)
{
    LIST_FOREACH(at, &h->peers) {
        struct line *l = LIST_ENTRY(at, struct line, link);
        if (l->peer.process != process)
            continue;
        line_read_rest(l);
        line_shut(l);
        if (h->ops.peer_down)
            h->ops.peer_down(h->ctx, &l->peer, true);
        line_free(l);
        return;
    }
}

static void answer_ping(struct ipc_hub *h, uint32_t round)
{
    struct ipc_message pong = {.type = IPC_pong, .fd = -1, .u.pong = {round}};
    ipc_hub_send(h, NULL, &pong);
}

static void master_message(struct ipc_hub *h, const struct ipc_message *m)
{
    switch (m->type) {
    case IPC_peer:
        peer_introduced(h, m);
        break;
    case IPC_peer_gone:
        peer_died(h, m->u.peer_gone.process);
        break;
    case IPC_peers_settled:
        if (h->ops.settled)
            h->ops.settled(h->ctx);
        break;
    case IPC_drain:
        if (h->ops.drain)
            h->ops.drain(h->ctx, m->u.drain.limit_ms);
        break;
    case IPC_ping:
        answer_ping(h, m->u.ping.round);
        break;
    default:
        if (h->ops.message)
            h->ops.message(h->ctx, NULL, m);
    }
}

static void line_message(void *ctx, const struct ipc_message *m)
{
    struct line *l = ctx;
    struct ipc_hub *h = l->hub;
    if (l == h->master)
        master_message(h, m);
    else if (h->ops.message)
        h->ops.message(h->ctx, &l->peer, m);
}

static void flush_dirty(void *ctx)
{
    struct ipc_hub *h = ctx;
    loop_timer_stop(h->wake);
    struct list *at;
    while ((at = list_pop(&h->dirty)) != NULL)
        line_flush(LIST_ENTRY(at, struct line, dirty));
}

/* The timer exists to keep the loop from sleeping when something was sent after this turn's flush. */
static void woken(void *ctx)
{
    (void)ctx;
}

enum err ipc_hub_open(struct loop *loop, struct ipc_hub_self self, const struct ipc_hub_ops *ops, void *ctx,
                      struct ipc_hub **hub_r)
{
    struct ipc_hub *h = calloc(1, sizeof *h);
    if (!h)
        return ERR_NOMEM;
    h->loop = loop;
    h->self = self.kind;
    h->ops = *ops;
    h->ctx = ctx;
    list_init(&h->peers);
    list_init(&h->dirty);
    enum err e = loop_timer_open(loop, woken, h, &h->wake);
    if (e == ERR_OK)
        e = loop_at_turn_end(loop, flush_dirty, h);
    if (e == ERR_OK)
        e = line_open(h, self.control_fd, PROCESS_MASTER, &h->master);
    if (e != ERR_OK) {
        if (h->wake)
            loop_timer_close(&h->wake);
        free(h);
        return e;
    }
    *hub_r = h;
    return ERR_OK;
}

void ipc_hub_close(struct ipc_hub **hub)
{
    struct ipc_hub *h = *hub;
    if (!h)
        return;
    *hub = NULL;
    struct list *at;
    while ((at = list_pop(&h->peers)) != NULL) {
        struct line *l = LIST_ENTRY(at, struct line, link);
        line_shut(l);
        line_free(l);
    }
    line_shut(h->master);
    line_free(h->master);
    loop_timer_close(&h->wake);
    free(h);
}

void ipc_hub_send(struct ipc_hub *h, struct hub_peer *p, const struct ipc_message *m)
{
    struct line *l = !h ? NULL : p ? line_of(p) : h->master;
    if (!l || !l->channel) {
        int fd = m->fd;
        os_close(&fd);
        return;
    }
    ipc_channel_send(l->channel, m);
    if (l->waits || !list_empty(&l->dirty))
        return;
    if (list_empty(&h->dirty))
        loop_timer_start(h->wake, 0);
    list_push(&h->dirty, &l->dirty);
}

enum err ipc_hub_wait(struct ipc_hub *h, struct hub_peer *p, int64_t timeout_ms)
{
    struct line *l = line_of(p);
    assert(!l->reading && l->hub == h);
    list_remove(&l->dirty);
    if (l->channel)
        line_flush(l);
    if (!l->channel)
        return ERR_CLOSED;
    enum err e = socket_wait(ipc_channel_fd(l->channel), false, timeout_ms);
    if (e != ERR_OK)
        return e;
    line_event(l, true, false);
    return l->channel ? ERR_OK : ERR_CLOSED;
}

void ipc_hub_flush(struct ipc_hub *h, int64_t timeout_ms)
{
    int64_t end = os_now_ms() + timeout_ms;
    flush_dirty(h);
    struct line *l = h->master;
    for (struct list *at = &h->peers;;) {
        int64_t left = end - os_now_ms();
        if (l->channel && ipc_channel_pending(l->channel) > 0 && left > 0 &&
            socket_wait(ipc_channel_fd(l->channel), true, left) == ERR_OK) {
            if (ipc_channel_flush(l->channel) == ERR_AGAIN)
                continue;
        }
        at = at->next;
        if (at == &h->peers)
            return;
        l = LIST_ENTRY(at, struct line, link);
    }
}

void ipc_hub_pause(struct ipc_hub *h, struct hub_peer *p, bool pause)
{
    struct line *l = p ? line_of(p) : h->master;
    if (l->paused == pause || !l->channel)
        return;
    l->paused = pause;
    watch_set(l);
}

size_t ipc_hub_pending(const struct ipc_hub *h, const struct hub_peer *p)
{
    const struct line *l = !h ? NULL : p ? line_of(p) : h->master;
    return l && l->channel ? ipc_channel_pending(l->channel) : 0;
}

struct hub_peer *ipc_hub_find(const struct ipc_hub *h, enum process_kind kind)
{
    struct hub_peer *best = NULL;
    if (!h)
        return NULL;
    LIST_FOREACH(at, &h->peers) {
        struct line *l = LIST_ENTRY(at, struct line, link);
        if (l->peer.kind == kind && l->peer.up && (!best || l->peer.generation >= best->generation))
            best = &l->peer;
    }
    return best;
}

struct hub_peer *ipc_hub_next(const struct ipc_hub *h, const struct hub_peer *after)
{
    if (!h)
        return NULL;
    const struct list *at = after ? line_of(after)->link.next : h->peers.next;
    return at == &h->peers ? NULL : &LIST_ENTRY(at, struct line, link)->peer;
}
