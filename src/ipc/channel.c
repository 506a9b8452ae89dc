/* SPDX-License-Identifier: ISC */
#include "ipc/channel.h"

#include <assert.h>

#include "os/os.h"

#define READ_STEP 65536u
#define READ_TURN (1u << 20)
#define KEEP_MAX 65536u
#define OUT_MAX ((size_t)1 << 31)
#define WAITING_FDS 64u

/* A descriptor that goes along with the byte at this offset of the out-buffer. */
struct outgoing_fd {
    size_t at;
    int fd;
};

struct ipc_channel {
    int fd;
    enum process_kind self, peer;
    buf in, out;
    size_t out_done; /* bytes of out that are with the kernel */
    bool secrets;    /* a secret went through: buffers are wiped from then on */
    enum err broken; /* ERR_OK, or why nothing can be written any more */
    int in_fds[WAITING_FDS];
    size_t in_fd_count;
    struct outgoing_fd *out_fds;
    size_t out_fd_count, out_fd_cap;
};

static void wipe(void *memory, size_t size)
{
    if (size > 0)
        explicit_bzero(memory, size);
}

/* Room for n more bytes. realloc would leave a copy of a secret behind, so the bytes move here. */
static bool grow(buf *b, size_t n)
{
    if (b->cap - b->len >= n)
        return true;
    buf larger;
    buf_init(&larger, b->max);
    size_t want = b->len + n;
    if (want < 2 * b->cap)
        want = 2 * b->cap;
    if (!buf_reserve(&larger, want < b->max ? want : b->max) || larger.cap - b->len < n) {
        buf_deinit(&larger);
        return false;
    }
    buf_append(&larger, buf_slice(b));
    wipe(b->ptr, b->len);
    buf_deinit(b);
    *b = larger;
    return true;
}

static void drop_bytes(struct ipc_channel *c, buf *b, size_t n)
{
    size_t before = b->len;
    buf_consume(b, n);
    if (c->secrets && n > 0)
        wipe(b->ptr + b->len, before - b->len);
    if (b->len == 0 && b->cap > KEEP_MAX)
        buf_release(b);
}

enum err ipc_channel_open(int fd, enum process_kind self, enum process_kind peer, struct ipc_channel **channel_r)
{
    struct ipc_channel *c = calloc(1, sizeof *c);
    if (!c) {
        os_close(&fd);
        return ERR_NOMEM;
    }
    c->fd = fd;
    c->self = self;
    c->peer = peer;
    buf_init(&c->in, IPC_FRAME_MAX + READ_STEP + 8);
    buf_init(&c->out, OUT_MAX);
    *channel_r = c;
    return ERR_OK;
}

static void close_out_fds(struct ipc_channel *c)
{
    for (size_t i = 0; i < c->out_fd_count; i++)
        os_close(&c->out_fds[i].fd);
    c->out_fd_count = 0;
}

void ipc_channel_close(struct ipc_channel **channel)
{
    struct ipc_channel *c = *channel;
    if (!c)
        return;
    *channel = NULL;
    os_close(&c->fd);
    for (size_t i = 0; i < c->in_fd_count; i++)
        os_close(&c->in_fds[i]);
    close_out_fds(c);
    free(c->out_fds);
    wipe(c->in.ptr, c->in.len);
    wipe(c->out.ptr, c->out.len);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    free(c);
}

int ipc_channel_fd(const struct ipc_channel *c)
{
    return c->fd;
}

size_t ipc_channel_pending(const struct ipc_channel *c)
{
    return c->out.len - c->out_done;
}

static bool add_outgoing_fd(struct ipc_channel *c, int fd)
{
    if (c->out_fd_count == c->out_fd_cap) {
        size_t cap = c->out_fd_cap ? 2 * c->out_fd_cap : 4;
        struct outgoing_fd *more = realloc(c->out_fds, cap * sizeof *more);
        if (!more)
            return false;
        c->out_fds = more;
        c->out_fd_cap = cap;
    }
    c->out_fds[c->out_fd_count++] = (struct outgoing_fd){c->out.len, fd};
    return true;
}

void ipc_channel_send(struct ipc_channel *c, const struct ipc_message *m)
{
    assert(ipc_message_permitted(m->type, c->self, c->peer));
    assert(m->fd < 0 || ipc_message_takes_fd(m->type));
    int fd = m->fd;
    if (c->broken) {
        os_close(&fd);
        return;
    }
    c->secrets |= ipc_message_secret(m->type);
    if ((c->secrets && !grow(&c->out, ipc_message_size(m))) || (fd >= 0 && !add_outgoing_fd(c, fd))) {
        os_close(&fd);
        c->broken = ERR_NOMEM;
        return;
    }
    ipc_message_encode(&c->out, m);
    if (!buf_ok(&c->out))
        c->broken = ERR_NOMEM;
}

/* The next bytes that one system call may take: up to the next descriptor, which begins a call of its own. */
static slice next_part(const struct ipc_channel *c, int *passed_r)
{
    size_t end = c->out.len, next = 0;
    int passed = -1;
    if (c->out_fd_count > 0 && c->out_fds[0].at == c->out_done) {
        passed = c->out_fds[0].fd;
        next = 1;
    }
    if (c->out_fd_count > next)
        end = c->out_fds[next].at;
    *passed_r = passed;
    return slice_sub(buf_slice(&c->out), c->out_done, end);
}

static void part_sent(struct ipc_channel *c, size_t sent, bool passed)
{
    c->out_done += sent;
    if (!passed)
        return;
    os_close(&c->out_fds[0].fd);
    c->out_fd_count--;
    memmove(c->out_fds, c->out_fds + 1, c->out_fd_count * sizeof *c->out_fds);
}

static void forget_sent(struct ipc_channel *c)
{
    for (size_t i = 0; i < c->out_fd_count; i++)
        c->out_fds[i].at -= c->out_done;
    drop_bytes(c, &c->out, c->out_done);
    c->out_done = 0;
}

enum err ipc_channel_flush(struct ipc_channel *c)
{
    enum err e = c->broken;
    while (e == ERR_OK && c->out_done < c->out.len) {
        int passed;
        slice part = next_part(c, &passed);
        size_t sent = 0;
        e = socket_send_fd(c->fd, part, passed, &sent);
        if (e == ERR_OK)
            part_sent(c, sent, passed >= 0);
    }
    if (e != ERR_OK && e != ERR_AGAIN) {
        c->broken = e;
        c->out_done = c->out.len;
        close_out_fds(c);
    }
    /* Moving the rest down costs as much as the rest is long: only when it is the smaller part. */
    if (c->out_done > 0 && c->out_done >= c->out.len - c->out_done)
        forget_sent(c);
    return e;
}

static enum err refuse(const struct ipc_channel *c, const char *what)
{
    unsigned type = c->in.len >= 6 ? get_u16(c->in.ptr + 4) : 0;
    log_line(LOG_WARNING, "message %u (%s) from %s: %s; channel closed", type, ipc_message_name((enum ipc_type)type),
             process_kind_name(c->peer), what);
    return ERR_SYNTAX;
}

static enum err take_fd(struct ipc_channel *c, struct ipc_message *m)
{
    if (!ipc_message_takes_fd(m->type))
        return ERR_SYNTAX;
    if (c->in_fd_count == 0)
        return ERR_SYNTAX;
    m->fd = c->in_fds[0];
    c->in_fd_count--;
    memmove(c->in_fds, c->in_fds + 1, c->in_fd_count * sizeof c->in_fds[0]);
    return ERR_OK;
}

/* Hands out the whole frames of the in-buffer. ERR_AGAIN: a part of one is left, or nothing. */
static enum err hand_out(struct ipc_channel *c, void (*message)(void *ctx, const struct ipc_message *m), void *ctx)
{
    size_t at = 0;
    enum err e;
    for (;;) {
        struct ipc_message m;
        size_t used = 0;
        slice rest = slice_skip(buf_slice(&c->in), at);
        e = ipc_message_decode(rest, &m, &used);
        if (e != ERR_OK)
            break;
        if (!ipc_message_permitted(m.type, c->peer, c->self) || (rest.ptr[6] && take_fd(c, &m) != ERR_OK)) {
            e = ERR_UNSUPPORTED;
            break;
        }
        c->secrets |= ipc_message_secret(m.type);
        message(ctx, &m);
        at += used;
    }
    drop_bytes(c, &c->in, at);
    if (e == ERR_AGAIN)
        return e;
    return refuse(c, e == ERR_SYNTAX ? "malformed" : "not permitted");
}

/* *more_r: the kernel ended the read early, at a descriptor. */
static enum err receive(struct ipc_channel *c, size_t *got_r, bool *more_r)
{
    struct socket_passed passed = {.count = 0};
    if (!grow(&c->in, READ_STEP))
        return ERR_NOMEM;
    enum err e = socket_receive_fd(c->fd, c->in.ptr + c->in.len, READ_STEP, got_r, &passed);
    if (e != ERR_OK)
        return e;
    buf_grown(&c->in, *got_r);
    *more_r = passed.count > 0 || *got_r == READ_STEP;
    for (size_t i = 0; i < passed.count; i++) {
        if (c->in_fd_count < WAITING_FDS)
            c->in_fds[c->in_fd_count++] = passed.fds[i];
        else
            os_close(&passed.fds[i]);
    }
    return c->in_fd_count < WAITING_FDS ? ERR_OK : refuse(c, "too many descriptors");
}

enum err ipc_channel_read(struct ipc_channel *c, void (*message)(void *ctx, const struct ipc_message *m), void *ctx)
{
    size_t total = 0;
    enum err e = ERR_AGAIN;
    while (total < READ_TURN) {
        size_t got = 0;
        bool more = false;
        e = receive(c, &got, &more);
        if (e != ERR_OK)
            break;
        total += got;
        e = hand_out(c, message, ctx);
        if (e != ERR_AGAIN || !more)
            break;
    }
    if (c->in.len == 0 && c->in.cap > 0)
        buf_release(&c->in);
    return e;
}
