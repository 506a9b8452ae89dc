/* SPDX-License-Identifier: ISC */
#include "proc/deliver/work.h"

#define IDLE_MS 60000
#define BATCH_MAX 20u
#define STALL_MS 60000

struct work {
    int socket;
    buf in; /* a head frame, perhaps not complete */
    struct maildir_batch *batch;
    buf answers;
    struct work_body body;
};

/* Kept in front of the socket: what was read beyond a head frame belongs to the body. */
static buf *ahead;

static bool socket_read(int fd, char *out, size_t size, int64_t wait_ms, size_t *got_r)
{
    struct socket_passed passed;
    for (;;) {
        enum err e = socket_receive_fd(fd, out, size, got_r, &passed);
        if (e == ERR_OK)
            return true;
        if (e != ERR_AGAIN || socket_wait(fd, false, wait_ms) != ERR_OK)
            return false;
    }
}

static size_t body_take(struct work_body *b)
{
    size_t want = b->left < WORK_CHUNK ? (size_t)b->left : WORK_CHUNK;
    size_t got = 0;
    if (ahead->len > 0) {
        got = ahead->len < want ? ahead->len : want;
        memcpy(b->chunk, ahead->ptr, got);
        buf_consume(ahead, got);
    } else if (!socket_read(b->socket, b->chunk, want, STALL_MS, &got)) {
        b->gone = true;
        got = 0;
    }
    b->left -= got;
    return got;
}

/* CRLF becomes LF in place; a CR at the very end of a piece waits for the next one. */
static size_t to_unix(char *p, size_t len, bool *last_cr)
{
    char *from = p, *end = p + len, *to = p;
    if (len > 0 && p[len - 1] == '\r') {
        *last_cr = true;
        end--;
    }
    while (from < end) {
        char *cr = memchr(from, '\r', (size_t)(end - from));
        size_t n = (size_t)((cr ? cr : end) - from);
        if (to != from)
            memmove(to, from, n);
        to += n;
        from += n;
        if (!cr)
            break;
        if (from + 1 < end && from[1] == '\n') {
            from++;
            continue;
        }
        *to++ = *from++;
    }
    return (size_t)(to - p);
}

slice work_body_next(struct work_body *b)
{
    if (b->trace.len > 0) {
        slice whole = slice_sub(b->trace, 0, WORK_CHUNK - 1);
        b->trace = slice_skip(b->trace, whole.len);
        memcpy(b->chunk, whole.ptr, whole.len);
        bool cr = false;
        return slice_of(b->chunk, to_unix(b->chunk, whole.len, &cr));
    }
    while (b->left > 0 && !b->gone) {
        /* Room for a CR that was kept back. */
        bool kept = b->last_cr;
        b->last_cr = false;
        if (kept)
            b->chunk++;
        size_t n = body_take(b);
        if (kept) {
            b->chunk--;
            b->chunk[0] = '\r';
            n++;
        }
        n = to_unix(b->chunk, n, &b->last_cr);
        if (b->left == 0 && b->last_cr)
            b->chunk[n++] = '\r';
        if (n > 0)
            return slice_of(b->chunk, n);
    }
    return SLICE_NONE;
}

void work_body_skip(struct work_body *b)
{
    while (b->left > 0 && !b->gone)
        (void)body_take(b);
}

static void answer(void *ctx, uint64_t number, const struct verdict *v)
{
    struct work *w = ctx;
    item_answer_encode(&w->answers, &(struct item_answer){number, *v});
}

static bool answers_flush(struct work *w)
{
    while (w->answers.len > 0) {
        size_t sent;
        enum err e = socket_send_fd(w->socket, buf_slice(&w->answers), -1, &sent);
        if (e == ERR_OK)
            buf_consume(&w->answers, sent);
        else if (e != ERR_AGAIN || socket_wait(w->socket, true, STALL_MS) != ERR_OK)
            return false;
    }
    return true;
}

static bool item_run(struct work *w, const struct item *i)
{
    struct verdict v;
    w->body.left = i->body_size;
    w->body.trace = i->trace;
    w->body.last_cr = w->body.gone = false;
    bool pending = false;
    switch ((enum item_kind)i->kind) {
    case ITEM_MAILDIR:
        pending = maildir_batch_add(w->batch, i, &w->body, &v);
        break;
    case ITEM_MBOX:
    case ITEM_FILE:
        v = mbox_deliver(i, &w->body);
        break;
    case ITEM_COMMAND:
        v = command_deliver(i, &w->body);
        break;
    }
    work_body_skip(&w->body);
    if (w->body.gone)
        return false;
    if (!pending)
        answer(w, i->number, &v);
    return true;
}

/* Ends the batch when it is full or nothing more is waiting to be read. */
static bool batch_end(struct work *w, bool now)
{
    size_t count = maildir_batch_count(w->batch);
    if (count > 0 && (now || count >= BATCH_MAX))
        maildir_batch_end(w->batch, answer, w);
    return w->answers.len == 0 || answers_flush(w);
}

/* Reads until a whole head frame is there. A batch does not wait for it. */
static bool item_wait(struct work *w, struct item *i, buf *frame)
{
    for (;;) {
        size_t used;
        enum err e = item_decode(buf_slice(&w->in), i, &used);
        if (e == ERR_OK) {
            /* The item's slices must outlive the reading of its body. */
            buf_clear(frame);
            buf_append(frame, slice_sub(buf_slice(&w->in), 0, used));
            buf_consume(&w->in, used);
            return buf_ok(frame) && item_decode(buf_slice(frame), i, &used) == ERR_OK;
        }
        char *room = e == ERR_AGAIN ? buf_reserve(&w->in, WORK_CHUNK) : NULL;
        if (!room)
            return false;
        bool idle = socket_wait(w->socket, false, 0) != ERR_OK;
        if (!batch_end(w, idle))
            return false;
        size_t got;
        if (!socket_read(w->socket, room, WORK_CHUNK, IDLE_MS, &got))
            return false;
        buf_grown(&w->in, got);
    }
}

void work_run(int socket)
{
    struct work w = {.socket = socket};
    buf frame;
    buf_init(&w.in, ITEM_FRAME_MAX + 4 * WORK_CHUNK);
    buf_init(&w.answers, 4u * 1024 * 1024);
    buf_init(&frame, ITEM_FRAME_MAX + 16);
    ahead = &w.in;
    w.batch = maildir_batch_open();
    w.body = (struct work_body){.socket = socket, .chunk = malloc(WORK_CHUNK + 2)};
    struct item i;
    while (w.batch && w.body.chunk && item_wait(&w, &i, &frame)) {
        if (!item_run(&w, &i) || !batch_end(&w, false))
            break;
    }
    if (w.batch && maildir_batch_count(w.batch) > 0)
        maildir_batch_end(w.batch, answer, &w);
    (void)answers_flush(&w);
    log_close();
    process_exit(0);
}

struct verdict work_verdict(enum err e, slice what)
{
    static char memory[512];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, slice_sub(what, 0, 300));
    buf_append(&b, SLICE(": "));
    buf_append(&b, slice_str(err_text(e)));
    return status_verdict_text(e == ERR_NOSPACE ? STATUS_MAILBOX_FULL : STATUS_MAILBOX_TEMPORARY, buf_slice(&b));
}
