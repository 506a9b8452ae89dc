/* SPDX-License-Identifier: ISC */
#include "os/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "os/file.h"
#include "os/process.h"

#define FIRST_FD 3

enum err os_passed_count(const char *for_pid, const char *fds, uint32_t pid, size_t *count_r)
{
    uint64_t whose = 0, count = 0;
    if (!for_pid || !fds) {
        *count_r = 0;
        return ERR_OK;
    }
    enum err e = slice_to_u64(slice_str(for_pid), UINT32_MAX, &whose);
    if (e == ERR_OK)
        e = slice_to_u64(slice_str(fds), INT32_MAX, &count);
    if (e != ERR_OK)
        return ERR_SYNTAX;
    if (whose != pid)
        count = 0;
    if (count > OS_PASSED_MAX)
        return ERR_LIMIT;
    *count_r = (size_t)count;
    return ERR_OK;
}

slice os_passed_name(slice names, size_t n)
{
    slice name = SLICE_NONE;
    for (size_t i = 0; i <= n; i++) {
        if (names.len == 0)
            return SLICE_NONE;
        (void)slice_cut(names, ':', &name, &names);
    }
    return name;
}

static bool option_is(int fd, int level, int option, int wanted)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, level, option, &value, &size) == 0 && value == wanted;
}

/* What a socket of ours would be, or why it is not. */
static const char *fault_of(int fd, const struct socket_address *a)
{
    if (!option_is(fd, SOL_SOCKET, SO_TYPE, SOCK_STREAM) || !option_is(fd, SOL_SOCKET, SO_ACCEPTCONN, 1))
        return "is no stream socket that listens: use ListenStream= and Accept=no";
    if (a->ip_len == 0 && a->path[0] == 0)
        return "has no address that thurn can listen on";
    if (a->ip_len == 16 && !option_is(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return "takes IPv4 as well: set BindIPv6Only=ipv6-only, and give 0.0.0.0 a ListenStream= of its own";
    return NULL;
}

static enum err take(struct os_passed *p, int fd, slice name, buf *why)
{
    int on = 1;
    *p = (struct os_passed){.fd = fd};
    if (name.len >= sizeof p->name)
        name.len = sizeof p->name - 1;
    if (name.len > 0)
        memcpy(p->name, name.ptr, name.len);
    enum err e = socket_local_address(fd, &p->address);
    const char *fault = e == ERR_OK ? fault_of(fd, &p->address) : "is no socket";
    if (fault) {
        buf_printf(why, "descriptor %d from the service manager %s\n", fd, fault);
        return ERR_SYNTAX;
    }
    if (p->address.ip_len > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return ERR_OK;
    e = os_err(errno);
    buf_printf(why, "descriptor %d from the service manager: %s\n", fd, err_text(e));
    return e;
}

enum err os_passed_take(struct os_passed *list, size_t *count_r, buf *why)
{
    size_t count = 0;
    const char *names = getenv("LISTEN_FDNAMES");
    enum err e = os_passed_count(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), process_pid(), &count);
    if (e == ERR_LIMIT)
        buf_printf(why, "the service manager passes more than %d sockets\n", OS_PASSED_MAX);
    else if (e != ERR_OK)
        buf_printf(why, "LISTEN_PID and LISTEN_FDS are no numbers\n");
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = take(&list[i], FIRST_FD + (int)i, names ? os_passed_name(slice_str(names), i) : SLICE_NONE, why);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (e == ERR_OK)
        *count_r = count;
    return e;
}
