/* SPDX-License-Identifier: ISC */
#include "ipc/ipc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char memory[65536];
static buf frame;

static void encode(const struct ipc_message *m)
{
    buf_init_fixed(&frame, memory, sizeof memory);
    ipc_message_encode(&frame, m);
    assert_true(buf_ok(&frame));
}

static struct ipc_message job(void)
{
    static const char recipients[8] = {1, 0, 0, 0, 2, 0, 0, 0};
    return (struct ipc_message){.type = IPC_job,
                                .fd = -1,
                                .u.job = {.job = 0x0102030405060708,
                                          .destination = 77,
                                          .segment = UINT64_MAX,
                                          .copy = 3,
                                          .arrival_s = -5,
                                          .recipients = slice_of(recipients, sizeof recipients)}};
}

static void every_field_comes_back(void **state)
{
    (void)state;
    struct ipc_message in = job(), out;
    size_t used = 0;
    encode(&in);
    assert_int_equal(ipc_message_decode(buf_slice(&frame), &out, &used), ERR_OK);
    assert_int_equal(used, frame.len);
    assert_int_equal(out.type, IPC_job);
    assert_int_equal(out.fd, -1);
    assert_int_equal(out.u.job.job, in.u.job.job);
    assert_int_equal(out.u.job.destination, 77);
    assert_true(out.u.job.segment == UINT64_MAX);
    assert_int_equal(out.u.job.copy, 3);
    assert_int_equal(out.u.job.arrival_s, -5);
    assert_true(slice_equal(out.u.job.recipients, in.u.job.recipients));
}

static void a_frame_cut_anywhere_is_not_complete_yet(void **state)
{
    (void)state;
    struct ipc_message in = job(), out;
    encode(&in);
    for (size_t n = 0; n < frame.len; n++) {
        size_t used = 12345;
        assert_int_equal(ipc_message_decode(slice_sub(buf_slice(&frame), 0, n), &out, &used), ERR_AGAIN);
        assert_int_equal(used, 12345);
    }
}

static void two_frames_are_read_one_by_one(void **state)
{
    (void)state;
    struct ipc_message in = job(), ready = {.type = IPC_ready, .fd = -1, .u.ready = {9}}, out;
    encode(&in);
    size_t first = frame.len, used = 0;
    ipc_message_encode(&frame, &ready);
    assert_int_equal(ipc_message_decode(buf_slice(&frame), &out, &used), ERR_OK);
    assert_int_equal(used, first);
    assert_int_equal(ipc_message_decode(slice_skip(buf_slice(&frame), used), &out, &used), ERR_OK);
    assert_int_equal(out.type, IPC_ready);
    assert_int_equal(out.u.ready.process, 9);
}

static void malformed_frames_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at;
        char value;
    } rows[] = {
        {"length too short by one", 0, -1},
        {"length too long by one", 0, 1},
        {"length above the maximum", 3, 0x7f},
        {"type 0", 4, -IPC_ready},
        {"a type that is not in the table", 5, 0x7f},
        {"descriptor flag 2", 6, 2},
        {"reserved byte", 7, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ipc_message ready = {.type = IPC_ready, .fd = -1, .u.ready = {9}}, out = {.type = IPC_stop};
        size_t used = 0;
        encode(&ready);
        buf_append(&frame, SLICE("more bytes than any length above needs"));
        memory[rows[i].at] = (char)(memory[rows[i].at] + rows[i].value);
        enum err e = ipc_message_decode(buf_slice(&frame), &out, &used);
        if (e != ERR_SYNTAX)
            fail_msg("%s: %s", rows[i].what, err_text(e));
        assert_int_equal(out.type, IPC_stop);
    }
}

static void a_byte_field_may_not_reach_beyond_its_frame(void **state)
{
    (void)state;
    struct ipc_message in = job(), out;
    size_t used;
    encode(&in);
    size_t length_at = frame.len - 8 - 4;
    assert_int_equal(get_u32(memory + length_at), 8);
    for (uint32_t wrong = 0; wrong < 40; wrong++) {
        if (wrong == 8)
            continue;
        put_u32(memory + length_at, wrong);
        assert_int_equal(ipc_message_decode(buf_slice(&frame), &out, &used), ERR_SYNTAX);
    }
    put_u32(memory + length_at, UINT32_MAX);
    assert_int_equal(ipc_message_decode(buf_slice(&frame), &out, &used), ERR_SYNTAX);
}

static void permission_follows_the_table(void **state)
{
    (void)state;
    assert_true(ipc_message_permitted(IPC_announce, PROCESS_RECEIVER, PROCESS_QUEUE));
    assert_false(ipc_message_permitted(IPC_announce, PROCESS_SENDER, PROCESS_QUEUE));
    assert_false(ipc_message_permitted(IPC_peer, PROCESS_QUEUE, PROCESS_RECEIVER));
    assert_true(ipc_message_permitted(IPC_stop, PROCESS_COMMAND, PROCESS_CONSOLE));
    assert_false(ipc_message_permitted(IPC_queue_gone, PROCESS_COMMAND, PROCESS_CONSOLE));
    assert_false(ipc_message_permitted(IPC_NONE, PROCESS_MASTER, PROCESS_RECEIVER));
    assert_false(ipc_message_permitted((enum ipc_type)(IPC_TYPE_COUNT + 5), PROCESS_MASTER, PROCESS_RECEIVER));
}

static void only_passwords_are_secret_and_only_peer_takes_a_descriptor(void **state)
{
    (void)state;
    for (unsigned t = 0; t < IPC_TYPE_COUNT; t++) {
        assert_int_equal(ipc_message_secret((enum ipc_type)t), t == IPC_ask_sasl || t == IPC_answer_sasl);
        assert_int_equal(ipc_message_takes_fd((enum ipc_type)t), t == IPC_peer);
    }
    assert_string_equal(ipc_message_name(IPC_ask_sasl), "ask_sasl");
    assert_string_equal(process_kind_name(PROCESS_LOOKUP), "lookup");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(a_frame_cut_anywhere_is_not_complete_yet),
        cmocka_unit_test(two_frames_are_read_one_by_one),
        cmocka_unit_test(malformed_frames_are_refused),
        cmocka_unit_test(a_byte_field_may_not_reach_beyond_its_frame),
        cmocka_unit_test(permission_follows_the_table),
        cmocka_unit_test(only_passwords_are_secret_and_only_peer_takes_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
