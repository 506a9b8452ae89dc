/* SPDX-License-Identifier: ISC */
#include "os/socket.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/file.h"

union control {
    char bytes[CMSG_SPACE(SOCKET_PASSED_MAX * sizeof(int))];
    struct cmsghdr align;
};

/* A descriptor travels with a byte; without data it would be lost. */
enum err socket_send_fd(int fd, slice data, int passed, size_t *sent_r)
{
    assert(data.len > 0);
    union control control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data.ptr, .iov_len = data.len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (passed >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &passed, sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return os_err(errno);
    *sent_r = (size_t)n;
    return ERR_OK;
}

/* What the control bytes have no room for the kernel closes itself. */
static void take_descriptors(struct msghdr *m, struct socket_passed *passed)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && passed->count < SOCKET_PASSED_MAX; i++)
            memcpy(&passed->fds[passed->count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
}

enum err socket_receive_fd(int fd, void *out, size_t size, size_t *got_r, struct socket_passed *passed_r)
{
    union control control;
    struct socket_passed passed = {.count = 0};
    struct iovec iov = {.iov_base = out, .iov_len = size};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return os_err(errno);
    take_descriptors(&m, &passed);
    if (n == 0) {
        while (passed.count > 0)
            close(passed.fds[--passed.count]);
        return ERR_CLOSED;
    }
    *got_r = (size_t)n;
    *passed_r = passed;
    return ERR_OK;
}

static enum err receive(int fd, void *out, size_t size, int flags, size_t *got_r)
{
    ssize_t n;
    do
        n = recv(fd, out, size, flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return os_err(errno);
    if (n == 0)
        return ERR_CLOSED;
    *got_r = (size_t)n;
    return ERR_OK;
}

enum err socket_peek(int fd, void *out, size_t size, size_t *got_r)
{
    return receive(fd, out, size, MSG_PEEK, got_r);
}

enum err socket_take(int fd, void *out, size_t size, size_t *got_r)
{
    return receive(fd, out, size, 0, got_r);
}
