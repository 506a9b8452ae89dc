/* SPDX-License-Identifier: ISC */
/* The face of the room ipc: messages between processes. One table (ipc/tables/messages.h) gives every message's name, who may send it to whom and its typed fields; structs,
 * codec and the permission check come from it. A malformed, unknown or not permitted frame closes that channel and is never fatal to the process that got it. Other
 * rooms include this header only. */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include "ipc/channel.h"
#include "ipc/hub.h"
#include "ipc/message.h"

#endif
