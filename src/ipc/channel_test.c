/* SPDX-License-Identifier: ISC */
#include "ipc/ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"

static struct ipc_channel *a, *b;
static int raw_a;

static void open_pair(enum process_kind kind_a, enum process_kind kind_b)
{
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    raw_a = pair[0];
    assert_int_equal(ipc_channel_open(pair[0], kind_a, kind_b, &a), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[1], kind_b, kind_a, &b), ERR_OK);
}

static int close_pair(void **state)
{
    (void)state;
    ipc_channel_close(&a);
    ipc_channel_close(&b);
    return 0;
}

struct seen {
    size_t count, bytes, peers;
    uint64_t sum;
};

static void see(void *ctx, const struct ipc_message *m)
{
    struct seen *s = ctx;
    s->count++;
    if (m->type == IPC_announce) {
        s->bytes += m->u.announce.head.len;
        s->sum += m->u.announce.id;
    }
    if (m->type == IPC_ask_sasl)
        s->bytes += m->u.ask_sasl.response.len;
    if (m->type == IPC_peer) {
        char byte = (char)m->u.peer.process;
        assert_true(m->fd >= 0);
        assert_int_equal(write(m->fd, &byte, 1), 1);
        close(m->fd);
        s->peers++;
    }
}

static void announce(uint64_t id, size_t head)
{
    static char zeros[300000];
    struct ipc_message m = {.type = IPC_announce, .fd = -1, .u.announce = {.id = id, .head = {zeros, head}}};
    ipc_channel_send(a, &m);
}

static void frames_arrive_whole_and_in_order_through_a_full_socket(void **state)
{
    (void)state;
    struct seen s = {0};
    open_pair(PROCESS_RECEIVER, PROCESS_QUEUE);
    for (uint64_t i = 1; i <= 100; i++)
        announce(i, 30000);
    assert_int_equal(ipc_channel_flush(a), ERR_AGAIN);
    assert_true(ipc_channel_pending(a) > 0);
    for (int turns = 0; turns < 10000 && s.count < 100; turns++) {
        assert_int_equal(ipc_channel_read(b, see, &s), ERR_AGAIN);
        enum err e = ipc_channel_flush(a);
        assert_true(e == ERR_OK || e == ERR_AGAIN);
    }
    assert_int_equal(s.count, 100);
    assert_int_equal(s.bytes, 100 * 30000);
    assert_int_equal(s.sum, 5050);
    assert_int_equal(ipc_channel_pending(a), 0);
}

static void each_descriptor_comes_with_its_own_frame(void **state)
{
    (void)state;
    struct seen s = {0};
    int pipes[20][2];
    open_pair(PROCESS_MASTER, PROCESS_RECEIVER);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
        struct ipc_message drain = {.type = IPC_drain, .fd = -1, .u.drain = {i}};
        struct ipc_message peer = {.type = IPC_peer, .fd = pipes[i][1], .u.peer = {.process = i + 1}};
        ipc_channel_send(a, &drain);
        ipc_channel_send(a, &peer);
    }
    assert_int_equal(ipc_channel_flush(a), ERR_OK);
    for (int turns = 0; turns < 100 && s.count < 40; turns++)
        assert_int_equal(ipc_channel_read(b, see, &s), ERR_AGAIN);
    assert_int_equal(s.peers, 20);
    for (int i = 0; i < 20; i++) {
        char byte = 0;
        assert_int_equal(read(pipes[i][0], &byte, 1), 1);
        assert_int_equal(byte, i + 1);
        assert_int_equal(read(pipes[i][0], &byte, 1), 0);
        close(pipes[i][0]);
    }
}

static void garbage_and_what_is_not_permitted_are_refused(void **state)
{
    static const char zeros[64];
    struct seen s = {0};
    open_pair(PROCESS_RECEIVER, PROCESS_QUEUE);
    assert_int_equal(write(raw_a, zeros, sizeof zeros), sizeof zeros);
    assert_int_equal(ipc_channel_read(b, see, &s), ERR_SYNTAX);
    close_pair(state);

    open_pair(PROCESS_RECEIVER, PROCESS_QUEUE);
    char memory[256];
    buf frame;
    buf_init_fixed(&frame, memory, sizeof memory);
    struct ipc_message ack = {.type = IPC_announce_ack, .fd = -1};
    ipc_message_encode(&frame, &ack);
    assert_int_equal(write(raw_a, frame.ptr, frame.len), frame.len);
    assert_int_equal(ipc_channel_read(b, see, &s), ERR_SYNTAX);
    assert_int_equal(s.count, 0);
}

/* A descriptor that nobody asked for must neither reach a callback nor stay open. */
static void a_smuggled_descriptor_is_closed(void **state)
{
    struct seen s = {0};
    int pipes[2];
    char memory[256], byte;
    buf frame;
    size_t sent;
    open_pair(PROCESS_RECEIVER, PROCESS_QUEUE);
    assert_int_equal(pipe(pipes), 0);
    buf_init_fixed(&frame, memory, sizeof memory);
    struct ipc_message end = {.type = IPC_hello_end, .fd = -1};
    ipc_message_encode(&frame, &end);
    memory[6] = 1;
    assert_int_equal(socket_send_fd(raw_a, buf_slice(&frame), pipes[1], &sent), ERR_OK);
    close(pipes[1]);
    assert_int_equal(ipc_channel_read(b, see, &s), ERR_SYNTAX);
    assert_int_equal(s.count, 0);
    close_pair(state);
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
}

static void what_was_written_before_the_end_is_read_before_closed(void **state)
{
    (void)state;
    struct seen s = {0};
    open_pair(PROCESS_RECEIVER, PROCESS_QUEUE);
    announce(7, 10);
    assert_int_equal(ipc_channel_flush(a), ERR_OK);
    ipc_channel_close(&a);
    enum err e = ipc_channel_read(b, see, &s);
    if (e == ERR_AGAIN)
        e = ipc_channel_read(b, see, &s);
    assert_int_equal(e, ERR_CLOSED);
    assert_int_equal(s.count, 1);
    struct ipc_message ack = {.type = IPC_announce_ack, .fd = -1};
    ipc_channel_send(b, &ack);
    assert_int_equal(ipc_channel_flush(b), ERR_CLOSED);
    ipc_channel_send(b, &ack);
    assert_int_equal(ipc_channel_flush(b), ERR_CLOSED);
}

static void the_largest_frame_passes(void **state)
{
    (void)state;
    struct seen s = {0};
    size_t size = IPC_FRAME_MAX - 1024;
    char *text = calloc(1, size);
    assert_non_null(text);
    open_pair(PROCESS_RECEIVER, PROCESS_LOOKUP);
    for (int i = 0; i < 2; i++) {
        struct ipc_message m = {.type = IPC_ask_sasl, .fd = -1, .u.ask_sasl = {.response = {text, size}}};
        ipc_channel_send(a, &m);
    }
    for (int turns = 0; turns < 10000 && s.count < 2; turns++) {
        enum err e = ipc_channel_flush(a);
        assert_true(e == ERR_OK || e == ERR_AGAIN);
        assert_int_equal(ipc_channel_read(b, see, &s), ERR_AGAIN);
    }
    assert_int_equal(s.bytes, 2 * size);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(frames_arrive_whole_and_in_order_through_a_full_socket, close_pair),
        cmocka_unit_test_teardown(each_descriptor_comes_with_its_own_frame, close_pair),
        cmocka_unit_test_teardown(garbage_and_what_is_not_permitted_are_refused, close_pair),
        cmocka_unit_test_teardown(a_smuggled_descriptor_is_closed, close_pair),
        cmocka_unit_test_teardown(what_was_written_before_the_end_is_read_before_closed, close_pair),
        cmocka_unit_test_teardown(the_largest_frame_passes, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
