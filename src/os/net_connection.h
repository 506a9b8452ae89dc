/* SPDX-License-Identifier: ISC */
/* Inside the room only: the state of a connection, shared by the files of os/net. net.c opens and closes, net_read.c brings in,
 * net_write.c puts out, net_secure.c begins TLS. Callbacks are made from the loop only, never from inside a call of the
 * owner; after each callback `dead` tells whether the owner closed the connection meanwhile. The memory outlives that until
 * the end of the turn. */
#ifndef OS_NET_CONNECTION_H
#define OS_NET_CONNECTION_H

#include "os/loop_state.h"
#include "os/net.h"

enum net_phase {
    NET_CONNECTING,
    NET_OPEN,
    NET_ENDED,    /* `closed` was called: nothing is read any more */
    NET_FLUSHING, /* the owner is gone, the output is not */
    NET_LINGERING /* all is out; what the peer still sends is thrown away, so that the kernel does not answer it with a reset, which could overtake the last reply */
};

struct net_connection {
    struct loop_task task; /* plaintext is left in TLS; the owner is gone; to be freed */
    struct loop *loop;
    struct loop_watch *watch;
    const struct net_ops *ops;
    void *ctx;
    struct tls_session *tls;
    struct loop_timer *deadline; /* of NET_FLUSHING and NET_LINGERING */
    int64_t close_within_ms;
    buf out; /* waits for the kernel, from out_at on */
    size_t out_at;
    int fd;
    enum net_phase phase;
    bool paused;
    bool read_off; /* paused, and the kernel's poll knows it */
    bool handshaking;
    bool tls_more; /* a pause may have left plaintext in the session */
    bool write_failed;
    bool ending;     /* what is written waits in the kernel for the end of the stream */
    bool peer_ended; /* nothing more can come */
    bool read_all;   /* the owner is being handed what came last, and the kernel had no more */
    bool dead;
};

/* Tells the kernel's poll what the state wants. */
void net_watch_update(struct net_connection *c);
/* The one way to `closed`; later calls do nothing. */
void net_ended(struct net_connection *c, enum err why);

/* Reads once and hands it out; false when there was nothing, or the end. */
bool net_read_ready(struct net_connection *c);
/* Hands out plaintext that is in the TLS session. */
void net_read_tls(struct net_connection *c);

/* Bytes as they go to the kernel. */
must_check enum err net_write_raw(struct net_connection *c, slice data);
/* What the TLS session has to say. */
must_check enum err net_write_tls_output(struct net_connection *c);
/* ERR_OK when nothing waits any more, ERR_AGAIN; other errors set write_failed. */
must_check enum err net_write_flush(struct net_connection *c);

/* One step; ERR_AGAIN when the peer must speak, ERR_TLS. */
must_check enum err net_handshake(struct net_connection *c);

#endif
