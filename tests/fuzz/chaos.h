/* SPDX-License-Identifier: ISC */
/* The world of one child process for the drivers NAME_chaos_fuzz.c: the process's own main function runs, and whatever it would wait for or tell (clock, timers, peers, connections) is here,
 * in one thread, without a system call. The input's bytes choose what happens next. The linker puts __wrap_NAME in the place of NAME (meson.build has the list); what comes from elsewhere is the
 * real code. Time does not pass but by chaos_pass. A peer and a connection live in memory of their own, freed when they are gone, so that a use of one that has gone is seen.
 * The driver gives: chaos_live (what child_run is), chaos_sent (a message to a peer; NULL: the master). To be included once. */
#ifndef FUZZ_CHAOS_H
#define FUZZ_CHAOS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "child/child.h"

#define CHAOS_START_MS 1000000
#define CHAOS_WALL_S 1700000000
#define TIMERS_MAX 16
#define PEERS_MAX 16
#define TURN_ENDS_MAX 16

#define CHECK(condition) ((condition) ? (void)0 : chaos_fail(#condition, __FILE__, __LINE__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void chaos_live(void);
static void chaos_sent(struct hub_peer *p, const struct ipc_message *m);

struct chaos_timer {
    void (*call)(void *ctx);
    void *ctx;
    int64_t due_ms; /* -1: does not run */
};

static struct {
    const uint8_t *at;
    size_t left;
    bool calm; /* nothing is left to chance: all goes well */
    int64_t now_ms;
    int64_t wall_shift_s; /* the wall clock was set */
    size_t pending;       /* what waits for each peer */
    uint64_t random;
    bool stopped;
    struct child *child;
    struct chaos_timer timers[TIMERS_MAX];
    size_t timer_count;
    struct hub_peer *peers[PEERS_MAX];
    uint32_t process;
    struct {
        void (*call)(void *ctx);
        void *ctx;
    } turn_ends[TURN_ENDS_MAX];
    size_t turn_end_count;
} chaos;

__attribute__((noreturn)) static void chaos_fail(const char *what, const char *file, int line)
{
    (void)log_flush();
    (void)fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

static unsigned draw(unsigned below)
{
    if (chaos.left == 0 || below == 0)
        return 0;
    chaos.left--;
    return *chaos.at++ % below;
}

/* n times of 256; never when calm. */
static inline bool chance(unsigned n)
{
    return !chaos.calm && draw(256) >= 256 - n;
}

static void chaos_begin(const uint8_t *data, size_t size)
{
    memset(&chaos, 0, sizeof chaos);
    chaos.at = data;
    chaos.left = size;
    chaos.now_ms = CHAOS_START_MS;
}

static void turn_end(void)
{
    for (size_t i = 0; i < chaos.turn_end_count; i++)
        chaos.turn_ends[i].call(chaos.turn_ends[i].ctx);
}

/* What is due runs once each, as in a turn of the loop that comes late. */
static inline void chaos_pass(int64_t ms)
{
    chaos.now_ms += ms;
    for (size_t i = 0; i < chaos.timer_count; i++) {
        struct chaos_timer *t = &chaos.timers[i];
        if (t->due_ms < 0 || t->due_ms > chaos.now_ms || chaos.stopped)
            continue;
        t->due_ms = -1;
        t->call(t->ctx);
    }
}

static inline struct hub_peer *peer_find(enum process_kind kind)
{
    for (size_t i = PEERS_MAX; i > 0; i--)
        if (chaos.peers[i - 1] && chaos.peers[i - 1]->up && chaos.peers[i - 1]->kind == kind)
            return chaos.peers[i - 1];
    return NULL;
}

/* A process that has its number already comes to this one. NULL: there is no room for more. */
static inline struct hub_peer *peer_introduce(enum process_kind kind, uint32_t process, uint32_t slot)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (chaos.peers[i])
            continue;
        struct hub_peer *p = calloc(1, sizeof *p);
        *p = (struct hub_peer){.kind = kind, .process = process, .slot = slot, .generation = 1, .up = true};
        chaos.peers[i] = p;
        chaos.child->ops->peer_up(chaos.child->ctx, p);
        return p;
    }
    return NULL;
}

static inline struct hub_peer *peer_begin(enum process_kind kind, uint32_t slot)
{
    return peer_introduce(kind, ++chaos.process, slot);
}

/* Its channel breaks; then, or much later, its death is known. */
static inline void peer_break(struct hub_peer *p)
{
    if (!p->up)
        return;
    p->up = false;
    chaos.child->ops->peer_down(chaos.child->ctx, p, false);
}

static inline void peer_die(struct hub_peer *p)
{
    peer_break(p);
    chaos.child->ops->peer_down(chaos.child->ctx, p, true);
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (chaos.peers[i] == p)
            chaos.peers[i] = NULL;
    free(p);
}

/* One of that kind begins, breaks off or dies, and another one may come at once: the input says which. */
static inline void chaos_peer_event(enum process_kind kind)
{
    struct hub_peer *p = peer_find(kind);
    unsigned how = draw(4);
    if (!p)
        (void)peer_begin(kind, 0);
    else if (how == 0)
        peer_break(p);
    else
        peer_die(p);
    if (how == 1 && !peer_find(kind))
        (void)peer_begin(kind, 0);
    /* Without room for another one, of those that broke the first die. */
    for (size_t i = 0; i < PEERS_MAX - 4; i++)
        if (chaos.peers[PEERS_MAX - 4] && chaos.peers[i] && !chaos.peers[i]->up)
            peer_die(chaos.peers[i]);
}

static inline void chaos_tell(struct hub_peer *p, const struct ipc_message *m)
{
    chaos.child->ops->message(chaos.child->ctx, p, m);
}

static inline void chaos_drain(int64_t limit_ms)
{
    chaos.child->draining = true;
    chaos.child->ops->drain(chaos.child->ctx, limit_ms);
}

static void chaos_end(void)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        free(chaos.peers[i]);
        chaos.peers[i] = NULL;
    }
}

/* The log is written nowhere, but it is made: what it names must be there. */
static inline void chaos_log(void)
{
    static bool opened;
    if (!opened)
        log_open(SLICE("chaos"), getenv("CHAOS_LOG") ? 2 : open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_DEBUG);
    opened = true;
}

enum err __wrap_child_begin(struct child *c, const struct child_start *start, const char *log_component,
                            const struct ipc_hub_ops *ops, void *ctx)
{
    (void)log_component;
    *c = (struct child){.start = start, .conf = start->conf, .ops = ops, .ctx = ctx};
    c->loop = (struct loop *)(void *)&chaos;
    c->hub = (struct ipc_hub *)(void *)&chaos;
    chaos.child = c;
    return ERR_OK;
}

enum err __wrap_child_become(struct child *c, enum process_caps caps)
{
    (void)c;
    (void)caps;
    return ERR_OK;
}

enum err __wrap_child_confine(const struct sandbox_profile *profile)
{
    (void)profile;
    return ERR_OK;
}

void __wrap_child_ready(struct child *c)
{
    (void)c;
}

int __wrap_child_run(struct child *c)
{
    chaos_live();
    return c->exit_status;
}

void __wrap_child_stop(struct child *c, int exit_status)
{
    c->exit_status = exit_status;
    chaos.stopped = true;
}

int64_t __wrap_loop_now_ms(const struct loop *l)
{
    (void)l;
    return chaos.now_ms;
}

enum err __wrap_loop_timer_open(struct loop *l, void (*call)(void *ctx), void *ctx, struct loop_timer **timer_r)
{
    (void)l;
    CHECK(chaos.timer_count < TIMERS_MAX);
    struct chaos_timer *t = &chaos.timers[chaos.timer_count++];
    *t = (struct chaos_timer){call, ctx, -1};
    *timer_r = (struct loop_timer *)(void *)t;
    return ERR_OK;
}

void __wrap_loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    ((struct chaos_timer *)(void *)timer)->due_ms = chaos.now_ms + delay_ms;
}

void __wrap_loop_timer_stop(struct loop_timer *timer)
{
    ((struct chaos_timer *)(void *)timer)->due_ms = -1;
}

void __wrap_loop_timer_close(struct loop_timer **timer)
{
    if (*timer)
        __wrap_loop_timer_stop(*timer);
    *timer = NULL;
}

enum err __wrap_loop_at_turn_end(struct loop *l, void (*call)(void *ctx), void *ctx)
{
    (void)l;
    CHECK(chaos.turn_end_count < TURN_ENDS_MAX);
    chaos.turn_ends[chaos.turn_end_count].call = call;
    chaos.turn_ends[chaos.turn_end_count++].ctx = ctx;
    return ERR_OK;
}

void __wrap_ipc_hub_send(struct ipc_hub *h, struct hub_peer *p, const struct ipc_message *m)
{
    (void)h;
    if (!p || p->up)
        chaos_sent(p, m);
}

struct hub_peer *__wrap_ipc_hub_find(const struct ipc_hub *h, enum process_kind kind)
{
    (void)h;
    return peer_find(kind);
}

struct hub_peer *__wrap_ipc_hub_next(const struct ipc_hub *h, const struct hub_peer *after)
{
    (void)h;
    size_t i = 0;
    while (after && i < PEERS_MAX && chaos.peers[i++] != after)
        continue;
    while (i < PEERS_MAX && !chaos.peers[i])
        i++;
    return i < PEERS_MAX ? chaos.peers[i] : NULL;
}

size_t __wrap_ipc_hub_pending(const struct ipc_hub *h, const struct hub_peer *p)
{
    (void)h;
    return p ? chaos.pending : 0;
}

int64_t __wrap_os_now_ms(void)
{
    return chaos.now_ms;
}

int64_t __wrap_os_now_us(void)
{
    return chaos.now_ms * 1000;
}

int64_t __wrap_os_wall_s(void)
{
    return CHAOS_WALL_S + chaos.wall_shift_s + chaos.now_ms / 1000;
}

int64_t __wrap_os_wall_us(void)
{
    return (CHAOS_WALL_S + chaos.wall_shift_s) * INT64_C(1000000) + chaos.now_ms * 1000;
}

void __wrap_os_random(void *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        chaos.random = chaos.random * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(chaos.random >> 56);
    }
}

#endif
