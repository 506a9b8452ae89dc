/* SPDX-License-Identifier: ISC */
/* Each case is a process of its own with its sockets at descriptor 3, as the service manager leaves them; it exits with 0 when it saw what it should. */
#include "os/os.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void o11_count_of_passed_sockets(void **state)
{
    (void)state;
    static const struct {
        const char *pid, *fds;
        enum err e;
        size_t count;
    } rows[] = {
        {NULL, NULL, ERR_OK, 0},     {NULL, "1", ERR_OK, 0},       {"7", NULL, ERR_OK, 0},
        {"7", "2", ERR_OK, 2},       {"8", "2", ERR_OK, 0},        {"7", "64", ERR_OK, 64},
        {"7", "65", ERR_LIMIT, 99},  {"", "1", ERR_SYNTAX, 99},    {"7", "-1", ERR_SYNTAX, 99},
        {"7", "2 ", ERR_SYNTAX, 99}, {"0x7", "2", ERR_SYNTAX, 99}, {"7", "99999999999", ERR_SYNTAX, 99},
        {"8", "1000000", ERR_OK, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t count = 99;
        enum err e = os_passed_count(rows[i].pid, rows[i].fds, 7, &count);
        if (e != rows[i].e || count != rows[i].count)
            fail_msg("row %zu: %s, %zu", i, err_text(e), count);
    }
}

static void o11_names_of_passed_sockets(void **state)
{
    (void)state;
    static const struct {
        slice names;
        size_t n;
        slice name;
    } rows[] = {
        {SLICE(""), 0, SLICE("")},         {SLICE("mx"), 0, SLICE("mx")},
        {SLICE("mx"), 1, SLICE("")},       {SLICE("mx:submission:lmtp"), 1, SLICE("submission")},
        {SLICE("mx::lmtp"), 1, SLICE("")}, {SLICE("mx::lmtp"), 2, SLICE("lmtp")},
        {SLICE("mx:"), 5, SLICE("")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        slice name = os_passed_name(rows[i].names, rows[i].n);
        if (!slice_equal(name, rows[i].name))
            fail_msg("row %zu: %.*s", i, SLICE_ARG(name));
    }
}

/* A listening TCP socket that becomes descriptor fd. */
static void listen_at(int fd, int family, int type, bool listening, bool only)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    int value = only;
    int s = socket(family, type, 0);
    if (s < 0 || (family == AF_INET6 && setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof value) != 0))
        _exit(90);
    int done =
        family == AF_INET ? bind(s, (struct sockaddr *)&in, sizeof in) : bind(s, (struct sockaddr *)&in6, sizeof in6);
    if (done != 0 || (listening && listen(s, 1) != 0))
        _exit(91);
    if (s != fd && (dup2(s, fd) != fd || close(s) != 0))
        _exit(92);
}

static void announce(const char *count, const char *names)
{
    char pid[20];
    (void)snprintf(pid, sizeof pid, "%u", process_pid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", names, 1);
}

static int two_good_ones(void)
{
    struct os_passed list[OS_PASSED_MAX];
    size_t count = 0;
    buf why;
    buf_init(&why, 1000);
    listen_at(3, AF_INET, SOCK_STREAM, true, false);
    listen_at(4, AF_INET, SOCK_STREAM, true, false);
    announce("2", "mx:a name that is much longer than any that this program knows, and more than its place has");
    if (os_passed_take(list, &count, &why) != ERR_OK || count != 2 || why.len != 0)
        return 1;
    if (list[0].fd != 3 || list[1].fd != 4 || list[0].address.ip_len != 4 || list[0].address.port == 0)
        return 2;
    if (strcmp(list[0].name, "mx") != 0 || strlen(list[1].name) != OS_PASSED_NAME_MAX - 1)
        return 3;
    if (!(fcntl(3, F_GETFD) & FD_CLOEXEC) || !(fcntl(3, F_GETFL) & O_NONBLOCK))
        return 4;
    if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
        return 5;
    return os_passed_take(list, &count, &why) == ERR_OK && count == 0 ? 0 : 6;
}

static int refused(const char *words)
{
    struct os_passed list[OS_PASSED_MAX];
    size_t count = 99;
    buf why;
    buf_init(&why, 1000);
    announce("1", "");
    if (os_passed_take(list, &count, &why) != ERR_SYNTAX || count != 99)
        return 1;
    return slice_find(buf_slice(&why), slice_str(words)) >= 0 ? 0 : 2;
}

static int datagrams(void)
{
    listen_at(3, AF_INET, SOCK_DGRAM, false, false);
    return refused("no stream socket that listens");
}

static int not_listening(void)
{
    listen_at(3, AF_INET, SOCK_STREAM, false, false);
    return refused("no stream socket that listens");
}

static int both_families(void)
{
    listen_at(3, AF_INET6, SOCK_STREAM, true, false);
    return refused("BindIPv6Only=ipv6-only");
}

static int no_socket(void)
{
    if (dup2(0, 3) != 3)
        return 99;
    return refused("is no socket");
}

static void o11_takes_sockets_over(void **state)
{
    (void)state;
    static int (*const cases[])(void) = {two_good_ones, datagrams, not_listening, both_families, no_socket};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = -1, pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(cases[i]());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
            fail_msg("case %zu: %d", i, process_status_code(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(o11_count_of_passed_sockets),
        cmocka_unit_test(o11_names_of_passed_sockets),
        cmocka_unit_test(o11_takes_sockets_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
