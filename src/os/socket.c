/* SPDX-License-Identifier: ISC */
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/socket_sys.h"

#define STREAM_FLAGS (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

/* A socket in a unix address's place that refuses connections was left behind by a dead process. */
static bool stale(const struct sockaddr_storage *at, socklen_t len)
{
    struct stat st;
    const struct sockaddr_un *un = (const struct sockaddr_un *)at;
    if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, STREAM_FLAGS, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)at, len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* The umask is set aside for the instant of the bind, so that the socket is born with its mode and is never wider. */
static enum err bind_unix(int fd, const struct sockaddr_storage *at, socklen_t len, unsigned mode)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)at;
    if (fchmod(fd, mode) != 0)
        return os_err(errno);
    mode_t mask = umask(0);
    int done = bind(fd, (const struct sockaddr *)at, len);
    if (done != 0 && errno == EADDRINUSE && stale(at, len) && unlink(un->sun_path) == 0)
        done = bind(fd, (const struct sockaddr *)at, len);
    enum err e = done == 0 ? ERR_OK : os_err(errno);
    umask(mask);
    return e;
}

/* Accepted sockets inherit TCP_NODELAY, which saves a call a connection. */
static enum err bind_ip(int fd, const struct sockaddr_storage *at, socklen_t len)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return os_err(errno);
    if (at->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
        return os_err(errno);
    return bind(fd, (const struct sockaddr *)at, len) == 0 ? ERR_OK : os_err(errno);
}

enum err socket_listen(const struct socket_address *a, int backlog, unsigned mode, int *fd_r)
{
    struct sockaddr_storage at;
    socklen_t len = socket_address_to_sys(a, &at);
    int fd = socket(at.ss_family, STREAM_FLAGS, 0);
    if (fd < 0)
        return os_err(errno);
    enum err e = at.ss_family == AF_UNIX ? bind_unix(fd, &at, len, mode) : bind_ip(fd, &at, len);
    if (e == ERR_OK && listen(fd, backlog) != 0)
        e = os_err(errno);
    if (e != ERR_OK)
        close(fd);
    else
        *fd_r = fd;
    return e;
}

enum err socket_give(const char *path, uint32_t uid, uint32_t gid)
{
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return os_err(errno);
    enum err e = fstat(fd, &st) == 0 ? ERR_OK : os_err(errno);
    if (e == ERR_OK && !S_ISSOCK(st.st_mode))
        e = ERR_CORRUPT;
    if (e == ERR_OK && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0)
        e = os_err(errno);
    close(fd);
    return e;
}

enum err socket_local_address(int fd, struct socket_address *a_r)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return os_err(errno);
    socket_address_from_sys(&at, len, a_r);
    return ERR_OK;
}

enum err socket_pair(int pair_r[2])
{
    int pair[2];
    if (socketpair(AF_UNIX, STREAM_FLAGS, 0, pair) != 0)
        return os_err(errno);
    pair_r[0] = pair[0];
    pair_r[1] = pair[1];
    return ERR_OK;
}

enum err socket_wait(int fd, bool write, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = write ? POLLOUT : POLLIN};
    int64_t end = os_now_ms() + timeout_ms;
    for (;;) {
        int64_t left = end - os_now_ms();
        int n = poll(&p, 1, left <= 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return os_err(errno);
        if (left <= 0)
            return ERR_TIMEOUT;
    }
}

/* A unix socket whose backlog is full answers EAGAIN at once and tells nobody when there is room: so it is asked again. */
static enum err connect_bounded(int fd, const struct sockaddr_storage *at, socklen_t len, int64_t timeout_ms)
{
    int64_t end = os_now_ms() + timeout_ms;
    while (connect(fd, (const struct sockaddr *)at, len) != 0) {
        if (errno == EINPROGRESS)
            break;
        if (errno != EAGAIN && errno != EINTR)
            return os_err(errno);
        if (os_now_ms() >= end)
            return ERR_TIMEOUT;
        (void)poll(NULL, 0, 10);
    }
    enum err e = socket_wait(fd, true, end - os_now_ms());
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (e == ERR_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
        e = os_err(errno);
    return e != ERR_OK ? e : os_err(failed);
}

static enum err bind_source(int fd, const struct socket_address *source)
{
    struct sockaddr_storage at;
    socklen_t len = socket_address_to_sys(source, &at);
    return bind(fd, (const struct sockaddr *)&at, len) == 0 ? ERR_OK : os_err(errno);
}

enum err socket_connect_wait(const struct socket_address *a, int64_t timeout_ms, int *fd_r)
{
    return socket_connect_wait_from(a, NULL, timeout_ms, fd_r);
}

enum err socket_connect_wait_from(const struct socket_address *a, const struct socket_address *source,
                                  int64_t timeout_ms, int *fd_r)
{
    struct sockaddr_storage at;
    int on = 1;
    socklen_t len = socket_address_to_sys(a, &at);
    int fd = socket(at.ss_family, STREAM_FLAGS, 0);
    if (fd < 0)
        return os_err(errno);
    /* Who writes a command and its data one after the other would wait for the other side's delayed ACK. */
    if (at.ss_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    enum err e = source ? bind_source(fd, source) : ERR_OK;
    if (e == ERR_OK)
        e = connect_bounded(fd, &at, len, timeout_ms);
    if (e != ERR_OK)
        close(fd);
    else
        *fd_r = fd;
    return e;
}

enum err socket_peer_user(int fd, uint32_t *uid_r, uint32_t *pid_r)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return os_err(errno);
    *uid_r = who.uid;
    *pid_r = (uint32_t)who.pid;
    return ERR_OK;
}
