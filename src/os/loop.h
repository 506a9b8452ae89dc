/* SPDX-License-Identifier: ISC */
/* The event loop of a child process, over epoll. One loop a process, one thread. Handles are opaque and closed by their owner; a callback
 * may close any handle, its own too. Time is read before a turn's timers and before its I/O. */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include "base/base.h"

struct loop;
struct loop_timer;
struct loop_watch;

must_check enum err loop_open(struct loop **loop_r);
/* Until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
void loop_close(struct loop **l);
/* Monotonic milliseconds of this turn. */
int64_t loop_now_ms(const struct loop *l);

/* Called after each turn's I/O callbacks, before the loop sleeps: where batches are flushed. In order of registration; at most 16. */
must_check enum err loop_at_turn_end(struct loop *l, void (*call)(void *ctx), void *ctx);

must_check enum err loop_timer_open(struct loop *l, void (*call)(void *ctx), void *ctx, struct loop_timer **timer_r);
/* Once, after delay_ms (0: next turn). Starting again replaces. */
void loop_timer_start(struct loop_timer *t, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_close(struct loop_timer **t);

/* Calls when fd is readable (or, if asked, writable). The descriptor stays the caller's and must outlive the watch. */
must_check enum err loop_watch_open(struct loop *l, int fd, void (*call)(void *ctx, bool readable, bool writable),
                                    void *ctx, struct loop_watch **watch_r);
void loop_watch_set(struct loop_watch *w, bool read, bool write);
void loop_watch_close(struct loop_watch **w);

/* SIGTERM and the like, as an ordinary callback. */
must_check enum err loop_signal(struct loop *l, int signal_number, void (*call)(void *ctx, int signal_number),
                                void *ctx);

#endif
