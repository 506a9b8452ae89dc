/* SPDX-License-Identifier: ISC */
/* An implicit binary heap of (time, name): what is due next. The owner of a name is told its place, so that it can be taken out from the middle. Private to the room. */
#ifndef SCHED_HEAP_H
#define SCHED_HEAP_H

#include "base/base.h"

struct heap_item {
    uint32_t time_s;
    uint32_t name; /* the owner's; never 0 */
};

struct heap {
    struct heap_item *items; /* from 1 */
    uint32_t count, cap;
    void (*moved)(void *ctx, uint32_t name, uint32_t at); /* 0: out of the heap */
    void *ctx;
};

void heap_init(struct heap *h, void (*moved)(void *ctx, uint32_t name, uint32_t at), void *ctx);
void heap_deinit(struct heap *h);
must_check enum err heap_push(struct heap *h, struct heap_item item);
void heap_remove(struct heap *h, uint32_t at);
/* Makes it due sooner. Only places from 1 to `at` change their items, so a walk in ascending order meets each item once. */
void heap_sooner(struct heap *h, uint32_t at, uint32_t time_s);

#endif
