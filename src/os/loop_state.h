/* SPDX-License-Identifier: ISC */
/* Inside the room only: the state of the loop, shared by loop.c (turns), loop_watch.c, loop_timer.c and loop_signal.c, and what os/net needs of
 * it beside its public face. Memory of a handle that its owner closed lives until the end of the turn (loop_free_later), because
 * callbacks up the stack, or events already taken from the kernel, may still look at it. Work that cannot wait for the kernel
 * to call, such as plaintext left inside a TLS session, is done in the next turn, which then does not sleep (loop_soon). The
 * buffers belong to whoever handles an event right now and hold nothing between events. */
#ifndef OS_LOOP_STATE_H
#define OS_LOOP_STATE_H

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
    int poll_fd;
    int64_t now_ms;
    bool stopped;
    struct {
        void (*call)(void *ctx);
        void *ctx;
    } hooks[LOOP_HOOKS_MAX];
    size_t hook_count;
    struct {
        void (*call)(void *ctx, int signal_number);
        void *ctx;
        int number;
    } signals[LOOP_SIGNALS_MAX];
    size_t signal_count;
    int signal_fd; /* an event that the handler signals; -1 before the first loop_signal */
    struct loop_watch *signal_watch;
    struct loop_timer **timers; /* a heap: those that run, the next one first */
    size_t timer_count, timer_cap, timers_open;
    uint64_t timer_order; /* of the last start */
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

/* Makes the calls that are due; what is started meanwhile belongs to the next turn. */
void loop_timers_run(struct loop *l);
/* Milliseconds until the next one is due, -1 without any. */
int loop_timers_wait_ms(const struct loop *l);
/* Sleeps until something is ready, at most so long (-1: for good), and makes the calls. */
void loop_watches_wait(struct loop *l, int timeout_ms);
void loop_signals_close(struct loop *l);

#endif
