/* SPDX-License-Identifier: ISC */
#include "os/wait.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "os/file.h"
#include "os/path.h"

#define WAIT_MAX 1024

enum err os_wait(struct os_wait *w, size_t count, int64_t timeout_ms)
{
    struct pollfd fds[WAIT_MAX];
    assert(count <= WAIT_MAX);
    for (size_t i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = w[i].fd};
        fds[i].events = (short)((w[i].read ? POLLIN : 0) | (w[i].write ? POLLOUT : 0));
        w[i].readable = w[i].writable = false;
    }
    int timeout = timeout_ms < 0 ? -1 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    int n = poll(fds, count, timeout);
    if (n < 0 && errno != EINTR)
        return os_err(errno);
    if (n <= 0)
        return ERR_TIMEOUT;
    for (size_t i = 0; i < count; i++) {
        bool over = (fds[i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        w[i].readable = over || (fds[i].revents & POLLIN);
        w[i].writable = over || (fds[i].revents & POLLOUT);
    }
    return ERR_OK;
}

enum err os_signals_open(const int *signals, size_t count, int *fd_r)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return os_err(errno);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return os_err(errno);
    *fd_r = fd;
    return ERR_OK;
}

int os_signals_next(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

bool os_writable(slice path)
{
    struct os_path p;
    return os_path_set(&p, path) == ERR_OK && access(p.text, W_OK | X_OK) == 0;
}
