/* SPDX-License-Identifier: ISC */
/* A turn of libuv is: timers, idle, prepare, sleep and I/O, check, closed handles. So what prepare calls comes after the I/O of one
 * turn and the timers of the next, right before the loop sleeps; it need not be called at another place. */
#include "os/loop.h"

#include <assert.h>

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

static void run_list(struct list *tasks)
{
    struct list *first;
    while ((first = list_pop(tasks))) {
        struct loop_task *task = LIST_ENTRY(first, struct loop_task, link);
        task->call(task);
    }
}

/* What is asked for during the run belongs to the next turn. */
static void run_soon(uv_idle_t *awake)
{
    struct loop *l = awake->data;
    struct list now;
    list_init(&now);
    while (!list_empty(&l->soon))
        list_push(&now, list_pop(&l->soon));
    run_list(&now);
    if (list_empty(&l->soon))
        uv_idle_stop(awake);
}

void loop_soon(struct loop *l, struct loop_task *task)
{
    list_remove(&task->link);
    list_push(&l->soon, &task->link);
    if (!uv_is_active((uv_handle_t *)&l->awake))
        (void)uv_idle_start(&l->awake, run_soon);
}

void loop_adopt(struct loop *l, struct loop_task *task)
{
    list_remove(&task->link);
    list_push(&l->orphans, &task->link);
}

static void turn_end(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;
    for (size_t i = 0; i < l->hook_count; i++)
        l->hooks[i].call(l->hooks[i].ctx);
    run_list(&l->later);
}

enum err loop_open(struct loop **loop_r)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (!l)
        return ERR_NOMEM;
    int failed = uv_loop_init(&l->uv);
    if (failed) {
        free(l);
        return os_err(-failed);
    }
    list_init(&l->later);
    list_init(&l->soon);
    list_init(&l->orphans);
    buf_init(&l->cipher, CIPHER_MAX);
    uv_prepare_init(&l->uv, &l->turn_end);
    uv_idle_init(&l->uv, &l->awake);
    l->turn_end.data = l->awake.data = l;
    (void)uv_prepare_start(&l->turn_end, turn_end);
    *loop_r = l;
    return ERR_OK;
}

void loop_run(struct loop *l)
{
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

void loop_close(struct loop **loop)
{
    struct loop *l = *loop;
    if (!l)
        return;
    run_list(&l->orphans);
    run_list(&l->later);
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    uv_close((uv_handle_t *)&l->awake, NULL);
    for (size_t i = 0; i < l->signal_count; i++)
        uv_close((uv_handle_t *)&l->signals[i].uv, NULL);
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    int open_handles = uv_loop_close(&l->uv);
    assert(open_handles == 0); /* their owners close timers, watches and connections first */
    (void)open_handles;
    buf_deinit(&l->cipher);
    free(l);
    *loop = NULL;
}

int64_t loop_now_ms(const struct loop *l)
{
    return (int64_t)uv_now(&l->uv);
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

static void signal_came(uv_signal_t *uv, int signal_number)
{
    struct loop *l = uv->data;
    for (size_t i = 0; i < l->signal_count; i++) {
        if (&l->signals[i].uv == uv)
            l->signals[i].call(l->signals[i].ctx, signal_number);
    }
}

enum err loop_signal(struct loop *l, int signal_number, void (*call)(void *ctx, int signal_number), void *ctx)
{
    if (l->signal_count == LOOP_SIGNALS_MAX)
        return ERR_LIMIT;
    uv_signal_t *uv = &l->signals[l->signal_count].uv;
    int failed = uv_signal_init(&l->uv, uv);
    if (failed)
        return os_err(-failed);
    uv->data = l;
    l->signals[l->signal_count].call = call;
    l->signals[l->signal_count].ctx = ctx;
    l->signal_count++;
    failed = uv_signal_start(uv, signal_came, signal_number);
    return failed ? os_err(-failed) : ERR_OK;
}
