/* SPDX-License-Identifier: ISC */
#include "sched/heap.h"

#include <assert.h>

void heap_init(struct heap *h, void (*moved)(void *ctx, uint32_t name, uint32_t at), void *ctx)
{
    *h = (struct heap){.moved = moved, .ctx = ctx};
}

void heap_deinit(struct heap *h)
{
    memory_free(h->items);
    h->items = NULL;
    h->count = h->cap = 0;
}

static void place(struct heap *h, uint32_t at, struct heap_item item)
{
    h->items[at] = item;
    h->moved(h->ctx, item.name, at);
}

static void sift_up(struct heap *h, uint32_t at, struct heap_item item)
{
    while (at > 1 && h->items[at / 2].time_s > item.time_s) {
        place(h, at, h->items[at / 2]);
        at /= 2;
    }
    place(h, at, item);
}

static void sift_down(struct heap *h, uint32_t at, struct heap_item item)
{
    while (at * 2 <= h->count) {
        uint32_t child = at * 2;
        if (child < h->count && h->items[child + 1].time_s < h->items[child].time_s)
            child++;
        if (h->items[child].time_s >= item.time_s)
            break;
        place(h, at, h->items[child]);
        at = child;
    }
    place(h, at, item);
}

enum err heap_push(struct heap *h, struct heap_item item)
{
    if (h->count + 1 >= h->cap) {
        uint32_t cap = h->cap ? h->cap * 2 : 64;
        struct heap_item *items = memory_grow(h->items, (size_t)cap * sizeof *items);
        if (!items)
            return ERR_NOMEM;
        h->items = items;
        h->cap = cap;
    }
    sift_up(h, ++h->count, item);
    return ERR_OK;
}

void heap_remove(struct heap *h, uint32_t at)
{
    assert(at >= 1 && at <= h->count);
    h->moved(h->ctx, h->items[at].name, 0);
    struct heap_item last = h->items[h->count--];
    if (at > h->count)
        return;
    if (at > 1 && h->items[at / 2].time_s > last.time_s)
        sift_up(h, at, last);
    else
        sift_down(h, at, last);
}

void heap_sooner(struct heap *h, uint32_t at, uint32_t time_s)
{
    assert(at >= 1 && at <= h->count && time_s <= h->items[at].time_s);
    sift_up(h, at, (struct heap_item){time_s, h->items[at].name});
}
