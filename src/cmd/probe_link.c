/* SPDX-License-Identifier: ISC */
#include "cmd/probe_link.h"

#define IN_MAX (2u << 20)
#define PIECE (64u * 1024)
#define OUT_MAX (64u << 20)

void probe_link_init(struct probe_link *l)
{
    *l = (struct probe_link){.fd = -1};
    smtp_reply_reader_init(&l->reader);
    buf_init(&l->in, IN_MAX);
}

enum err probe_link_open(struct probe_link *l, const struct socket_address *to, const struct socket_address *source)
{
    return socket_connect_wait_from(to, source, l->timeout_ms, &l->fd);
}

void probe_link_close(struct probe_link *l)
{
    tls_session_close(&l->tls);
    os_close(&l->fd);
    buf_release(&l->in);
    smtp_reply_reader_deinit(&l->reader);
    smtp_reply_reader_init(&l->reader);
    l->seen_len = 0;
}

static int64_t deadline(const struct probe_link *l)
{
    int64_t end = os_now_ms() + l->timeout_ms;
    return l->end_ms > 0 && l->end_ms < end ? l->end_ms : end;
}

static enum err write_raw(struct probe_link *l, slice data, int64_t until)
{
    while (data.len > 0) {
        size_t n = 0;
        enum err e = l->fd < 0 ? ERR_CLOSED : socket_send_fd(l->fd, data, -1, &n);
        if (e == ERR_AGAIN)
            e = socket_wait(l->fd, true, until - os_now_ms());
        if (e != ERR_OK)
            return e;
        data = slice_skip(data, n);
    }
    return ERR_OK;
}

static enum err flush_tls(struct probe_link *l, int64_t until)
{
    buf out;
    buf_init(&out, OUT_MAX);
    tls_session_output(l->tls, &out);
    enum err e = buf_ok(&out) ? write_raw(l, buf_slice(&out), until) : ERR_NOMEM;
    buf_deinit(&out);
    return e;
}

enum err probe_link_write(struct probe_link *l, slice data)
{
    int64_t until = deadline(l);
    if (!l->tls)
        return write_raw(l, data, until);
    enum err e = tls_session_write(l->tls, data);
    return e == ERR_OK ? flush_tls(l, until) : e;
}

static enum err take_raw(struct probe_link *l, void *out, size_t size, size_t *got_r, int64_t until)
{
    for (;;) {
        enum err e = l->fd < 0 ? ERR_CLOSED : socket_take(l->fd, out, size, got_r);
        if (e != ERR_AGAIN)
            return e;
        e = socket_wait(l->fd, false, until - os_now_ms());
        if (e != ERR_OK)
            return e;
    }
}

static enum err take_plain(struct probe_link *l, char *out, size_t *got_r, int64_t until)
{
    for (;;) {
        size_t got = 0;
        enum err e = tls_session_read(l->tls, out, PIECE, got_r);
        if (e != ERR_AGAIN)
            return e;
        e = take_raw(l, out, PIECE, &got, until);
        if (e == ERR_OK)
            e = tls_session_feed(l->tls, slice_of(out, got));
        if (e != ERR_OK)
            return e;
    }
}

static enum err more_until(struct probe_link *l, int64_t until)
{
    size_t got = 0;
    char *room = buf_reserve(&l->in, PIECE);
    if (!room)
        return ERR_LIMIT;
    if (os_now_ms() > until)
        return ERR_TIMEOUT;
    enum err e = l->tls ? take_plain(l, room, &got, until) : take_raw(l, room, PIECE, &got, until);
    if (e == ERR_OK)
        buf_grown(&l->in, got);
    return e;
}

enum err probe_link_more(struct probe_link *l)
{
    return more_until(l, deadline(l));
}

static void note_seen(struct probe_link *l, slice in)
{
    size_t room = sizeof l->seen - l->seen_len, n = in.len < room ? in.len : room;
    if (n > 0)
        memcpy(l->seen + l->seen_len, in.ptr, n);
    l->seen_len += n;
}

enum err probe_link_read(struct probe_link *l, struct smtp_reply *reply_r)
{
    int64_t until = deadline(l);
    l->seen_len = 0;
    for (;;) {
        slice in = buf_slice(&l->in);
        note_seen(l, in);
        enum smtp_reply_result result = smtp_reply_read(&l->reader, &in, reply_r);
        buf_consume(&l->in, l->in.len - in.len);
        if (result != SMTP_REPLY_MORE)
            return result == SMTP_REPLY_DONE ? ERR_OK : ERR_SYNTAX;
        enum err e = more_until(l, until);
        if (e != ERR_OK)
            return e;
    }
}

static enum err shake(struct probe_link *l, int64_t until)
{
    char memory[PIECE];
    for (;;) {
        size_t got = 0;
        enum err e = tls_session_handshake(l->tls), written = flush_tls(l, until);
        if (e != ERR_AGAIN)
            return e == ERR_OK ? written : e;
        if (written == ERR_OK)
            written = take_raw(l, memory, sizeof memory, &got, until);
        if (written == ERR_OK)
            written = tls_session_feed(l->tls, slice_of(memory, got));
        if (written != ERR_OK)
            return written;
    }
}

enum err probe_link_secure(struct probe_link *l, const struct tls_client *t, slice name)
{
    buf why;
    buf_init_fixed(&why, l->fault, sizeof l->fault - 1);
    enum err e = tls_session_open_client(t, name, &l->tls);
    if (e != ERR_OK)
        return e;
    e = shake(l, deadline(l));
    if (e == ERR_OK)
        return ERR_OK;
    slice text = tls_session_error(l->tls);
    buf_append(&why, text.len > 0 ? slice_sub(text, 0, sizeof l->fault - 1) : slice_str(err_text(e)));
    l->fault[why.len] = 0;
    tls_session_close(&l->tls);
    return e == ERR_TIMEOUT ? e : ERR_TLS;
}
