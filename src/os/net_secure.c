/* SPDX-License-Identifier: ISC */
#include "os/net_connection.h"

enum err net_handshake(struct net_connection *c)
{
    enum err e = tls_session_handshake(c->tls);
    if (e != ERR_OK && e != ERR_AGAIN)
        return ERR_TLS;
    if (net_write_tls_output(c) != ERR_OK)
        return ERR_TLS;
    c->handshaking = e == ERR_AGAIN;
    return e;
}

static enum err begin(struct net_connection *c)
{
    c->handshaking = true;
    enum err e = net_handshake(c);
    if (c->read_off) {
        c->read_off = false;
        net_watch_update(c);
    }
    return e == ERR_AGAIN ? ERR_OK : e;
}

enum err net_start_tls_server(struct net_connection *c, const struct tls_server *t)
{
    if (c->tls || c->phase != NET_OPEN)
        return ERR_CLOSED;
    enum err e = tls_session_open_server(t, &c->tls);
    return e == ERR_OK ? begin(c) : e;
}

enum err net_start_tls_client(struct net_connection *c, const struct tls_client *t, slice name)
{
    if (c->tls || c->phase != NET_OPEN)
        return ERR_CLOSED;
    enum err e = tls_session_open_client(t, name, &c->tls);
    return e == ERR_OK ? begin(c) : e;
}

slice net_tls_text(const struct net_connection *c)
{
    return c->tls && !c->handshaking ? tls_session_text(c->tls) : SLICE_NONE;
}

bool net_tls_verified(const struct net_connection *c)
{
    return c->tls && !c->handshaking && tls_session_verified(c->tls);
}

bool net_tls_binding(const struct net_connection *c, uint8_t binding[TLS_BINDING_SIZE])
{
    return c->tls && !c->handshaking && tls_session_binding(c->tls, binding);
}

void net_tls_client_mails(const struct net_connection *c, buf *out)
{
    if (c->tls && !c->handshaking)
        tls_session_client_mails(c->tls, out);
}

slice net_tls_error(const struct net_connection *c)
{
    slice text = c->tls ? tls_session_error(c->tls) : SLICE_NONE;
    if (text.len == 0 && c->handshaking && c->peer_ended)
        return SLICE("the peer closed the connection during the handshake");
    return text;
}
