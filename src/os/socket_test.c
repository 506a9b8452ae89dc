/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/thurn-socket-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static struct socket_address in_folder(const char *name)
{
    struct socket_address a = {0};
    snprintf(a.path, sizeof(a.path), "%s/%s", folder, name);
    return a;
}

static void addresses_are_read_and_printed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1:25"},
        {"::1", "[::1]:25"},
        {"2001:DB8::0:5", "[2001:db8::5]:25"},
        {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:25"},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"0300.0.0.1", NULL},
        {"192.0.2.1 ", NULL},
        {"[::1]", NULL},
        {"fe80::1%eth0", NULL},
        {"localhost", NULL},
        {"", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct socket_address a = {.port = 7};
        char text[100];
        buf b;
        buf_init_fixed(&b, text, sizeof(text));
        enum err e = socket_address_parse(slice_str(rows[i].text), 25, &a);
        assert_int_equal(e, rows[i].printed ? ERR_OK : ERR_SYNTAX);
        if (e != ERR_OK) {
            assert_int_equal(a.port, 7);
            continue;
        }
        socket_address_print(&b, &a);
        assert_true(slice_equal(buf_slice(&b), slice_str(rows[i].printed)));
    }
    struct socket_address a;
    assert_int_equal(socket_address_parse(SLICE("1.2.3.4\0x"), 1, &a), ERR_SYNTAX);
    char text[200];
    buf b;
    buf_init_fixed(&b, text, sizeof(text));
    a = in_folder("s");
    socket_address_print(&b, &a);
    assert_true(slice_starts(buf_slice(&b), SLICE("unix:/tmp/")));
}

static void a_listener_is_found_at_its_port(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < 2; i++) {
        struct socket_address a, local;
        int listening = -1, fd = -1;
        assert_int_equal(socket_address_parse(slice_str(hosts[i]), 0, &a), ERR_OK);
        enum err e = socket_listen(&a, 5, 0, &listening);
        if (e == ERR_UNREACHABLE || e == ERR_UNSUPPORTED)
            continue; /* a machine without IPv6 */
        assert_int_equal(e, ERR_OK);
        assert_int_equal(socket_local_address(listening, &local), ERR_OK);
        assert_true(local.port > 0);
        assert_memory_equal(local.ip, a.ip, a.ip_len);
        assert_int_equal(socket_connect_wait(&local, 5000, &fd), ERR_OK);
        os_close(&fd);
        assert_int_equal(socket_listen(&local, 5, 0, &fd), ERR_EXISTS);
        os_close(&listening);
        assert_int_equal(socket_connect_wait(&local, 5000, &fd), ERR_REFUSED);
        assert_int_equal(fd, -1);
    }
}

static void a_stale_unix_socket_is_replaced_a_live_one_is_not(void **state)
{
    (void)state;
    struct socket_address a = in_folder("control");
    struct stat st;
    uint32_t uid = 0, pid = 0;
    int first = -1, second = -1, fd = -1;
    assert_int_equal(socket_listen(&a, 5, 0600, &first), ERR_OK);
    assert_int_equal(stat(a.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(socket_listen(&a, 5, 0600, &second), ERR_EXISTS);
    assert_int_equal(socket_connect_wait(&a, 5000, &fd), ERR_OK);
    assert_int_equal(socket_peer_user(fd, &uid, &pid), ERR_OK);
    assert_int_equal(uid, os_uid());
    assert_int_equal(pid, getpid());
    os_close(&fd);
    os_close(&first);
    assert_int_equal(socket_connect_wait(&a, 5000, &fd), ERR_REFUSED);
    umask(077);
    assert_int_equal(socket_listen(&a, 5, 0666, &second), ERR_OK);
    umask(022);
    assert_int_equal(stat(a.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    os_close(&second);
    unlink(a.path);
}

/* Its folder is the server's user's, who could put any file there for root to hand over. */
static void only_a_socket_is_handed_over(void **state)
{
    (void)state;
    struct socket_address a = in_folder("given"), other = in_folder("other");
    struct stat st;
    int fd = -1;
    uint32_t to = os_uid() == 0 ? 65534 : os_uid();
    assert_int_equal(os_file_replace(AT_FDCWD, slice_str(a.path), SLICE("x"), 0600), ERR_OK);
    assert_int_equal(socket_give(a.path, to, to), ERR_CORRUPT);
    assert_int_equal(symlink(a.path, other.path), 0);
    assert_int_equal(socket_give(other.path, to, to), ERR_CORRUPT);
    assert_int_equal(stat(a.path, &st), 0);
    assert_int_equal(st.st_uid, os_uid());
    unlink(a.path);
    unlink(other.path);
    assert_int_equal(socket_give(a.path, to, to), ERR_NOTFOUND);
    assert_int_equal(socket_listen(&a, 5, 0600, &fd), ERR_OK);
    if (os_uid() == 0)
        assert_int_equal(socket_give(a.path, to, to), ERR_OK);
    assert_int_equal(stat(a.path, &st), 0);
    assert_int_equal(st.st_uid, to);
    os_close(&fd);
    unlink(a.path);
}

/* What is no socket is somebody's file. */
static void a_file_in_a_sockets_place_stays(void **state)
{
    (void)state;
    struct socket_address a = in_folder("file");
    struct stat st;
    int fd = -1;
    assert_int_equal(os_file_replace(AT_FDCWD, slice_str(a.path), SLICE("x"), 0600), ERR_OK);
    assert_int_equal(socket_listen(&a, 5, 0600, &fd), ERR_EXISTS);
    assert_int_equal(stat(a.path, &st), 0);
    unlink(a.path);
}

static void descriptors_are_passed(void **state)
{
    (void)state;
    int pair[2], ends[2];
    char got[16];
    size_t n = 0;
    struct socket_passed passed = {.count = 5};
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(socket_receive_fd(pair[1], got, sizeof(got), &n, &passed), ERR_AGAIN);
    assert_int_equal(passed.count, 5);
    assert_int_equal(socket_send_fd(pair[0], SLICE("with"), ends[1], &n), ERR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(socket_receive_fd(pair[1], got, sizeof(got), &n, &passed), ERR_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(got, "with", 4);
    assert_int_equal(passed.count, 1);
    assert_true(fcntl(passed.fds[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(passed.fds[0], "y", 1), 1);
    assert_int_equal(read(ends[0], got, 1), 1);
    assert_int_equal(got[0], 'y');
    assert_int_equal(socket_send_fd(pair[0], SLICE("without"), -1, &n), ERR_OK);
    assert_int_equal(socket_receive_fd(pair[1], got, sizeof(got), &n, &passed), ERR_OK);
    assert_int_equal(n, 7);
    assert_int_equal(passed.count, 0);
    close(pair[0]);
    assert_int_equal(socket_receive_fd(pair[1], got, sizeof(got), &n, &passed), ERR_CLOSED);
    assert_int_equal(socket_send_fd(pair[1], SLICE("x"), -1, &n), ERR_CLOSED);
    close(pair[1]);
    close(ends[0]);
    close(ends[1]);
}

static void bytes_are_looked_at_and_taken(void **state)
{
    (void)state;
    int pair[2];
    char got[16];
    size_t n = 0;
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(socket_peek(pair[1], got, sizeof(got), &n), ERR_AGAIN);
    assert_int_equal(write(pair[0], "header", 6), 6);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socket_peek(pair[1], got, sizeof(got), &n), ERR_OK);
        assert_int_equal(n, 6);
    }
    assert_int_equal(socket_take(pair[1], got, 4, &n), ERR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(socket_take(pair[1], got, sizeof(got), &n), ERR_OK);
    assert_memory_equal(got, "er", 2);
    close(pair[0]);
    assert_int_equal(socket_peek(pair[1], got, sizeof(got), &n), ERR_CLOSED);
    close(pair[1]);
}

/* A peer that sends more than we take must not fill our table. */
static void too_many_descriptors_are_closed(void **state)
{
    (void)state;
    enum { SENT = 20 };
    int pair[2], fds[SENT];
    char byte = 'x';
    size_t n;
    struct socket_passed passed;
    union {
        char bytes[CMSG_SPACE(SENT * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    assert_int_equal(socket_pair(pair), ERR_OK);
    for (int i = 0; i < SENT; i++)
        fds[i] = pair[0];
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    assert_int_equal(sendmsg(pair[0], &m, 0), 1);
    assert_int_equal(socket_receive_fd(pair[1], &byte, 1, &n, &passed), ERR_OK);
    assert_int_equal(passed.count, SOCKET_PASSED_MAX);
    int highest = passed.fds[0];
    for (size_t i = 0; i < passed.count; i++) {
        highest = passed.fds[i] > highest ? passed.fds[i] : highest;
        close(passed.fds[i]);
    }
    int next = dup(pair[0]);
    assert_true(next <= highest); /* nothing above is open */
    close(next);
    close(pair[0]);
    close(pair[1]);
}

static void waiting_ends(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(socket_wait(pair[0], false, 10), ERR_TIMEOUT);
    assert_int_equal(socket_wait(pair[0], true, 10), ERR_OK);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(socket_wait(pair[0], false, 10), ERR_OK);
    close(pair[0]);
    close(pair[1]);
}

/* A backlog that is full is waited for, and not for ever. */
static void a_full_backlog_times_out(void **state)
{
    (void)state;
    struct socket_address a = in_folder("busy");
    int listening = -1, fds[8], fd = -1;
    size_t count = 0;
    assert_int_equal(socket_listen(&a, 0, 0600, &listening), ERR_OK);
    enum err e = ERR_OK;
    while (count < 8 && (e = socket_connect_wait(&a, 30, &fd)) == ERR_OK)
        fds[count++] = fd;
    assert_int_equal(e, ERR_TIMEOUT);
    while (count > 0)
        close(fds[--count]);
    os_close(&listening);
    unlink(a.path);
}

static void own_addresses_have_the_loopback(void **state)
{
    (void)state;
    struct socket_address all[64], one;
    bool found = false;
    size_t count = socket_own_addresses(all, 64);
    for (size_t i = 0; i < count; i++)
        found = found || (all[i].ip_len == 4 && all[i].ip[0] == 127);
    assert_true(found);
    assert_int_equal(socket_own_addresses(&one, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(a_listener_is_found_at_its_port),
        cmocka_unit_test(a_stale_unix_socket_is_replaced_a_live_one_is_not),
        cmocka_unit_test(a_file_in_a_sockets_place_stays),
        cmocka_unit_test(descriptors_are_passed),
        cmocka_unit_test(bytes_are_looked_at_and_taken),
        cmocka_unit_test(too_many_descriptors_are_closed),
        cmocka_unit_test(only_a_socket_is_handed_over),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(a_full_backlog_times_out),
        cmocka_unit_test(own_addresses_have_the_loopback),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
