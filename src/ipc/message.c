/* SPDX-License-Identifier: ISC */
#include "ipc/message.h"

#include <assert.h>

#define HEADER_SIZE 8

/* What is left of a frame's fields. */
struct fields {
    slice rest;
    bool bad;
};

static void put_field_u8(buf *b, uint8_t v)
{
    buf_append(b, slice_of(&v, 1));
}

#define IPC_WRITER(type, c_type, put, size)                                                                            \
    static void put_field_##type(buf *b, c_type v)                                                                     \
    {                                                                                                                  \
        char bytes[size];                                                                                              \
        put(bytes, v);                                                                                                 \
        buf_append(b, slice_of(bytes, size));                                                                          \
    }
IPC_WRITER(u16, uint16_t, put_u16, 2)
IPC_WRITER(u32, uint32_t, put_u32, 4)
IPC_WRITER(u64, uint64_t, put_u64, 8)

static void put_field_i64(buf *b, int64_t v)
{
    put_field_u64(b, (uint64_t)v);
}

static void put_field_bytes(buf *b, slice s)
{
    assert(s.len <= IPC_FRAME_MAX);
    put_field_u32(b, (uint32_t)s.len);
    buf_append(b, s);
}

static void put_field_secret(buf *b, slice s)
{
    put_field_bytes(b, s);
}

static const char *take(struct fields *f, size_t size)
{
    if (f->bad || f->rest.len < size) {
        f->bad = true;
        return NULL;
    }
    const char *at = f->rest.ptr;
    f->rest = slice_skip(f->rest, size);
    return at;
}

static uint8_t take_field_u8(struct fields *f)
{
    const char *at = take(f, 1);
    return at ? (uint8_t)*at : 0;
}

static uint16_t take_field_u16(struct fields *f)
{
    const char *at = take(f, 2);
    return at ? get_u16(at) : 0;
}

static uint32_t take_field_u32(struct fields *f)
{
    const char *at = take(f, 4);
    return at ? get_u32(at) : 0;
}

static uint64_t take_field_u64(struct fields *f)
{
    const char *at = take(f, 8);
    return at ? get_u64(at) : 0;
}

static int64_t take_field_i64(struct fields *f)
{
    return (int64_t)take_field_u64(f);
}

static slice take_field_bytes(struct fields *f)
{
    size_t size = take_field_u32(f);
    const char *at = take(f, size);
    return at ? slice_of(at, size) : SLICE_NONE;
}

static slice take_field_secret(struct fields *f)
{
    return take_field_bytes(f);
}

#define IPC_PUT(type, name) put_field_##type(b, m->name);
#define IPC_TAKE(type, name) m->name = take_field_##type(f);
#define MESSAGE(name, from, to)                                                                                        \
    static void encode_##name(buf *b, const void *message)                                                             \
    {                                                                                                                  \
        const struct ipc_##name *m = message;                                                                          \
        FIELDS_##name(IPC_PUT)                                                                                         \
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
    void (*encode)(buf *b, const void *message);
    void (*decode)(struct fields *f, void *message);
};

static const struct message_row rows[IPC_TYPE_COUNT] = {
#define MESSAGE(name, from, to)                                                                                        \
    [IPC_##name] = {#name, from, to, (0 FIELDS_##name(IPC_SECRETS)) > 0, encode_##name, decode_##name},
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

void ipc_message_encode(buf *b, const struct ipc_message *m)
{
    const struct message_row *row = row_of(m->type);
    assert(row);
    size_t start = b->len;
    char header[HEADER_SIZE] = {0};
    put_u16(header + 4, (uint16_t)m->type);
    header[6] = m->fd >= 0;
    buf_append(b, slice_of(header, sizeof header));
    row->encode(b, &m->u);
    if (!buf_ok(b))
        return;
    size_t length = b->len - start - HEADER_SIZE;
    assert(length <= IPC_FRAME_MAX);
    put_u32(b->ptr + start, (uint32_t)length);
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
    struct fields f = {slice_sub(in, HEADER_SIZE, HEADER_SIZE + length), false};
    row->decode(&f, &m.u);
    if (f.bad || f.rest.len > 0)
        return ERR_SYNTAX;
    *m_r = m;
    *used_r = HEADER_SIZE + length;
    return ERR_OK;
}
