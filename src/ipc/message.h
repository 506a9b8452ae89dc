/* SPDX-License-Identifier: ISC */
/* The messages as C values, made from ipc/tables/messages.h: for MESSAGE(job, ...) there is IPC_job in enum ipc_type and struct ipc_job, a member of the union. Byte
 * fields are slices into the frame that was read and live for the callback only. */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include "base/base.h"

enum process_kind {
    PROCESS_MASTER,
    PROCESS_RECEIVER,
    PROCESS_QUEUE,
    PROCESS_SENDER,
    PROCESS_DELIVER,
    PROCESS_LOOKUP,
    PROCESS_CONSOLE,
    PROCESS_COMMAND,
    PROCESS_KEYS,
    PROCESS_KIND_COUNT
};

/* "receiver"; lives for ever. */
const char *process_kind_name(enum process_kind k);

#define M_MASTER (1u << PROCESS_MASTER)
#define M_RECEIVER (1u << PROCESS_RECEIVER)
#define M_QUEUE (1u << PROCESS_QUEUE)
#define M_SENDER (1u << PROCESS_SENDER)
#define M_DELIVER (1u << PROCESS_DELIVER)
#define M_LOOKUP (1u << PROCESS_LOOKUP)
#define M_CONSOLE (1u << PROCESS_CONSOLE)
#define M_COMMAND (1u << PROCESS_COMMAND)
#define M_KEYS (1u << PROCESS_KEYS)
#define M_CHILDREN (M_RECEIVER | M_QUEUE | M_SENDER | M_DELIVER | M_LOOKUP | M_CONSOLE | M_KEYS)

enum ipc_type {
    IPC_NONE = 0,
#define MESSAGE(name, from, to) IPC_##name,
#include "ipc/tables/messages.h"
#undef MESSAGE
    IPC_TYPE_COUNT
};

#define IPC_C_u8 uint8_t
#define IPC_C_u16 uint16_t
#define IPC_C_u32 uint32_t
#define IPC_C_u64 uint64_t
#define IPC_C_i64 int64_t
#define IPC_C_bytes slice
#define IPC_C_secret slice /* wiped from our buffers after use, never printed */
#define IPC_FIELD(type, name) IPC_C_##type name;
#define MESSAGE(name, from, to)                                                                                        \
    struct ipc_##name {                                                                                                \
        FIELDS_##name(IPC_FIELD)                                                                                       \
    };
#include "ipc/tables/messages.h"
#undef MESSAGE
#undef IPC_FIELD

struct ipc_message {
    enum ipc_type type;
    int fd; /* a descriptor that came or goes with it, or -1 */
    union {
#define MESSAGE(name, from, to) struct ipc_##name name;
#include "ipc/tables/messages.h"
#undef MESSAGE
    } u;
};

#define IPC_FRAME_MAX (4u * 1024 * 1024)

/* Bytes of its frame. */
size_t ipc_message_size(const struct ipc_message *m);
/* Appends one frame: u32 length of what follows the first 8 bytes, u16 type, u8 1 when a descriptor goes along, u8 0; then the fields in order, bytes with a u32 length. */
void ipc_message_encode(buf *b, const struct ipc_message *m);
/* Reads one frame from the start of in: *used_r its length. ERR_AGAIN (not complete yet), ERR_SYNTAX. */
must_check enum err ipc_message_decode(slice in, struct ipc_message *m_r, size_t *used_r);
bool ipc_message_permitted(enum ipc_type type, enum process_kind from, enum process_kind to);
const char *ipc_message_name(enum ipc_type type);
/* Has a field of type secret: whoever buffers its frame wipes it. */
bool ipc_message_secret(enum ipc_type type);
/* Only these may carry a descriptor; one that comes with another message is closed, and the frame is malformed. */
bool ipc_message_takes_fd(enum ipc_type type);

#endif
