/* SPDX-License-Identifier: ISC */
/* Connections of the loop: accepting, connecting, reading, writing, TLS on top. A connection's callbacks say what happened; its owner closes it, in a callback too.
 * Reads go into one buffer of the loop, handed out as a slice that lives for the callback: the owner copies what it does not use and pauses. Writes are tried at
 * once; what the kernel does not take is copied, up to write_max, above which the connection fails. An idle connection keeps no buffer. */
#ifndef OS_NET_H
#define OS_NET_H

#include "os/loop.h"
#include "os/socket.h"
#include "os/tls.h"

struct net_listener;
struct net_connection;

struct net_ops {
    void (*data)(void *ctx, slice in);
    void (*drained)(void *ctx);   /* after a write that had to wait: everything is with the kernel */
    void (*connected)(void *ctx); /* net_connect succeeded (TCP); not called for accepted ones */
    void (*secured)(void *ctx);   /* a TLS handshake is done */
    void (*closed)(
        void *ctx,
        enum err
            why); /* ERR_CLOSED: orderly EOF (for TLS: close_notify or EOF; nothing in plaintext is read after it); else the failure. The owner still calls net_close */
};

/* Takes over a listening descriptor that stays open after net_listener_close (the master's). The callback gets an accepted descriptor and owns it. Accepts at most 64 a turn. On EMFILE it pauses for 100 ms. */
must_check enum err net_listen(struct loop *l, int fd,
                               void (*accepted)(void *ctx, int fd, const struct socket_address *peer), void *ctx,
                               struct net_listener **listener_r);
void net_listener_pause(struct net_listener *n, bool pause);
void net_listener_close(struct net_listener **n);

/* An accepted descriptor as a connection (the descriptor is the connection's now, also on error). Reads at once. */
must_check enum err net_accept(struct loop *l, int fd, const struct net_ops *ops, void *ctx,
                               struct net_connection **c_r);
struct net_route {
    const struct socket_address *to;
    const struct socket_address *source; /* NULL: the kernel chooses */
};
/* Begins to connect; connected or closed follows, unless it fails at once: ERR_UNREACHABLE and the like. */
must_check enum err net_connect(struct loop *l, const struct net_route *route, const struct net_ops *ops, void *ctx,
                                struct net_connection **c_r);
void net_close(struct net_connection **c);
/* Writes out what waits for at most timeout_ms, then closes; the owner forgets it now. For the last reply of a session. TLS says close_notify. */
void net_close_after_write(struct net_connection **c, int64_t timeout_ms);

/* The callback `data` stops / goes on. A paused connection does not notice EOF. */
void net_pause(struct net_connection *c, bool pause);
/* ERR_CLOSED, ERR_LIMIT (write_max). data is copied where it must wait. */
must_check enum err net_write(struct net_connection *c, slice data);
/* The same for the very last words: net_close_after_write must follow now, and takes them along, in one packet with the end. */
must_check enum err net_write_last(struct net_connection *c, slice data);
/* Bytes that wait for the kernel. */
size_t net_write_pending(const struct net_connection *c);
void net_write_max(struct net_connection *c, size_t max); /* default 256 KiB */

/* Handshakes; from here on data and write are the plaintext inside. The handshake has no deadline here: the owner's timer rules. */
must_check enum err net_start_tls_server(struct net_connection *c, const struct tls_server *t);
/* name: for SNI and verification. */
must_check enum err net_start_tls_client(struct net_connection *c, const struct tls_client *t, slice name);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", lives as long as the connection; empty without TLS. */
slice net_tls_text(const struct net_connection *c);
/* The peer's certificate chain and name were valid (client side). */
bool net_tls_verified(const struct net_connection *c);
/* See tls_session_binding and tls_session_client_mails; false and nothing without TLS. */
bool net_tls_binding(const struct net_connection *c, uint8_t binding[TLS_BINDING_SIZE]);
void net_tls_client_mails(const struct net_connection *c, buf *out);
/* Why the handshake failed, in one line; empty if it did not. */
slice net_tls_error(const struct net_connection *c);
int net_fd(const struct net_connection *c);

#endif
