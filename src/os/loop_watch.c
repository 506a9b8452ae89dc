/* SPDX-License-Identifier: ISC */
/* A descriptor is in the kernel's set from loop_watch_open to loop_watch_close: added for reading, which nearly every owner asks for first, and changed
 * only when the owner wants something else. Nothing wanted is edge-triggered, since an error or hang-up is reported even then: so it is reported once. */
#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/loop_state.h"

#define EVENTS_A_TURN 256

struct loop_watch {
    struct loop_task task; /* closed: to be freed */
    struct loop *loop;
    void (*call)(void *ctx, bool readable, bool writable);
    void *ctx;
    int fd;
    uint32_t wanted, told; /* EPOLLIN, EPOLLOUT */
    bool closed;
};

static void free_watch(struct loop_task *task)
{
    free(LIST_ENTRY(task, struct loop_watch, task));
}

static void tell(struct loop_watch *w)
{
    struct epoll_event e = {.events = w->wanted ? w->wanted : (uint32_t)EPOLLET, .data.ptr = w};
    if (w->wanted == w->told)
        return;
    w->told = w->wanted;
    int failed = epoll_ctl(w->loop->poll_fd, EPOLL_CTL_MOD, w->fd, &e);
    assert(!failed); /* the descriptor was closed before its watch */
    (void)failed;
}

enum err loop_watch_open(struct loop *l, int fd, void (*call)(void *ctx, bool readable, bool writable), void *ctx,
                         struct loop_watch **watch_r)
{
    struct loop_watch *w = malloc(sizeof(*w));
    if (!w)
        return ERR_NOMEM;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};
    if (epoll_ctl(l->poll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        free(w);
        return os_err(errno);
    }
    *w = (struct loop_watch){.loop = l, .call = call, .ctx = ctx, .fd = fd, .told = EPOLLIN};
    loop_task_init(&w->task, free_watch);
    *watch_r = w;
    return ERR_OK;
}

void loop_watch_set(struct loop_watch *w, bool read, bool write)
{
    w->wanted = (read ? (uint32_t)EPOLLIN : 0) | (write ? (uint32_t)EPOLLOUT : 0);
    tell(w);
}

void loop_watch_close(struct loop_watch **watch)
{
    struct loop_watch *w = *watch;
    if (!w)
        return;
    *watch = NULL;
    w->closed = true;
    (void)epoll_ctl(w->loop->poll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    loop_free_later(w->loop, &w->task);
}

/* Which error it was the owner's own read or write will say. */
static void ready(struct loop_watch *w, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP))
        events |= EPOLLIN | EPOLLOUT;
    events &= w->wanted;
    if (w->closed)
        return;
    if (events)
        w->call(w->ctx, events & EPOLLIN, events & EPOLLOUT);
    else
        tell(w); /* never asked for anything since it was opened */
}

void loop_watches_wait(struct loop *l, int timeout_ms)
{
    struct epoll_event events[EVENTS_A_TURN];
    int n = epoll_wait(l->poll_fd, events, EVENTS_A_TURN, timeout_ms);
    assert(n >= 0 || errno == EINTR);
    l->now_ms = os_now_ms();
    for (int i = 0; i < n; i++)
        ready(events[i].data.ptr, events[i].events);
}
