/* SPDX-License-Identifier: ISC */
/* Connections stand on loop_watch and the socket calls themselves instead of a library's streams: no request is allocated a write, nothing is
 * read twice to learn that there is no more, and what is thrown away after the last reply is ours to decide. */
#include "os/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "os/file.h"
#include "os/net_connection.h"
#include "os/socket_io.h"
#include "os/socket_sys.h"

#define WRITE_MAX (256 * 1024)
#define DRAIN_ROUNDS 64 /* reads of what came before a failed write */

void net_watch_update(struct net_connection *c)
{
    bool pending = net_write_pending(c) > 0;
    switch (c->phase) {
    case NET_CONNECTING:
        loop_watch_set(c->watch, false, true);
        break;
    case NET_OPEN:
        loop_watch_set(c->watch, !c->read_off, pending);
        break;
    case NET_ENDED:
    case NET_FLUSHING:
        loop_watch_set(c->watch, false, pending);
        break;
    case NET_LINGERING:
        loop_watch_set(c->watch, true, false);
        break;
    }
}

void net_ended(struct net_connection *c, enum err why)
{
    if (c->dead || (c->phase != NET_OPEN && c->phase != NET_CONNECTING))
        return;
    c->phase = NET_ENDED;
    c->ops->closed(c->ctx, why);
    if (!c->dead) /* most owners close here, which says all to the kernel in one call */
        net_watch_update(c);
}

static void free_connection(struct loop_task *task)
{
    free(LIST_ENTRY(task, struct net_connection, task));
}

static void destroy(struct net_connection *c)
{
    c->dead = true;
    loop_watch_close(&c->watch);
    loop_timer_close(&c->deadline);
    tls_session_close(&c->tls);
    buf_deinit(&c->out);
    os_close(&c->fd);
    c->task.call = free_connection;
    loop_free_later(c->loop, &c->task);
}

static void destroy_task(struct loop_task *task)
{
    destroy(LIST_ENTRY(task, struct net_connection, task));
}

static void deadline_over(void *ctx)
{
    destroy(ctx);
}

static bool has_deadline(struct net_connection *c)
{
    if (!c->deadline) {
        if (loop_timer_open(c->loop, deadline_over, c, &c->deadline) != ERR_OK)
            return false;
        loop_timer_start(c->deadline, c->close_within_ms);
    }
    return true;
}

/* Without this look, closing with unread input would make the kernel send a reset. Last words to what the peer has said this moment need none: it was all that
 * was there, and what comes after it comes too late for a look as well. */
static void flushed(struct net_connection *c)
{
    bool silent = c->peer_ended || (c->ending && c->read_all);
    ssize_t n = silent ? 0 : socket_recv(c->fd, c->loop->read_buffer, LOOP_READ_SIZE, MSG_DONTWAIT);
    if (n <= 0 || shutdown(c->fd, SHUT_WR) != 0 || !has_deadline(c)) {
        destroy(c);
        return;
    }
    c->phase = NET_LINGERING;
    net_watch_update(c);
}

static void linger_read(struct net_connection *c)
{
    ssize_t n = socket_recv(c->fd, c->loop->read_buffer, LOOP_READ_SIZE, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        destroy(c);
}

static void connect_ready(struct net_connection *c)
{
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
        failed = errno;
    if (failed) {
        c->write_failed = true;
        net_ended(c, os_err(failed));
        return;
    }
    c->phase = NET_OPEN;
    net_watch_update(c);
    if (c->ops->connected)
        c->ops->connected(c->ctx);
}

/* What the peer said before it went, such as a refusal in the middle of a message, is handed out before the failure. */
static void write_failed(struct net_connection *c, enum err why)
{
    for (int i = 0; i < DRAIN_ROUNDS && c->phase == NET_OPEN && !c->paused; i++) {
        if (!net_read_ready(c) || c->dead)
            break;
    }
    net_ended(c, c->handshaking ? ERR_TLS : why);
}

static void write_ready(struct net_connection *c)
{
    enum err e = net_write_flush(c);
    if (e == ERR_AGAIN)
        return;
    net_watch_update(c);
    if (c->phase == NET_FLUSHING) {
        if (e == ERR_OK)
            flushed(c);
        else
            destroy(c);
    } else if (e != ERR_OK) {
        write_failed(c, e);
    } else if (c->ops->drained && c->phase == NET_OPEN) {
        c->ops->drained(c->ctx);
    }
}

static void ready(void *ctx, bool readable, bool writable)
{
    struct net_connection *c = ctx;
    if (c->phase == NET_CONNECTING) {
        connect_ready(c);
        return;
    }
    if (readable && c->phase == NET_LINGERING) {
        linger_read(c);
    } else if (readable && c->phase == NET_OPEN) {
        c->read_off = c->paused && !c->handshaking;
        if (c->read_off)
            net_watch_update(c);
        else
            (void)net_read_ready(c);
    }
    if (!c->dead && writable && net_write_pending(c) > 0)
        write_ready(c);
}

static void tls_more(struct loop_task *task)
{
    struct net_connection *c = LIST_ENTRY(task, struct net_connection, task);
    if (c->tls_more)
        net_read_tls(c);
}

/* fd is the connection's, also on error. */
static enum err open_connection(struct loop *l, int fd, enum net_phase phase, struct net_connection **c_r)
{
    struct net_connection *c = malloc(sizeof(*c));
    if (c)
        *c = (struct net_connection){.loop = l, .fd = fd, .phase = phase};
    enum err e = c ? loop_watch_open(l, fd, ready, c, &c->watch) : ERR_NOMEM;
    if (e != ERR_OK) {
        free(c);
        os_close(&fd);
        return e;
    }
    loop_task_init(&c->task, tls_more);
    buf_init(&c->out, WRITE_MAX);
    net_watch_update(c);
    *c_r = c;
    return ERR_OK;
}

enum err net_accept(struct loop *l, int fd, const struct net_ops *ops, void *ctx, struct net_connection **c_r)
{
    struct net_connection *c;
    enum err e = open_connection(l, fd, NET_OPEN, &c);
    if (e != ERR_OK)
        return e;
    c->ops = ops;
    c->ctx = ctx;
    *c_r = c;
    return ERR_OK;
}

static enum err begin_connect(int fd, const struct net_route *route)
{
    struct sockaddr_storage at;
    socklen_t len;
    int on = 1;
    if (route->to->ip_len > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (route->source) {
        len = socket_address_to_sys(route->source, &at);
        /* The port is chosen at connect, when the whole pair of addresses is known: more connections fit. */
        if (route->source->ip_len > 0)
            (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, (const struct sockaddr *)&at, len) != 0)
            return os_err(errno);
    }
    len = socket_address_to_sys(route->to, &at);
    if (connect(fd, (const struct sockaddr *)&at, len) != 0 && errno != EINPROGRESS && errno != EINTR)
        return os_err(errno);
    return ERR_OK;
}

enum err net_connect(struct loop *l, const struct net_route *route, const struct net_ops *ops, void *ctx,
                     struct net_connection **c_r)
{
    struct net_connection *c;
    int fd = socket(socket_address_family(route->to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_err(errno);
    enum err e = begin_connect(fd, route);
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    e = open_connection(l, fd, NET_CONNECTING, &c);
    if (e != ERR_OK)
        return e;
    c->ops = ops;
    c->ctx = ctx;
    *c_r = c;
    return ERR_OK;
}

void net_close(struct net_connection **c)
{
    if (*c)
        destroy(*c);
    *c = NULL;
}

void net_close_after_write(struct net_connection **owned, int64_t timeout_ms)
{
    struct net_connection *c = *owned;
    *owned = NULL;
    if (!c)
        return;
    if (c->tls && !c->handshaking && !c->write_failed) {
        tls_session_shutdown(c->tls);
        if (net_write_tls_output(c) != ERR_OK)
            c->write_failed = true;
    }
    if (c->phase == NET_CONNECTING || c->write_failed) {
        destroy(c);
        return;
    }
    c->phase = NET_FLUSHING;
    c->close_within_ms = timeout_ms;
    c->task.call = destroy_task;
    loop_adopt(c->loop, &c->task);
    if (net_write_pending(c) == 0)
        flushed(c);
    else if (has_deadline(c))
        net_watch_update(c);
    else
        destroy(c);
}

void net_pause(struct net_connection *c, bool pause)
{
    c->paused = pause;
    if (pause || c->phase != NET_OPEN)
        return;
    if (c->read_off) {
        c->read_off = false;
        net_watch_update(c);
    }
    if (c->tls_more)
        loop_soon(c->loop, &c->task);
}

int net_fd(const struct net_connection *c)
{
    return c->fd;
}
