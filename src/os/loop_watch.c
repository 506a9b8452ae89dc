/* SPDX-License-Identifier: ISC */
#include "os/loop_state.h"

#include "os/file.h"

struct loop_timer {
    uv_timer_t uv;
    void (*call)(void *ctx);
    void *ctx;
};

struct loop_watch {
    uv_poll_t uv;
    void (*call)(void *ctx, bool readable, bool writable);
    void *ctx;
    int wanted;  /* UV_READABLE, UV_WRITABLE */
    int started; /* what libuv has been told */
};

static void free_handle(uv_handle_t *uv)
{
    free(uv->data);
}

enum err loop_timer_open(struct loop *l, void (*call)(void *ctx), void *ctx, struct loop_timer **timer_r)
{
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    (void)uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    t->call = call;
    t->ctx = ctx;
    *timer_r = t;
    return ERR_OK;
}

static void timer_due(uv_timer_t *uv)
{
    struct loop_timer *t = uv->data;
    t->call(t->ctx);
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ms)
{
    (void)uv_timer_start(&t->uv, timer_due, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

void loop_timer_stop(struct loop_timer *t)
{
    (void)uv_timer_stop(&t->uv);
}

void loop_timer_close(struct loop_timer **t)
{
    if (*t)
        uv_close((uv_handle_t *)&(*t)->uv, free_handle);
    *t = NULL;
}

static void watch_ready(uv_poll_t *uv, int status, int events);

static void watch_apply(struct loop_watch *w)
{
    if (w->wanted == w->started || uv_is_closing((uv_handle_t *)&w->uv))
        return;
    w->started = w->wanted;
    if (w->wanted)
        (void)uv_poll_start(&w->uv, w->wanted, watch_ready);
    else
        (void)uv_poll_stop(&w->uv);
}

/* On an error of the socket libuv stops watching and does not say which it was: the owner's own read or write will. */
static void watch_ready(uv_poll_t *uv, int status, int events)
{
    struct loop_watch *w = uv->data;
    if (status < 0) {
        w->started = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    w->call(w->ctx, events & w->wanted & UV_READABLE, events & w->wanted & UV_WRITABLE);
    watch_apply(w);
}

enum err loop_watch_open(struct loop *l, int fd, void (*call)(void *ctx, bool readable, bool writable), void *ctx,
                         struct loop_watch **watch_r)
{
    struct loop_watch *w = calloc(1, sizeof(*w));
    if (!w)
        return ERR_NOMEM;
    int failed = uv_poll_init(&l->uv, &w->uv, fd);
    if (failed) {
        free(w);
        return os_err(-failed);
    }
    w->uv.data = w;
    w->call = call;
    w->ctx = ctx;
    *watch_r = w;
    return ERR_OK;
}

void loop_watch_set(struct loop_watch *w, bool read, bool write)
{
    w->wanted = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    watch_apply(w);
}

void loop_watch_close(struct loop_watch **w)
{
    if (*w)
        uv_close((uv_handle_t *)&(*w)->uv, free_handle);
    *w = NULL;
}
