/* SPDX-License-Identifier: ISC */
#include "cmd/batch_link.h"

#include <sys/socket.h>

#include "cmd/batch_queue.h"

#define CONNECT_MS 5000
#define REPLY_MS 300000
#define FRESH_MS 5000
#define KNOWN_MS 500
#define IN_PIECE 8192u
#define IN_MAX (64u * 1024)
#define OUT_MAX (512u * 1024)
#define REPLY_MAX (64u * 1024)

static void disconnect(struct batch_link *l)
{
    os_close(&l->fd);
    l->open = l->content = false;
    buf_clear(&l->in);
    buf_clear(&l->out);
}

static enum err flush(struct batch_link *l)
{
    enum err e = ERR_OK;
    slice data = buf_slice(&l->out);
    while (e == ERR_OK && data.len > 0) {
        size_t n = 0;
        e = socket_send_fd(l->fd, data, -1, &n);
        if (e == ERR_AGAIN)
            e = socket_wait(l->fd, true, REPLY_MS);
        data = slice_skip(data, n);
    }
    buf_clear(&l->out);
    return e;
}

static enum err read_some(struct batch_link *l)
{
    enum err e = socket_wait(l->fd, false, REPLY_MS);
    char *room = e == ERR_OK ? buf_reserve(&l->in, IN_PIECE) : NULL;
    if (!room)
        return e == ERR_OK ? ERR_LIMIT : e;
    ssize_t n = recv(l->fd, room, IN_PIECE, 0);
    if (n <= 0)
        return ERR_CLOSED;
    buf_grown(&l->in, (size_t)n);
    return ERR_OK;
}

/* A reply's lines, their texts joined by LF; *code_r of the last. Our own server's, but bounded all the same. */
static enum err read_reply(struct batch_link *l, uint16_t *code_r)
{
    buf_clear(&l->reply);
    for (;;) {
        slice line, rest;
        while (!slice_cut(buf_slice(&l->in), '\n', &line, &rest)) {
            enum err e = read_some(l);
            if (e != ERR_OK)
                return e;
        }
        uint64_t code = 0;
        size_t whole = line.len + 1;
        line = slice_trim(line);
        if (slice_to_u64(slice_sub(line, 0, 3), 999, &code) != ERR_OK || code < 200)
            return ERR_SYNTAX;
        bool last = line.len < 4 || line.ptr[3] != '-';
        if (l->reply.len > 0)
            buf_append_char(&l->reply, '\n');
        buf_append(&l->reply, slice_skip(line, 4));
        buf_consume(&l->in, whole);
        if (!buf_ok(&l->reply))
            return ERR_LIMIT;
        if (last) {
            *code_r = (uint16_t)code;
            return ERR_OK;
        }
    }
}

static enum err talk(struct batch_link *l, slice line, struct verdict *reply_r)
{
    uint16_t code = 0;
    if (line.len > 0) {
        buf_append(&l->out, line);
        buf_append(&l->out, SLICE("\r\n"));
    }
    enum err e = buf_ok(&l->out) ? flush(l) : ERR_LIMIT;
    if (e == ERR_OK)
        e = read_reply(l, &code);
    if (e != ERR_OK) {
        disconnect(l);
        return e;
    }
    *reply_r = status_verdict_of_reply(code, buf_slice(&l->reply));
    return ERR_OK;
}

static enum err connect_now(struct batch_link *l)
{
    struct verdict v;
    char memory[512];
    buf ehlo;
    buf_init_fixed(&ehlo, memory, sizeof memory);
    buf_printf(&ehlo, "EHLO %.*s", SLICE_ARG(l->hostname));
    enum err e = socket_connect_wait(&l->smtp, CONNECT_MS, &l->fd);
    const slice lines[] = {SLICE_NONE, buf_slice(&ehlo)};
    for (size_t i = 0; e == ERR_OK && i < 2; i++) {
        e = talk(l, lines[i], &v);
        if (e == ERR_OK && !verdict_ok(&v)) {
            disconnect(l);
            e = ERR_REFUSED;
        }
    }
    return e;
}

/* A server that closed between two mails (its limit of mails a session, its idle time) is asked again on a new connection, once. */
static enum err begin_mail(struct batch_link *l, slice line, struct verdict *reply_r)
{
    bool fresh = l->fd < 0;
    enum err e = fresh ? connect_now(l) : ERR_OK;
    if (e == ERR_OK)
        e = talk(l, line, reply_r);
    if (fresh || (e == ERR_OK && reply_r->code != 421))
        return e;
    disconnect(l);
    e = connect_now(l);
    return e == ERR_OK ? talk(l, line, reply_r) : e;
}

static enum err link_command(void *ctx, slice line, struct verdict *reply_r)
{
    struct batch_link *l = ctx;
    if (l->open) {
        l->content = slice_equal_nocase(line, SLICE("DATA"));
        return talk(l, line, reply_r);
    }
    enum err e = begin_mail(l, line, reply_r);
    if (e == ERR_OK && slice_starts_nocase(line, SLICE("MAIL")) && verdict_ok(reply_r)) {
        l->open = true;
        l->line_end = true;
    }
    return e;
}

/* RFC 5321 section 4.5.2 */
static enum err link_content(void *ctx, slice piece)
{
    struct batch_link *l = ctx;
    while (piece.len > 0) {
        ptrdiff_t newline = slice_find_char(piece, '\n');
        slice line = slice_sub(piece, 0, newline < 0 ? piece.len : (size_t)newline + 1);
        if (l->line_end && line.ptr[0] == '.')
            buf_append_char(&l->out, '.');
        buf_append(&l->out, line);
        l->line_end = newline >= 0;
        piece = slice_skip(piece, line.len);
    }
    if (!buf_ok(&l->out))
        return ERR_LIMIT;
    enum err e = l->out.len >= IN_MAX ? flush(l) : ERR_OK;
    if (e != ERR_OK)
        disconnect(l);
    return e;
}

static enum err link_end(void *ctx, struct verdict *reply_r)
{
    struct batch_link *l = ctx;
    enum err e = talk(l, l->line_end ? SLICE(".") : SLICE("\r\n."), reply_r);
    l->open = l->content = false;
    return e;
}

/* In the middle of a message nothing but the connection's end is understood. */
static void link_abandon(void *ctx)
{
    struct batch_link *l = ctx;
    struct verdict v;
    if (!l->open || l->content || talk(l, SLICE("RSET"), &v) != ERR_OK)
        disconnect(l);
    l->open = false;
}

static enum err link_find(void *ctx, slice tag, uint64_t ids[BATCH_SERVER_IDS_MAX], size_t *count_r)
{
    struct batch_link *l = ctx;
    enum err e = batch_queue_open(l);
    return e == ERR_OK ? batch_queue_find(l, tag, ids, count_r) : e;
}

/* The 250 does not wait for the queue to know of the mail. */
static enum err link_release(void *ctx, uint64_t id, bool fresh)
{
    struct batch_link *l = ctx;
    int64_t end = os_now_ms() + (fresh ? FRESH_MS : KNOWN_MS), pause = 1;
    enum err e = batch_queue_open(l);
    if (e == ERR_OK)
        e = batch_queue_act(l, QUEUE_VERB_RELEASE, id);
    while (e == ERR_NOTFOUND && os_now_ms() < end) {
        os_sleep_ms(pause);
        pause = pause < 50 ? 2 * pause : pause;
        e = batch_queue_act(l, QUEUE_VERB_RELEASE, id);
    }
    return e;
}

static enum err link_remove(void *ctx, uint64_t id)
{
    struct batch_link *l = ctx;
    enum err e = batch_queue_open(l);
    return e == ERR_OK ? batch_queue_act(l, QUEUE_VERB_REMOVE, id) : e;
}

/* The control socket is made anew at each start. */
static enum err link_run(void *ctx, uint64_t *run_r)
{
    struct batch_link *l = ctx;
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, slice_str(l->control), false, &stamp);
    if (e == ERR_OK)
        *run_r = (uint64_t)stamp.mtime_ns;
    return e;
}

enum err batch_link_init(struct batch_link *l, const struct command *command, const struct conf *conf)
{
    buf path, control;
    *l = (struct batch_link){.command = command, .hostname = conf->route.hostname, .fd = -1};
    buf_init(&l->in, IN_MAX);
    buf_init(&l->out, OUT_MAX);
    buf_init(&l->reply, REPLY_MAX);
    buf_init_fixed(&path, l->smtp.path, sizeof l->smtp.path - 1);
    buf_init_fixed(&control, l->control, sizeof l->control - 1);
    enum err e = child_control_socket_path(conf, &control);
    return e == ERR_OK ? child_local_socket_path(conf, &path) : e;
}

void batch_link_deinit(struct batch_link *l)
{
    struct verdict v;
    if (l->fd >= 0 && !l->content)
        (void)!talk(l, SLICE("QUIT"), &v);
    disconnect(l);
    if (l->asked)
        queue_line_close(&l->queue);
    buf_deinit(&l->in);
    buf_deinit(&l->out);
    buf_deinit(&l->reply);
}

struct batch_server batch_link_server(struct batch_link *l)
{
    return (struct batch_server){.command = link_command,
                                 .content = link_content,
                                 .end = link_end,
                                 .abandon = link_abandon,
                                 .find = link_find,
                                 .release = link_release,
                                 .remove = link_remove,
                                 .run = link_run,
                                 .ctx = l};
}
