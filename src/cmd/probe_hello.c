/* SPDX-License-Identifier: ISC */
#include "cmd/probe_hello.h"

#define RECORD_HEAD 5u
#define RECORD_MAX (16384u + 2048u)
#define ALERT 21
#define HANDSHAKE 22
#define ALERT_WARNING 1
#define CLIENT_HELLO 1
#define SERVER_HELLO 2
#define SESSION_ID_MAX 32u
#define WARNINGS_MAX 4
#define HELLO_MAX 4096u

enum { EXTENSION_SNI = 0, EXTENSION_GROUPS = 10, EXTENSION_POINTS = 11, EXTENSION_SIGNATURES = 13 };

static void append_u16(buf *b, size_t n)
{
    buf_append_char(b, (char)(n >> 8));
    buf_append_char(b, (char)(n & 0xff));
}

static void append_list(buf *b, const uint16_t *numbers, size_t count)
{
    append_u16(b, 2 * count);
    for (size_t i = 0; i < count; i++)
        append_u16(b, numbers[i]);
}

static void append_sized(buf *b, slice bytes)
{
    append_u16(b, bytes.len);
    buf_append(b, bytes);
}

static void append_extensions(buf *b, slice name)
{
    static const uint16_t groups[] = {0x001d, 0x0017, 0x0018, 0x0019};
    static const uint16_t signatures[] = {0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806,
                                          0x0401, 0x0501, 0x0601, 0x0203, 0x0201};
    if (name.len > 0) {
        append_u16(b, EXTENSION_SNI);
        append_u16(b, name.len + 5);
        append_u16(b, name.len + 3);
        buf_append_char(b, 0);
        append_sized(b, name);
    }
    append_u16(b, EXTENSION_GROUPS);
    append_u16(b, sizeof groups + 2);
    append_list(b, groups, sizeof groups / sizeof groups[0]);
    append_u16(b, EXTENSION_POINTS);
    append_sized(b, SLICE("\1\0"));
    append_u16(b, EXTENSION_SIGNATURES);
    append_u16(b, sizeof signatures + 2);
    append_list(b, signatures, sizeof signatures / sizeof signatures[0]);
}

void probe_hello_write(buf *out, const struct probe_hello *h, const uint8_t *random)
{
    char body_memory[HELLO_MAX], extension_memory[HELLO_MAX / 2];
    buf body, extensions;
    buf_init_fixed(&body, body_memory, sizeof body_memory);
    buf_init_fixed(&extensions, extension_memory, sizeof extension_memory);
    append_extensions(&extensions, h->name);
    append_u16(&body, h->version);
    buf_append(&body, slice_of(random, PROBE_HELLO_RANDOM));
    buf_append_char(&body, 0);
    append_list(&body, h->suites, h->count);
    buf_append(&body, SLICE("\1\0"));
    append_sized(&body, buf_slice(&extensions));
    buf_append_char(out, HANDSHAKE);
    append_u16(out, 0x0301);
    append_u16(out, body.len + 4);
    buf_append_char(out, CLIENT_HELLO);
    buf_append_char(out, 0);
    append_sized(out, buf_slice(&body));
    if (!buf_ok(&body) || !buf_ok(&extensions))
        out->failed = true;
}

static unsigned byte_at(slice in, size_t at)
{
    return (unsigned char)in.ptr[at];
}

static unsigned number_at(slice in, size_t at)
{
    return byte_at(in, at) << 8 | byte_at(in, at + 1);
}

/* Type (1), length (3), version (2), random (32), session id (1 and as many), suite (2). */
static enum probe_hello_answer read_server_hello(slice message, struct probe_hello_taken *taken_r)
{
    const size_t id_at = 4 + 2 + PROBE_HELLO_RANDOM;
    if (message.len < id_at + 1 || byte_at(message, 0) != SERVER_HELLO)
        return PROBE_HELLO_REFUSED;
    size_t id_len = byte_at(message, id_at);
    if (id_len > SESSION_ID_MAX || message.len < id_at + 1 + id_len + 2)
        return PROBE_HELLO_REFUSED;
    taken_r->version = (uint16_t)number_at(message, 4);
    taken_r->suite = (uint16_t)number_at(message, id_at + 1 + id_len);
    return PROBE_HELLO_TAKEN;
}

/* A warning (that the name is not known, say) may come first. */
enum probe_hello_answer probe_hello_read(slice in, struct probe_hello_taken *taken_r)
{
    for (int warnings = 0; warnings <= WARNINGS_MAX; warnings++) {
        if (in.len < 1)
            return PROBE_HELLO_MORE;
        unsigned type = byte_at(in, 0);
        if (type != ALERT && type != HANDSHAKE)
            return PROBE_HELLO_REFUSED;
        if (in.len < RECORD_HEAD)
            return PROBE_HELLO_MORE;
        size_t len = number_at(in, 3);
        if (len == 0 || len > RECORD_MAX)
            return PROBE_HELLO_REFUSED;
        if (in.len < RECORD_HEAD + len)
            return PROBE_HELLO_MORE;
        slice message = slice_sub(in, RECORD_HEAD, RECORD_HEAD + len);
        if (type == HANDSHAKE)
            return read_server_hello(message, taken_r);
        if (byte_at(message, 0) != ALERT_WARNING)
            return PROBE_HELLO_REFUSED;
        in = slice_skip(in, RECORD_HEAD + len);
    }
    return PROBE_HELLO_REFUSED;
}
