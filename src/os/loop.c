/* SPDX-License-Identifier: ISC */
/* A turn: timers, what was asked for soon, the hooks, closed handles' memory, sleep, I/O. So the hooks come after the I/O of one
 * turn and the timers of the next, right before the loop sleeps; they need not be called at another place. */
#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/loop_state.h"

#define CIPHER_MAX (64 * 1024 * 1024) /* net_write_max rules long before */

void loop_task_init(struct loop_task *t, void (*call)(struct loop_task *task))
{
    list_init(&t->link);
    t->call = call;
}

void loop_free_later(struct loop *l, struct loop_task *task)
{
    list_remove(&task->link);
    list_push(&l->later, &task->link);
}

void loop_soon(struct loop *l, struct loop_task *task)
{
    list_remove(&task->link);
    list_push(&l->soon, &task->link);
}

void loop_adopt(struct loop *l, struct loop_task *task)
{
    list_remove(&task->link);
    list_push(&l->orphans, &task->link);
}

static void run_list(struct list *tasks)
{
    struct list *first;
    while ((first = list_pop(tasks))) {
        struct loop_task *task = LIST_ENTRY(first, struct loop_task, link);
        task->call(task);
    }
}

/* What is asked for during the run belongs to the next turn. */
static void run_soon(struct loop *l)
{
    struct list now, *first;
    list_init(&now);
    while ((first = list_pop(&l->soon)))
        list_push(&now, first);
    run_list(&now);
}

enum err loop_open(struct loop **loop_r)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (!l)
        return ERR_NOMEM;
    l->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->poll_fd < 0) {
        enum err e = os_err(errno);
        free(l);
        return e;
    }
    list_init(&l->later);
    list_init(&l->soon);
    list_init(&l->orphans);
    buf_init(&l->cipher, CIPHER_MAX);
    l->signal_fd = -1;
    l->now_ms = os_now_ms();
    *loop_r = l;
    return ERR_OK;
}

static int sleep_ms(const struct loop *l)
{
    return list_empty(&l->soon) ? loop_timers_wait_ms(l) : 0;
}

void loop_run(struct loop *l)
{
    while (!l->stopped) {
        l->now_ms = os_now_ms();
        loop_timers_run(l);
        run_soon(l);
        for (size_t i = 0; i < l->hook_count; i++)
            l->hooks[i].call(l->hooks[i].ctx);
        run_list(&l->later);
        if (!l->stopped)
            loop_watches_wait(l, sleep_ms(l));
    }
    l->stopped = false;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

void loop_close(struct loop **loop)
{
    struct loop *l = *loop;
    if (!l)
        return;
    run_list(&l->orphans);
    loop_signals_close(l);
    run_list(&l->later);
    assert(l->timers_open == 0); /* their owners close timers, watches and connections first */
    os_close(&l->poll_fd);
    free(l->timers);
    buf_deinit(&l->cipher);
    free(l);
    *loop = NULL;
}

int64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

enum err loop_at_turn_end(struct loop *l, void (*call)(void *ctx), void *ctx)
{
    if (l->hook_count == LOOP_HOOKS_MAX)
        return ERR_LIMIT;
    l->hooks[l->hook_count].call = call;
    l->hooks[l->hook_count].ctx = ctx;
    l->hook_count++;
    return ERR_OK;
}
