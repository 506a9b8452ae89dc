/* SPDX-License-Identifier: ISC */
/* Inside the room only: what os/net needs of the loop beside its public face. Memory of a handle that its owner closed lives until the
 * end of the turn (loop_free_later), because callbacks up the stack may still look at it. Work that cannot wait for the kernel to
 * call, such as plaintext left inside a TLS session, is done in the next turn, which then does not sleep (loop_soon). The
 * buffers belong to whoever handles an event right now and hold nothing between events. */
#ifndef OS_LOOP_STATE_H
#define OS_LOOP_STATE_H

#include <uv.h>

#include "os/loop.h"

#define LOOP_READ_SIZE (64 * 1024)
#define LOOP_HOOKS_MAX 16
#define LOOP_SIGNALS_MAX 8

/* A place in one of the loop's lists; lies inside a handle. */
struct loop_task {
    struct list link;
    void (*call)(struct loop_task *task);
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t turn_end;
    uv_idle_t awake; /* runs while soon is not empty */
    struct {
        void (*call)(void *ctx);
        void *ctx;
    } hooks[LOOP_HOOKS_MAX];
    size_t hook_count;
    struct {
        uv_signal_t uv;
        void (*call)(void *ctx, int signal_number);
        void *ctx;
    } signals[LOOP_SIGNALS_MAX];
    size_t signal_count;
    struct list later, soon;
    struct list orphans; /* connections whose owners are gone, still writing */
    buf cipher;          /* TLS records on their way to the kernel */
    char read_buffer[LOOP_READ_SIZE];
};

void loop_task_init(struct loop_task *t, void (*call)(struct loop_task *task));
/* task->call gives the memory back; the task leaves `soon` if it was there. */
void loop_free_later(struct loop *l, struct loop_task *task);
/* Calls once in the next turn; asking twice is asking once. */
void loop_soon(struct loop *l, struct loop_task *task);
/* task->call is made when the loop closes before the task has left the list. */
void loop_adopt(struct loop *l, struct loop_task *task);

#endif
