/* SPDX-License-Identifier: ISC */
/* All channels of one child process on its loop: the control channel to the master, and the peers that the master introduces. Frames that were sent in a turn go out at its end, one write a
 * channel. The control channel's EOF means that the master is gone: ops.master_gone, after which the child ends. */
#ifndef IPC_HUB_H
#define IPC_HUB_H

#include "ipc/channel.h"
#include "os/os.h"

struct ipc_hub;

struct hub_peer {
    enum process_kind kind;
    uint32_t process; /* never used again for another child */
    uint32_t slot;
    uint32_t generation;
    void *user; /* the owner's, NULL at peer_up */
    bool up;    /* the channel works */
};

/* Any may be NULL. None may close the hub. */
struct ipc_hub_ops {
    void (*peer_up)(void *ctx, struct hub_peer *p);
    /* The channel broke, or the master told of the death: dead says that waitpid has confirmed it. Called at most once with dead false, then once with dead true; p is freed after that. */
    void (*peer_down)(void *ctx, struct hub_peer *p, bool dead);
    /* p is NULL for the master. */
    void (*message)(void *ctx, struct hub_peer *p, const struct ipc_message *m);
    void (*drain)(void *ctx, int64_t limit_ms);
    void (*settled)(void *ctx); /* all peers that lived when this child started have been introduced */
    /* Or a peer could not be taken up, as without descriptors: either way this child ends. */
    void (*master_gone)(void *ctx);
};

/* Who this process is, and its socket to the master, which is the hub's on success. */
struct ipc_hub_self {
    enum process_kind kind;
    int control_fd;
};
must_check enum err ipc_hub_open(struct loop *loop, struct ipc_hub_self self, const struct ipc_hub_ops *ops, void *ctx,
                                 struct ipc_hub **hub_r);
/* What ends after its hub need not ask whether it is there: a hub that is NULL knows nobody, has nothing pending, and what is sent to it goes nowhere. */
void ipc_hub_close(struct ipc_hub **h);
/* To a peer, or to the master (p NULL). To a peer that is down: dropped. */
void ipc_hub_send(struct ipc_hub *h, struct hub_peer *p, const struct ipc_message *m);
/* For a question whose answer the caller cannot go on without: writes what waits for the peer, waits until something has come from it, and hands that to ops.message, which it may do while the caller is in another one of the
 * ops, not in one for this peer. ERR_TIMEOUT: nothing came; ERR_CLOSED: it is down. */
must_check enum err ipc_hub_wait(struct ipc_hub *h, struct hub_peer *p, int64_t timeout_ms);
/* Writes what waits, for at most timeout_ms in all: before a process ends. */
void ipc_hub_flush(struct ipc_hub *h, int64_t timeout_ms);
/* Stops reading from a peer, and goes on: so that its process, seeing what waits for it, slows down. */
void ipc_hub_pause(struct ipc_hub *h, struct hub_peer *p, bool pause);
/* Bytes that wait for the peer, or for the master (p NULL). */
size_t ipc_hub_pending(const struct ipc_hub *h, const struct hub_peer *p);
/* The newest peer of this kind that is up (highest generation), or NULL. */
struct hub_peer *ipc_hub_find(const struct ipc_hub *h, enum process_kind kind);
/* Iteration; NULL at the end. */
struct hub_peer *ipc_hub_next(const struct ipc_hub *h, const struct hub_peer *after);

#endif
