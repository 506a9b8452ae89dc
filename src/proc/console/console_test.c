/* SPDX-License-Identifier: ISC */
/* A console in a process of its own; the test is its master, its queue and its clients. */
#include "proc/console/console.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000

static char folder[64];
static struct socket_address address;
static struct ipc_channel *master, *queue;
static int console_pid, console_status;

struct seen {
    size_t count, items, text_bytes;
    enum ipc_type last;
    uint64_t token;
    unsigned exit, ok;
    char text[256];
};

static void keep_text(struct seen *s, slice text)
{
    s->text_bytes += text.len;
    size_t n = text.len < sizeof s->text - 1 ? text.len : sizeof s->text - 1;
    if (n > 0)
        memcpy(s->text, text.ptr, n);
    s->text[n] = 0;
}

static void see(void *ctx, const struct ipc_message *m)
{
    struct seen *s = ctx;
    s->count++;
    s->last = m->type;
    switch (m->type) {
    case IPC_queue_request:
        s->token = m->u.queue_request.token;
        keep_text(s, m->u.queue_request.value);
        break;
    case IPC_queue_item:
        s->token = m->u.queue_item.token;
        s->items++;
        break;
    case IPC_queue_text:
        s->token = m->u.queue_text.token;
        keep_text(s, m->u.queue_text.text);
        break;
    case IPC_queue_end:
        s->token = m->u.queue_end.token;
        s->exit = m->u.queue_end.exit;
        keep_text(s, m->u.queue_end.text);
        break;
    case IPC_queue_gone:
        s->token = m->u.queue_gone.token;
        break;
    case IPC_reload:
        s->token = m->u.reload.token;
        break;
    case IPC_reload_done:
        s->token = m->u.reload_done.token;
        s->ok = m->u.reload_done.ok;
        keep_text(s, m->u.reload_done.text);
        break;
    default:
        break;
    }
}

/* Reads until so many frames have come; what came last is in s. */
static void expect(struct ipc_channel *c, struct seen *s, size_t count)
{
    int64_t end = os_now_ms() + WAIT_MS;
    *s = (struct seen){0};
    while (s->count < count) {
        assert_true(os_now_ms() < end);
        assert_int_equal(socket_wait(ipc_channel_fd(c), false, WAIT_MS), ERR_OK);
        assert_int_equal(ipc_channel_read(c, see, s), ERR_AGAIN);
    }
}

/* Reads until the other side has closed. */
static void expect_end(struct ipc_channel *c)
{
    struct seen s = {0};
    int64_t end = os_now_ms() + WAIT_MS;
    for (;;) {
        assert_true(os_now_ms() < end);
        assert_int_equal(socket_wait(ipc_channel_fd(c), false, WAIT_MS), ERR_OK);
        enum err e = ipc_channel_read(c, see, &s);
        if (e == ERR_CLOSED)
            return;
        assert_int_equal(e, ERR_AGAIN);
    }
}

static void send_now(struct ipc_channel *c, struct ipc_message m)
{
    ipc_channel_send(c, &m);
    enum err e;
    while ((e = ipc_channel_flush(c)) == ERR_AGAIN)
        assert_int_equal(socket_wait(ipc_channel_fd(c), true, WAIT_MS), ERR_OK);
    assert_int_equal(e, ERR_OK);
}

static struct ipc_channel *client(void)
{
    struct ipc_channel *c = NULL;
    int fd = -1;
    assert_int_equal(socket_connect_wait(&address, WAIT_MS, &fd), ERR_OK);
    assert_int_equal(ipc_channel_open(fd, PROCESS_COMMAND, PROCESS_CONSOLE, &c), ERR_OK);
    return c;
}

static void ask_queue(struct ipc_channel *c, uint64_t token, const char *value)
{
    send_now(c, (struct ipc_message){.type = IPC_queue_request,
                                     .fd = -1,
                                     .u.queue_request = {.token = token, .value = slice_str(value)}});
}

static void introduce_queue(uint32_t process)
{
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    ipc_channel_close(&queue);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_QUEUE, PROCESS_CONSOLE, &queue), ERR_OK);
    send_now(master, (struct ipc_message){.type = IPC_peer, .fd = pair[1], .u.peer = {process, PROCESS_QUEUE, 0, 1}});
}

static void start_console(const int pair[2], int listen_fd)
{
    static struct conf conf;
    struct arena arena;
    arena_init(&arena, 65536);
    struct child_start start = {.kind = PROCESS_CONSOLE,
                                .process = 5,
                                .generation = 1,
                                .master_pid = process_pid(),
                                .conf = &conf,
                                .control_fd = pair[1],
                                .lock_fd = -1,
                                .spool_fd = -1,
                                .listen_fds = &listen_fd,
                                .listen_count = 1,
                                .user = {.uid = os_uid(), .gid = process_gid()},
                                .root = os_uid() == 0};
    if (start.root)
        assert_int_equal(os_user_by_name(SLICE("nobody"), &arena, &start.user), ERR_OK);
    int pid;
    assert_int_equal(process_fork(&pid), ERR_OK);
    if (pid == 0)
        process_exit(console_main(&start));
    console_pid = pid;
    arena_deinit(&arena);
}

static int begin(void **state)
{
    (void)state;
    int pair[2], listen_fd = -1;
    struct seen s;
    (void)snprintf(folder, sizeof folder, "/tmp/thurn-console-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address.path, sizeof address.path, "%s/control.sock", folder);
    assert_int_equal(socket_listen(&address, 100, 0660, &listen_fd), ERR_OK);
    assert_int_equal(socket_pair(pair), ERR_OK);
    start_console(pair, listen_fd);
    os_close(&listen_fd);
    os_close(&pair[1]);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, PROCESS_CONSOLE, &master), ERR_OK);
    expect(master, &s, 1);
    assert_int_equal(s.last, IPC_ready);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ipc_channel_close(&master);
    ipc_channel_close(&queue);
    if (console_pid > 1)
        waitpid(console_pid, &console_status, 0);
    console_pid = 0;
    unlink(address.path);
    return rmdir(folder);
}

static void questions_reach_the_queue_and_answers_their_client(void **state)
{
    (void)state;
    struct seen q, a;
    introduce_queue(9);
    struct ipc_channel *one = client(), *two = client();
    uint64_t tokens[2];
    ask_queue(one, 1, "first");
    expect(queue, &q, 1);
    tokens[0] = q.token;
    assert_string_equal(q.text, "first");
    ask_queue(two, 1, "second");
    expect(queue, &q, 1);
    tokens[1] = q.token;
    assert_true(tokens[0] != tokens[1]);
    send_now(queue, (struct ipc_message){.type = IPC_queue_text,
                                         .fd = -1,
                                         .u.queue_text = {.token = tokens[1], .text = SLICE("for two")}});
    expect(two, &a, 1);
    assert_string_equal(a.text, "for two");
    assert_int_equal(a.token, 1);
    for (int i = 1; i >= 0; i--)
        send_now(queue, (struct ipc_message){
                            .type = IPC_queue_end, .fd = -1, .u.queue_end = {.token = tokens[i], .exit = (uint8_t)i}});
    expect(one, &a, 1);
    assert_int_equal(a.last, IPC_queue_end);
    assert_int_equal(a.exit, 0);
    expect(two, &a, 1);
    assert_int_equal(a.exit, 1);
    ipc_channel_close(&one);
    ipc_channel_close(&two);
}

static void without_a_queue_the_answer_is_try_again(void **state)
{
    (void)state;
    struct seen a;
    struct ipc_channel *c = client();
    ask_queue(c, 42, "x");
    expect(c, &a, 1);
    assert_int_equal(a.last, IPC_queue_end);
    assert_int_equal(a.token, 42);
    assert_int_equal(a.exit, 75);
    ipc_channel_close(&c);
}

static void a_queue_that_dies_ends_its_requests(void **state)
{
    (void)state;
    struct seen q, a;
    introduce_queue(9);
    struct ipc_channel *c = client();
    ask_queue(c, 7, "x");
    expect(queue, &q, 1);
    ipc_channel_close(&queue);
    send_now(master, (struct ipc_message){.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {9}});
    expect(c, &a, 1);
    assert_int_equal(a.token, 7);
    assert_int_equal(a.exit, 75);
    introduce_queue(10);
    ask_queue(c, 8, "again");
    expect(queue, &q, 1);
    assert_string_equal(q.text, "again");
    ipc_channel_close(&c);
}

static void a_vanished_client_is_told_to_the_queue(void **state)
{
    (void)state;
    struct seen q;
    introduce_queue(9);
    struct ipc_channel *c = client();
    ask_queue(c, 7, "x");
    expect(queue, &q, 1);
    uint64_t token = q.token;
    ipc_channel_close(&c);
    expect(queue, &q, 1);
    assert_int_equal(q.last, IPC_queue_gone);
    assert_int_equal(q.token, token);
}

/* The token under which the master hears of it. */
static uint64_t ask_reload(struct ipc_channel *c)
{
    struct seen m;
    send_now(c, (struct ipc_message){.type = IPC_reload, .fd = -1, .u.reload = {3, 0}});
    expect(master, &m, 1);
    assert_int_equal(m.last, IPC_reload);
    return m.token;
}

static void reload_and_stop_go_to_the_master(void **state)
{
    (void)state;
    struct seen m, a;
    struct ipc_channel *c = client();
    uint64_t token = ask_reload(c);
    send_now(master, (struct ipc_message){.type = IPC_reload_done,
                                          .fd = -1,
                                          .u.reload_done = {token, 0, SLICE("thurn.toml:1:1: error\n")}});
    expect(c, &a, 1);
    assert_int_equal(a.last, IPC_reload_done);
    assert_int_equal(a.token, 3);
    assert_int_equal(a.ok, 0);
    assert_string_equal(a.text, "thurn.toml:1:1: error\n");
    send_now(c, (struct ipc_message){.type = IPC_stop, .fd = -1});
    expect(master, &m, 1);
    assert_int_equal(m.last, IPC_stop);
    ipc_channel_close(&c);
}

static void garbage_closes_that_client_only(void **state)
{
    (void)state;
    static const char *const rows[] = {"GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                       "EHLO x\r\n....."};
    struct seen a;
    struct ipc_channel *good = client();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ipc_channel *bad = client();
        assert_int_equal(os_write(ipc_channel_fd(bad), slice_str(rows[i])), ERR_OK);
        expect_end(bad);
        ipc_channel_close(&bad);
    }
    ask_queue(good, 1, "x");
    expect(good, &a, 1);
    assert_int_equal(a.exit, 75);
    ipc_channel_close(&good);
}

static void the_sixty_fifth_client_is_refused(void **state)
{
    (void)state;
    struct ipc_channel *all[64], *more;
    struct seen a;
    for (int i = 0; i < 64; i++)
        all[i] = client();
    more = client();
    expect_end(more);
    ipc_channel_close(&more);
    ipc_channel_close(&all[0]);
    ask_queue(all[63], 1, "x");
    expect(all[63], &a, 1);
    for (int i = 1; i < 64; i++)
        ipc_channel_close(&all[i]);
}

/* 16 MB for a client that does not read: the queue's side must feel it. Then the client reads, and all of it comes. */
static void a_slow_client_slows_the_queue(void **state)
{
    (void)state;
    static char text[60000];
    struct seen q, a;
    size_t sent = 0;
    introduce_queue(9);
    struct ipc_channel *c = client();
    ask_queue(c, 7, "x");
    expect(queue, &q, 1);
    struct ipc_message part = {
        .type = IPC_queue_text, .fd = -1, .u.queue_text = {.token = q.token, .text = {text, sizeof text}}};
    for (; sent < 280; sent++)
        ipc_channel_send(queue, &part);
    for (int i = 0; i < 50 && ipc_channel_flush(queue) == ERR_AGAIN; i++)
        usleep(10000);
    assert_true(ipc_channel_pending(queue) > 0);
    a = (struct seen){0};
    for (int64_t limit = os_now_ms() + WAIT_MS; a.count < sent && os_now_ms() < limit;) {
        enum err e = ipc_channel_flush(queue);
        assert_true(e == ERR_OK || e == ERR_AGAIN);
        assert_int_equal(ipc_channel_read(c, see, &a), ERR_AGAIN);
    }
    assert_int_equal(a.text_bytes, sent * sizeof text);
    ipc_channel_close(&c);
}

static void draining_ends_after_the_last_answer(void **state)
{
    (void)state;
    struct seen a;
    struct ipc_channel *c = client();
    uint64_t token = ask_reload(c);
    send_now(master, (struct ipc_message){.type = IPC_drain, .fd = -1, .u.drain = {60000}});
    send_now(master, (struct ipc_message){.type = IPC_reload_done, .fd = -1, .u.reload_done = {token, 1, SLICE("")}});
    expect(c, &a, 1);
    assert_int_equal(a.ok, 1);
    expect_end(master);
    assert_int_equal(waitpid(console_pid, &console_status, 0), console_pid);
    assert_int_equal(console_status, 0);
    console_pid = 0;
    ipc_channel_close(&c);
}

/* The answer, and the end of the process, come together after a wait in which nothing moved: that was not the client's doing. */
static void a_late_answer_reaches_its_client(void **state)
{
    (void)state;
    struct seen a;
    struct ipc_channel *c = client();
    uint64_t token = ask_reload(c);
    usleep(10200000); /* longer than a client may read nothing */
    struct ipc_message done = {.type = IPC_reload_done, .fd = -1, .u.reload_done = {token, 1, SLICE("")}};
    ipc_channel_send(master, &done);
    send_now(master, (struct ipc_message){.type = IPC_drain, .fd = -1, .u.drain = {60000}});
    expect(c, &a, 1);
    assert_int_equal(a.ok, 1);
    ipc_channel_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(questions_reach_the_queue_and_answers_their_client, begin, end),
        cmocka_unit_test_setup_teardown(without_a_queue_the_answer_is_try_again, begin, end),
        cmocka_unit_test_setup_teardown(a_queue_that_dies_ends_its_requests, begin, end),
        cmocka_unit_test_setup_teardown(a_vanished_client_is_told_to_the_queue, begin, end),
        cmocka_unit_test_setup_teardown(reload_and_stop_go_to_the_master, begin, end),
        cmocka_unit_test_setup_teardown(garbage_closes_that_client_only, begin, end),
        cmocka_unit_test_setup_teardown(the_sixty_fifth_client_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_slow_client_slows_the_queue, begin, end),
        cmocka_unit_test_setup_teardown(draining_ends_after_the_last_answer, begin, end),
        cmocka_unit_test_setup_teardown(a_late_answer_reaches_its_client, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
