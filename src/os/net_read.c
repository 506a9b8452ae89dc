/* SPDX-License-Identifier: ISC */
#include "os/net_connection.h"

#include <errno.h>
#include <sys/socket.h>

#include "os/file.h"
#include "os/socket_io.h"

/* An end in the middle of a handshake is a failure of TLS: the sender may try again without. */
static enum err end_of(const struct net_connection *c, enum err e)
{
    return c->handshaking ? ERR_TLS : e;
}

/* An alert for the peer may be among the output; whether it arrives changes nothing. */
static void tls_fails(struct net_connection *c, enum err why)
{
    enum err e = net_write_tls_output(c);
    (void)e;
    net_ended(c, why);
}

void net_read_tls(struct net_connection *c)
{
    c->tls_more = false;
    while (!c->dead && c->phase == NET_OPEN) {
        if (c->paused) {
            c->tls_more = true;
            return;
        }
        size_t got = 0;
        enum err e = tls_session_read(c->tls, c->loop->read_buffer, LOOP_READ_SIZE, &got);
        if (e == ERR_OK)
            c->ops->data(c->ctx, slice_of(c->loop->read_buffer, got));
        else if (e != ERR_AGAIN)
            tls_fails(c, e);
        else if (net_write_tls_output(c) != ERR_OK) /* a new ticket, a key update */
            net_ended(c, ERR_CLOSED);
        if (e != ERR_OK)
            return;
    }
}

static void cipher_came(struct net_connection *c, slice in)
{
    enum err e = tls_session_feed(c->tls, in);
    if (e == ERR_OK && c->handshaking) {
        e = net_handshake(c);
        if (e == ERR_AGAIN)
            return;
        if (e == ERR_OK && c->ops->secured)
            c->ops->secured(c->ctx);
    }
    if (c->dead)
        return;
    if (e != ERR_OK)
        tls_fails(c, e);
    else
        net_read_tls(c);
}

bool net_read_ready(struct net_connection *c)
{
    ssize_t n;
    if (c->tls_more) {
        net_read_tls(c); /* what came before the end that may be seen now */
        if (c->dead || c->phase != NET_OPEN || c->paused)
            return false;
    }
    do
        n = socket_recv(c->fd, c->loop->read_buffer, LOOP_READ_SIZE, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        c->peer_ended = true;
        net_ended(c, end_of(c, n == 0 ? ERR_CLOSED : os_err(errno)));
        return false;
    }
    slice in = slice_of(c->loop->read_buffer, (size_t)n);
    c->read_all = in.len < LOOP_READ_SIZE;
    if (c->tls)
        cipher_came(c, in);
    else
        c->ops->data(c->ctx, in);
    c->read_all = false;
    return true;
}
