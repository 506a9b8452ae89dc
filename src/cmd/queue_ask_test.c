/* SPDX-License-Identifier: ISC */
#include "cmd/queue_ask.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN 1u

static void say(struct ipc_channel *c, struct ipc_message m)
{
    m.fd = -1;
    ipc_channel_send(c, &m);
}

static void take(void *ctx, const struct ipc_message *m)
{
    *(bool *)ctx |= m->type == IPC_queue_request && m->u.queue_request.token == TOKEN;
}

/* The console's side: progress, somebody else's too, then the end. Exits 0 when it was asked. */
static void console(int fd)
{
    struct ipc_channel *c = NULL;
    bool asked = false;
    if (ipc_channel_open(fd, PROCESS_CONSOLE, PROCESS_COMMAND, &c) != ERR_OK)
        _exit(1);
    while (!asked) {
        if (socket_wait(fd, false, 60000) != ERR_OK || ipc_channel_read(c, take, &asked) == ERR_CLOSED)
            _exit(2);
    }
    say(c, (struct ipc_message){.type = IPC_queue_progress, .u.queue_progress = {TOKEN, 70000, 1000000, 12}});
    say(c, (struct ipc_message){.type = IPC_queue_progress, .u.queue_progress = {TOKEN + 7, 1, 2, 3}});
    say(c, (struct ipc_message){.type = IPC_queue_end, .u.queue_end = {.token = TOKEN, .count = 34}});
    _exit(ipc_channel_flush(c) == ERR_OK ? 0 : 3);
}

static uint32_t ask(int (*how)(struct queue_line *, const struct queue_request *, uint32_t *), int expect)
{
    int pair[2], status = -1;
    uint32_t count = 0;
    struct queue_line line = {0};
    struct queue_request request = {.verb = QUEUE_VERB_HOLD};
    assert_int_equal(socket_pair(pair), ERR_OK);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        console(pair[1]);
    }
    (void)close(pair[1]);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_COMMAND, PROCESS_CONSOLE, &line.channel), ERR_OK);
    assert_int_equal(how(&line, &request, &count), expect);
    queue_line_close(&line);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return count;
}

/* What goes to a terminal as standard error meanwhile. */
static void on_terminal(int (*how)(struct queue_line *, const struct queue_request *, uint32_t *), char *text,
                        size_t size)
{
    int master, slave, before = dup(STDERR_FILENO);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    (void)fflush(stderr);
    assert_int_equal(dup2(slave, STDERR_FILENO), STDERR_FILENO);
    uint32_t count = ask(how, 0);
    (void)fputs("|", stderr);
    (void)fflush(stderr);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    size_t len = 0;
    while (len + 1 < size && (len == 0 || text[len - 1] != '|')) {
        ssize_t n = read(master, text + len, size - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    text[len] = 0;
    (void)close(before);
    (void)close(slave);
    (void)close(master);
    assert_int_equal(count, 34);
}

static void progress_is_for_terminals(void **state)
{
    (void)state;
    char text[512];
    on_terminal(queue_line_ask, text, sizeof text);
    assert_string_equal(text, "\r70000 of 1000000 messages looked at, 12 match \033[K\r\033[K|");
    on_terminal(queue_line_ask_quietly, text, sizeof text);
    assert_string_equal(text, "|");
}

static void elsewhere_there_is_none(void **state)
{
    (void)state;
    int pipe_ends[2], before = dup(STDERR_FILENO);
    char text[64] = {0};
    assert_int_equal(pipe(pipe_ends), 0);
    (void)fflush(stderr);
    (void)dup2(pipe_ends[1], STDERR_FILENO);
    uint32_t count = ask(queue_line_ask, 0);
    (void)fputs("|", stderr);
    (void)fflush(stderr);
    (void)dup2(before, STDERR_FILENO);
    assert_int_equal(count, 34);
    assert_true(read(pipe_ends[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "|");
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    (void)close(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(progress_is_for_terminals),
                                       cmocka_unit_test(elsewhere_there_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
