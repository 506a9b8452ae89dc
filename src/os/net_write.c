/* SPDX-License-Identifier: ISC */
#include "os/net_connection.h"

#include <errno.h>
#include <sys/socket.h>

#include "os/file.h"
#include "os/socket_io.h"

/* Sends what the kernel takes; ERR_AGAIN when it does not take all. */
static enum err send_some(const struct net_connection *c, slice *data)
{
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (c->ending ? MSG_MORE : 0);
    while (data->len > 0) {
        ssize_t n = socket_send(c->fd, data->ptr, data->len, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_err(errno);
        *data = slice_skip(*data, (size_t)n);
    }
    return ERR_OK;
}

static void write_fails(struct net_connection *c)
{
    c->write_failed = true;
    buf_release(&c->out);
    c->out_at = 0;
}

static enum err keep(struct net_connection *c, slice data)
{
    if (c->out_at > 0) {
        buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
    buf_append(&c->out, data);
    if (buf_ok(&c->out))
        return ERR_OK;
    write_fails(c);
    return ERR_LIMIT;
}

enum err net_write_raw(struct net_connection *c, slice data)
{
    if (c->write_failed)
        return ERR_CLOSED;
    bool waiting = net_write_pending(c) > 0;
    if (!waiting && c->phase != NET_CONNECTING) {
        enum err e = send_some(c, &data);
        if (e == ERR_OK)
            return ERR_OK;
        if (e != ERR_AGAIN) {
            write_fails(c);
            return ERR_CLOSED;
        }
    }
    enum err e = keep(c, data);
    if (!waiting || e != ERR_OK)
        net_watch_update(c);
    return e;
}

enum err net_write_tls_output(struct net_connection *c)
{
    buf *cipher = &c->loop->cipher;
    buf_clear(cipher);
    tls_session_output(c->tls, cipher);
    if (!buf_ok(cipher)) {
        write_fails(c);
        return ERR_LIMIT;
    }
    enum err e = cipher->len > 0 ? net_write_raw(c, buf_slice(cipher)) : ERR_OK;
    if (cipher->cap > 4 * (size_t)LOOP_READ_SIZE)
        buf_release(cipher);
    return e;
}

enum err net_write(struct net_connection *c, slice data)
{
    if (c->write_failed)
        return ERR_CLOSED;
    if (data.len == 0)
        return ERR_OK;
    if (!c->tls)
        return net_write_raw(c, data);
    if (c->handshaking)
        return ERR_CLOSED;
    if (tls_session_write(c->tls, data) != ERR_OK) {
        write_fails(c);
        return ERR_CLOSED;
    }
    return net_write_tls_output(c);
}

enum err net_write_last(struct net_connection *c, slice data)
{
    c->ending = true;
    return net_write(c, data);
}

enum err net_write_flush(struct net_connection *c)
{
    slice rest = slice_skip(buf_slice(&c->out), c->out_at);
    enum err e = send_some(c, &rest);
    if (e == ERR_AGAIN) {
        c->out_at = c->out.len - rest.len;
    } else if (e == ERR_OK) {
        buf_release(&c->out);
        c->out_at = 0;
    } else {
        write_fails(c);
    }
    return e;
}

size_t net_write_pending(const struct net_connection *c)
{
    return c->out.len - c->out_at;
}

void net_write_max(struct net_connection *c, size_t max)
{
    c->out.max = max;
}
