/* SPDX-License-Identifier: ISC */
#include "os/net.h"

#include <errno.h>
#include <sys/socket.h>

#include "os/file.h"
#include "os/loop_state.h"
#include "os/socket_sys.h"

#define ACCEPTS_A_TURN 64
#define FULL_TURNS 8
#define DESCRIPTORS_PAUSE_MS 100

struct net_listener {
    struct loop_task task;
    struct loop *loop;
    struct loop_watch *watch;
    struct loop_timer *timer; /* runs while there are no descriptors */
    void (*accepted)(void *ctx, int fd, const struct socket_address *peer);
    void *ctx;
    int fd;
    int batch;      /* how many to try in this turn */
    int full_turns; /* on end */
    bool paused, waiting, dead;
};

static void update(struct net_listener *n)
{
    loop_watch_set(n->watch, !n->paused && !n->waiting, false);
}

static void descriptors_again(void *ctx)
{
    struct net_listener *n = ctx;
    n->waiting = false;
    update(n);
}

/* False when there is no more, or no more can be taken. */
static bool accept_one(struct net_listener *n)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    int fd = accept4(n->fd, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            n->waiting = true;
            loop_timer_start(n->timer, DESCRIPTORS_PAUSE_MS);
            update(n);
        }
        return errno == EINTR || errno == ECONNABORTED;
    }
    struct socket_address peer;
    socket_address_from_sys(&at, len, &peer);
    n->accepted(n->ctx, fd, &peer);
    return true;
}

/* An accept that finds nothing is as dear as one that finds somebody, and the kernel calls again as long as somebody waits. So the batch
 * follows the rush: it doubles when it was used up for some turns on end, and shrinks to what there was. */
static void ready(void *ctx, bool readable, bool writable)
{
    struct net_listener *n = ctx;
    (void)writable;
    int done = 0;
    while (readable && done < n->batch && !n->dead && !n->paused && accept_one(n))
        done++;
    if (done < n->batch) {
        n->batch = done > 1 ? done : 1;
        n->full_turns = 0;
    } else if (++n->full_turns == FULL_TURNS) {
        n->batch = n->batch * 2 < ACCEPTS_A_TURN ? n->batch * 2 : ACCEPTS_A_TURN;
        n->full_turns = 0;
    }
}

static void free_listener(struct loop_task *task)
{
    free(LIST_ENTRY(task, struct net_listener, task));
}

enum err net_listen(struct loop *l, int fd, void (*accepted)(void *ctx, int fd, const struct socket_address *peer),
                    void *ctx, struct net_listener **listener_r)
{
    struct net_listener *n = calloc(1, sizeof(*n));
    if (!n)
        return ERR_NOMEM;
    enum err e = loop_timer_open(l, descriptors_again, n, &n->timer);
    if (e == ERR_OK)
        e = loop_watch_open(l, fd, ready, n, &n->watch);
    if (e != ERR_OK) {
        loop_timer_close(&n->timer);
        free(n);
        return e;
    }
    loop_task_init(&n->task, free_listener);
    n->loop = l;
    n->accepted = accepted;
    n->ctx = ctx;
    n->fd = fd;
    n->batch = 1;
    update(n);
    *listener_r = n;
    return ERR_OK;
}

void net_listener_pause(struct net_listener *n, bool pause)
{
    n->paused = pause;
    update(n);
}

void net_listener_close(struct net_listener **listener)
{
    struct net_listener *n = *listener;
    if (!n)
        return;
    n->dead = true;
    loop_watch_close(&n->watch);
    loop_timer_close(&n->timer);
    loop_free_later(n->loop, &n->task);
    *listener = NULL;
}
