/* SPDX-License-Identifier: ISC */
/* What the parent sends to a worker, without a process around it. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/deliver/state.h"

#define SIZE 1500000u

static char path[] = "/tmp/worker_test.XXXXXX";
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
    assert_non_null(mkdtemp(path));
    assert_int_equal(spool_dir_open(path, &dir_fd), ERR_OK);
    j.place = store();
    assert_int_equal(spool_reader_open(dir_fd, &d.reader), ERR_OK);
    assert_int_equal(loop_open(&d.child.loop), ERR_OK);
    list_init(&d.workers);
    list_init(&d.homeless);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(content_of_which_another_is_done_goes_on, open_worker, close_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
