/* SPDX-License-Identifier: ISC */
/* One channel: a stream socket to one peer whose kind is known, with frames gathered to one write. Knows no loop: the master polls it, the hub puts it on a loop. What the socket does not
 * take waits in memory without a bound of its own: whoever sends watches ipc_channel_pending and slows its sources. */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include "ipc/message.h"

struct ipc_channel;

/* fd is the channel's now. */
must_check enum err ipc_channel_open(int fd, enum process_kind self, enum process_kind peer,
                                     struct ipc_channel **channel_r);
void ipc_channel_close(struct ipc_channel **c);
int ipc_channel_fd(const struct ipc_channel *c);
/* Encodes into the out-buffer. m->fd (or -1) is duplicated by the kernel at flush and closed here afterwards. Not permitted: assert. */
void ipc_channel_send(struct ipc_channel *c, const struct ipc_message *m);
/* ERR_OK: all is written; ERR_AGAIN: some waits; ERR_CLOSED and the like: the peer is gone. */
must_check enum err ipc_channel_flush(struct ipc_channel *c);
size_t ipc_channel_pending(const struct ipc_channel *c);
/* Reads what is there (at most 1 MiB) and calls for each frame. A descriptor that comes along belongs to the callback. ERR_AGAIN: fine, nothing more now; ERR_CLOSED; ERR_SYNTAX: malformed or not permitted (logged with the message's number and peer). The callback may not close the channel. */
must_check enum err ipc_channel_read(struct ipc_channel *c, void (*message)(void *ctx, const struct ipc_message *m),
                                     void *ctx);

#endif
