/* SPDX-License-Identifier: ISC */
#include "ipc/message.h"

#include <assert.h>

#define HEADER_SIZE 8

/* The codec is most of what a process does with a small message: sizes are known before anything is written, and a field is one store or one load. */
#define FIELD_INLINE static inline __attribute__((always_inline))

/* What is left of a frame's fields. */
struct fields {
    const char *at;
    size_t left;
    bool bad;
};

FIELD_INLINE const char *take(struct fields *f, size_t size)
{
    const char *at = f->at;
    if (size > f->left) {
        f->bad = true;
        f->left = 0;
        return NULL;
    }
    f->at += size;
    f->left -= size;
    return at;
}

FIELD_INLINE void put_u8(char *to, uint8_t v)
{
    *to = (char)v;
}

FIELD_INLINE uint8_t get_u8(const char *from)
{
    return (uint8_t)*from;
}

#define IPC_NUMBER(type, c_type, wire)                                                                                 \
    FIELD_INLINE size_t size_field_##type(c_type v)                                                                    \
    {                                                                                                                  \
        return sizeof v;                                                                                               \
    }                                                                                                                  \
    FIELD_INLINE char *put_field_##type(char *to, c_type v)                                                            \
    {                                                                                                                  \
        put_##wire(to, v);                                                                                             \
        return to + sizeof v;                                                                                          \
    }                                                                                                                  \
    FIELD_INLINE c_type take_field_##type(struct fields *f)                                                            \
    {                                                                                                                  \
        const char *at = take(f, sizeof(c_type));                                                                      \
        return at ? get_##wire(at) : 0;                                                                                \
    }
IPC_NUMBER(u8, uint8_t, u8)
IPC_NUMBER(u16, uint16_t, u16)
IPC_NUMBER(u32, uint32_t, u32)
IPC_NUMBER(u64, uint64_t, u64)
IPC_NUMBER(i64, int64_t, u64)

FIELD_INLINE size_t size_field_bytes(slice s)
{
    assert(s.len <= IPC_FRAME_MAX);
    return sizeof(uint32_t) + s.len;
}

FIELD_INLINE char *put_field_bytes(char *to, slice s)
{
    to = put_field_u32(to, (uint32_t)s.len);
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

FIELD_INLINE slice take_field_bytes(struct fields *f)
{
    size_t size = take_field_u32(f);
    const char *at = take(f, size);
    return at ? slice_of(at, size) : SLICE_NONE;
}

#define size_field_secret size_field_bytes
#define put_field_secret put_field_bytes
#define take_field_secret take_field_bytes

#define IPC_SIZE(type, name) +size_field_##type(m->name)
#define IPC_PUT(type, name) to = put_field_##type(to, m->name);
#define IPC_TAKE(type, name) m->name = take_field_##type(f);
#define MESSAGE(name, from, to_whom)                                                                                   \
    static size_t size_##name(const void *message)                                                                     \
    {                                                                                                                  \
        const struct ipc_##name *m = message;                                                                          \
        return 0 FIELDS_##name(IPC_SIZE);                                                                              \
    }                                                                                                                  \
    static char *encode_##name(char *to, const void *message)                                                          \
    {                                                                                                                  \
        const struct ipc_##name *m = message;                                                                          \
        FIELDS_##name(IPC_PUT) return to;                                                                              \
    }                                                                                                                  \
    static void decode_##name(struct fields *f, void *message)                                                         \
    {                                                                                                                  \
        struct ipc_##name *m = message;                                                                                \
        FIELDS_##name(IPC_TAKE)                                                                                        \
    }
#include "ipc/tables/messages.h"
#undef MESSAGE

#define IPC_SECRET_u8 0
#define IPC_SECRET_u16 0
#define IPC_SECRET_u32 0
#define IPC_SECRET_u64 0
#define IPC_SECRET_i64 0
#define IPC_SECRET_bytes 0
#define IPC_SECRET_secret 1
#define IPC_SECRETS(type, name) +IPC_SECRET_##type

struct message_row {
    const char *name;
    unsigned from, to;
    bool secret;
    size_t (*size)(const void *message);
    char *(*encode)(char *to, const void *message);
    void (*decode)(struct fields *f, void *message);
};

static const struct message_row rows[IPC_TYPE_COUNT] = {
#define MESSAGE(name, from, to)                                                                                        \
    [IPC_##name] = {#name, from, to, (0 FIELDS_##name(IPC_SECRETS)) > 0, size_##name, encode_##name, decode_##name},
#include "ipc/tables/messages.h"
#undef MESSAGE
};

static const char *const kind_names[PROCESS_KIND_COUNT] = {
    [PROCESS_MASTER] = "master",   [PROCESS_RECEIVER] = "receiver", [PROCESS_QUEUE] = "queue",
    [PROCESS_SENDER] = "sender",   [PROCESS_DELIVER] = "deliver",   [PROCESS_LOOKUP] = "lookup",
    [PROCESS_CONSOLE] = "console", [PROCESS_COMMAND] = "command",   [PROCESS_KEYS] = "keys",
};

static const struct message_row *row_of(unsigned type)
{
    return type > IPC_NONE && type < IPC_TYPE_COUNT ? &rows[type] : NULL;
}

const char *process_kind_name(enum process_kind k)
{
    return (unsigned)k < PROCESS_KIND_COUNT ? kind_names[k] : "unknown";
}

const char *ipc_message_name(enum ipc_type type)
{
    const struct message_row *row = row_of(type);
    return row ? row->name : "unknown";
}

bool ipc_message_permitted(enum ipc_type type, enum process_kind from, enum process_kind to)
{
    const struct message_row *row = row_of(type);
    return row && (row->from & (1u << from)) && (row->to & (1u << to));
}

bool ipc_message_secret(enum ipc_type type)
{
    const struct message_row *row = row_of(type);
    return row && row->secret;
}

bool ipc_message_takes_fd(enum ipc_type type)
{
    return type == IPC_peer;
}

size_t ipc_message_size(const struct ipc_message *m)
{
    const struct message_row *row = row_of(m->type);
    assert(row);
    size_t length = row->size(&m->u);
    assert(length <= IPC_FRAME_MAX);
    return HEADER_SIZE + length;
}

void ipc_message_encode(buf *b, const struct ipc_message *m)
{
    size_t size = ipc_message_size(m);
    char *to = buf_reserve(b, size);
    if (!to)
        return;
    put_u32(to, (uint32_t)(size - HEADER_SIZE));
    put_u16(to + 4, (uint16_t)m->type);
    to[6] = m->fd >= 0;
    to[7] = 0;
    (void)row_of(m->type)->encode(to + HEADER_SIZE, &m->u);
    buf_grown(b, size);
}

enum err ipc_message_decode(slice in, struct ipc_message *m_r, size_t *used_r)
{
    if (in.len < HEADER_SIZE)
        return ERR_AGAIN;
    size_t length = get_u32(in.ptr);
    const struct message_row *row = row_of(get_u16(in.ptr + 4));
    if (!row || length > IPC_FRAME_MAX || (unsigned char)in.ptr[6] > 1 || in.ptr[7] != 0)
        return ERR_SYNTAX;
    if (in.len - HEADER_SIZE < length)
        return ERR_AGAIN;
    struct ipc_message m = {.type = (enum ipc_type)(row - rows), .fd = -1};
    struct fields f = {in.ptr + HEADER_SIZE, length, false};
    row->decode(&f, &m.u);
    if (f.bad || f.left > 0)
        return ERR_SYNTAX;
    *m_r = m;
    *used_r = HEADER_SIZE + length;
    return ERR_OK;
}
