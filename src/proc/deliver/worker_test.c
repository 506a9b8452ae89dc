/* SPDX-License-Identifier: ISC */
/* What the parent sends to a worker, and what it takes from one; without a process deliver around it. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/deliver/descriptors_test.h"
#include "proc/deliver/state.h"

#define SIZE 1500000u

static char path[32];
static int dir_fd;
static struct deliver d;
static struct worker w;
static struct job j;
static struct delivery first, second;
static int other_end;

static void never(void *ctx, bool readable, bool writable)
{
    (void)ctx;
    (void)readable;
    (void)writable;
}

static void give(struct delivery *x, uint64_t number)
{
    list_init(&x->link);
    x->job = &j;
    x->number = x->item.number = number;
    x->item.body_size = SIZE;
    x->item.recipient = x->item.user = SLICE("alice");
}

static struct spool_place store(void)
{
    static const char piece[5000];
    struct spool_writer *writer = NULL;
    struct spool_message *m = NULL;
    struct spool_done done = {.kind = SPOOL_DONE_DRAINED};
    struct recipient recipient = {.address = SLICE("alice@test.example")};
    struct envelope envelope = {.recipient_count = 1, .recipients = &recipient};
    const struct spool_head head = {.id = 9, .facts = {.size = SIZE}, .envelope_count = 1, .envelopes = &envelope};
    const struct spool_writer_options o = {.dir_fd = dir_fd, .writer = 7, .memory_max = 32 << 20};
    assert_int_equal(spool_writer_open(&o, &writer), ERR_OK);
    spool_writer_supply_numbers(writer, 1, 1000);
    assert_int_equal(spool_message_begin(writer, NULL, &m), ERR_OK);
    for (size_t at = 0; at < SIZE; at += sizeof piece)
        assert_int_equal(spool_message_append(m, slice_of(piece, sizeof piece)), ERR_OK);
    assert_int_equal(spool_message_commit(&m, &head), ERR_OK);
    spool_writer_flush(writer);
    while (done.kind != SPOOL_DONE_COMMITTED) {
        struct pollfd p = {.fd = spool_writer_wake_fd(writer), .events = POLLIN};
        if (!spool_writer_next_done(writer, &done))
            assert_int_equal(poll(&p, 1, 30000), 1);
    }
    assert_int_equal(done.err, ERR_OK);
    struct spool_place place = done.place;
    spool_writer_close(&writer);
    return place;
}

static int open_worker(void **state)
{
    (void)state;
    int pair[2];
    (void)snprintf(path, sizeof path, "/tmp/worker_test.XXXXXX");
    assert_non_null(mkdtemp(path));
    assert_int_equal(spool_dir_open(path, &dir_fd), ERR_OK);
    j.place = store();
    assert_int_equal(spool_reader_open(dir_fd, &d.reader), ERR_OK);
    assert_int_equal(loop_open(&d.child.loop), ERR_OK);
    list_init(&d.workers);
    list_init(&d.homeless);
    list_init(&j.kept);
    arena_init(&j.arena, 1 << 20);
    assert_int_equal(socket_pair(pair), ERR_OK);
    w.fd = pair[0];
    other_end = pair[1];
    list_init(&w.waiting);
    list_init(&w.sent);
    buf_init(&w.out, 1u << 20);
    list_push(&d.workers, &w.link);
    assert_int_equal(loop_watch_open(d.child.loop, w.fd, never, &w, &w.watch), ERR_OK);
    j.open = j.unsent = 2;
    give(&first, 1);
    give(&second, 2);
    return 0;
}

static int close_worker(void **state)
{
    (void)state;
    loop_watch_close(&w.watch);
    os_close(&w.fd);
    os_close(&other_end);
    buf_deinit(&w.out);
    if (j.entry)
        spool_entry_close(&j.entry);
    arena_deinit(&j.arena);
    spool_reader_close(&d.reader);
    loop_close(&d.child.loop);
    os_close(&dir_fd);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
    return 0;
}

static size_t read_all(void)
{
    static char room[65536];
    size_t all = 0, got;
    struct socket_passed passed;
    while (socket_receive_fd(other_end, room, sizeof room, &got, &passed) == ERR_OK)
        all += got;
    return all;
}

/* A mail for two users goes to two workers. One has all of it while the other is in the midst of it, and many other contents wait. */
static void content_of_which_another_is_done_goes_on(void **state)
{
    (void)state;
    size_t all;
    list_push(&w.waiting, &first.link);
    w.dirty = true;
    deliver_worker_flush_all(&d);
    assert_ptr_equal(w.streaming, &first);
    d.entries += 10000;
    deliver_job_content_end(&d, second.job);
    all = read_all();
    for (int i = 0; i < 1000 && (w.streaming || w.out.len > 0); i++) {
        w.dirty = true;
        deliver_worker_flush_all(&d);
        all += read_all();
    }
    assert_null(w.streaming);
    assert_true(all > SIZE);
    assert_ptr_equal(w.sent.next, &first.link);
}

/* In the worker's process, which may have been taken over by whoever the recipient is: each byte of its answer brings a descriptor. */
void __wrap_work_run(int socket)
{
    char memory[256];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    item_answer_encode(&b, &(struct item_answer){2, status_verdict(STATUS_DELIVERED)});
    size_t sent = 1;
    for (size_t i = 0; i < b.len && sent == 1; i++)
        if (socket_send_fd(socket, slice_sub(buf_slice(&b), i, i + 1), 0, &sent) != ERR_OK)
            break;
    process_exit(0);
}

static struct loop_timer *timer;
static int turns;

static void until_it_is_gone(void *ctx)
{
    (void)ctx;
    if (d.worker_count == 0 || ++turns == 3000)
        loop_stop(d.child.loop);
    else
        loop_timer_start(timer, 10);
}

static void descriptors_that_a_worker_passes_are_not_taken(void **state)
{
    (void)state;
    const struct child_start start = {.kind = PROCESS_DELIVER};
    d.child.start = &start;
    second.user = (struct os_user){.uid = 12345, .gid = 12345, .name = SLICE("alice")};
    second.item.kind = ITEM_MAILDIR;
    assert_int_equal(loop_timer_open(d.child.loop, until_it_is_gone, NULL, &timer), ERR_OK);
    loop_timer_start(timer, 10);
    unsigned before = descriptors();
    deliver_worker_give(&d, &second);
    assert_int_equal(d.worker_count, 1);
    list_remove(&second.link); /* it is taken as sent, whole */
    list_push(&LIST_ENTRY(d.workers.prev, struct worker, link)->sent, &second.link);
    loop_run(d.child.loop);
    loop_timer_close(&timer);
    assert_int_equal(d.worker_count, 0);
    assert_int_equal(j.open, 1);
    assert_int_equal(LIST_ENTRY(j.kept.next, struct kept_result, link)->verdict.code, 250);
    assert_int_equal(descriptors(), before);
}

/* The parent hears of its death by a write, and what it has said is still to be read. */
static void what_a_worker_said_before_it_died_counts(void **state)
{
    (void)state;
    int pair[2];
    char memory[256];
    buf b;
    size_t sent;
    struct worker *x = calloc(1, sizeof *x);
    assert_int_equal(socket_pair(pair), ERR_OK);
    x->fd = pair[0];
    list_init(&x->waiting);
    list_init(&x->sent);
    buf_init(&x->out, 1u << 20);
    buf_init(&x->in, 1u << 20);
    list_push(&d.workers, &x->link);
    d.worker_count++;
    assert_int_equal(loop_watch_open(d.child.loop, x->fd, never, x, &x->watch), ERR_OK);
    x->load = 2;
    list_push(&x->sent, &first.link);
    list_push(&x->waiting, &second.link);
    x->dirty = true;
    buf_init_fixed(&b, memory, sizeof memory);
    item_answer_encode(&b, &(struct item_answer){1, status_verdict(STATUS_DELIVERED)});
    assert_int_equal(socket_send_fd(pair[1], buf_slice(&b), -1, &sent), ERR_OK);
    os_close(&pair[1]);
    j.open = 3; /* and one that is not told of here */
    deliver_worker_flush_all(&d);
    assert_int_equal(d.worker_count, 0);
    assert_int_equal(j.open, 1);
    const struct kept_result *r = LIST_ENTRY(j.kept.next, struct kept_result, link);
    assert_int_equal(r->verdict.code, 250);
    assert_int_equal(LIST_ENTRY(r->link.next, struct kept_result, link)->verdict.code, 451);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(content_of_which_another_is_done_goes_on, open_worker, close_worker),
        cmocka_unit_test_setup_teardown(what_a_worker_said_before_it_died_counts, open_worker, close_worker),
        cmocka_unit_test_setup_teardown(descriptors_that_a_worker_passes_are_not_taken, open_worker, close_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
