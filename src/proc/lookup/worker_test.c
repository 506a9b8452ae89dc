/* SPDX-License-Identifier: ISC */
#include "proc/lookup/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <semaphore.h>

#include <cmocka.h>

#define TASKS 4

struct task {
    struct worker_task base;
    int number;
    bool worked, back, dropped;
};

static struct loop *loop;
static struct task tasks[TASKS];
static sem_t begun, go_on;
static int order[TASKS], come;

/* In the thread: tells that it has begun, and waits to be let go. */
static void work(void *thread_ctx, struct worker_task *t)
{
    (void)thread_ctx;
    ((struct task *)t)->worked = true;
    (void)sem_post(&begun);
    (void)sem_wait(&go_on);
}

static void done(void *ctx, struct worker_task *t)
{
    struct task *task = (struct task *)t;
    task->back = true;
    order[come++] = task->number;
    if (come == *(int *)ctx)
        loop_stop(loop);
}

static void drop(struct worker_task *t)
{
    ((struct task *)t)->dropped = true;
}

static const struct worker_ops ops = {work, done, drop};

static struct worker *start(int *wanted, size_t waiting_max)
{
    struct worker *w = NULL;
    struct worker_start s = {&ops, NULL, wanted, waiting_max};
    come = 0;
    for (int i = 0; i < TASKS; i++)
        tasks[i] = (struct task){.number = i};
    assert_int_equal(sem_init(&begun, 0, 0), 0);
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    assert_int_equal(loop_open(&loop), ERR_OK);
    assert_int_equal(worker_open(loop, &s, &w), ERR_OK);
    return w;
}

static void tasks_come_back_in_order(void **state)
{
    int wanted = TASKS;
    struct worker *w = start(&wanted, TASKS);
    (void)state;
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(worker_add(w, &tasks[i].base), ERR_OK);
        (void)sem_post(&go_on);
    }
    loop_run(loop);
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(order[i], i);
        assert_true(tasks[i].worked && tasks[i].back && !tasks[i].dropped);
    }
    worker_close(&w);
    loop_close(&loop);
}

static void too_many_are_refused(void **state)
{
    int wanted = 3;
    struct worker *w = start(&wanted, 2);
    (void)state;
    assert_int_equal(worker_add(w, &tasks[0].base), ERR_OK);
    (void)sem_wait(&begun); /* it does not wait any more, so two others may */
    assert_int_equal(worker_add(w, &tasks[1].base), ERR_OK);
    assert_int_equal(worker_add(w, &tasks[2].base), ERR_OK);
    assert_int_equal(worker_add(w, &tasks[3].base), ERR_LIMIT);
    for (int i = 0; i < 3; i++)
        (void)sem_post(&go_on);
    loop_run(loop);
    assert_false(tasks[3].worked || tasks[3].back || tasks[3].dropped);
    worker_close(&w);
    loop_close(&loop);
}

static void what_waits_is_dropped_at_the_end(void **state)
{
    int wanted = TASKS + 1;
    struct worker *w = start(&wanted, TASKS);
    (void)state;
    assert_int_equal(worker_add(w, &tasks[0].base), ERR_OK);
    (void)sem_wait(&begun);
    assert_int_equal(worker_add(w, &tasks[1].base), ERR_OK);
    (void)sem_post(&go_on);
    (void)sem_post(&go_on); /* the second may be reached before the end */
    worker_close(&w);
    assert_null(w);
    assert_true(tasks[0].dropped && tasks[1].dropped);
    assert_false(tasks[0].back || tasks[1].back);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tasks_come_back_in_order),
                                       cmocka_unit_test(too_many_are_refused),
                                       cmocka_unit_test(what_waits_is_dropped_at_the_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
