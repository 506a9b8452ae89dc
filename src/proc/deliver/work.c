/* SPDX-License-Identifier: ISC */
#include "proc/deliver/work.h"

#include "mail/mail.h"

/* The parent closes what is idle; this is only for a parent that hangs. */
#define IDLE_MS (3600 * 1000)
#define STALL_MS 60000
#define GATHER_MS 2
#define GATHER_ALL_MS 10

struct work {
    int socket;
    buf in; /* heads and content as they came; what of it is still to be used is body.ahead */
    struct maildir_batch *batch;
    size_t last_batch; /* how many were in it */
    int64_t begun_ms;  /* the batch */
    buf answers;
    struct work_body body;
};

static bool socket_read(int fd, char *out, size_t size, int64_t wait_ms, size_t *got_r)
{
    for (;;) {
        enum err e = socket_take(fd, out, size, got_r);
        if (e == ERR_OK)
            return true;
        if (e != ERR_AGAIN || socket_wait(fd, false, wait_ms) != ERR_OK)
            return false;
    }
}

/* What comes next of the body, at most WORK_CHUNK; empty when the parent is gone. Lives until the next call, or as long as what was read ahead. */
static slice body_take(struct work_body *b)
{
    slice piece = slice_sub(b->ahead, 0, b->left < WORK_CHUNK ? (size_t)b->left : WORK_CHUNK);
    if (piece.len > 0) {
        b->ahead = slice_skip(b->ahead, piece.len);
    } else {
        char *read = b->chunk + WORK_ROOM - WORK_CHUNK;
        size_t got = 0;
        b->gone = !socket_read(b->socket, read, b->left < WORK_CHUNK ? (size_t)b->left : WORK_CHUNK, STALL_MS, &got);
        piece = slice_of(read, b->gone ? 0 : got);
    }
    b->left -= piece.len;
    return piece;
}

static size_t trace_take(struct work_body *b)
{
    slice whole = slice_sub(b->trace, 0, WORK_CHUNK);
    bool cr = false;
    b->trace = SLICE_NONE;
    return local_lines_write(b->chunk, whole, &cr);
}

slice work_body_next(struct work_body *b)
{
    size_t len = trace_take(b);
    while (b->left > 0 && !b->gone) {
        len += local_lines_write(b->chunk + len, body_take(b), &b->last_cr);
        if (b->left == 0 && b->last_cr)
            b->chunk[len++] = '\r';
        if (len > 0)
            break;
    }
    return slice_of(b->chunk, len);
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
        if (maildir_batch_count(w->batch) == 0)
            w->begun_ms = os_now_ms();
        pending = maildir_batch_add(w->batch, i, &w->body, &v);
        break;
    case ITEM_MBOX:
    case ITEM_FILE:
        v = mbox_deliver(i, &w->body);
        break;
    case ITEM_COMMAND:
        v = command_deliver(i, &w->body, COMMAND_MS);
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
    if (count > 0 && (now || maildir_batch_full(w->batch))) {
        w->last_batch = count;
        maildir_batch_end(w->batch, answer, w);
    }
    return w->answers.len == 0 || answers_flush(w);
}

/* When mail comes fast enough for batches, a moment's wait makes them fuller: a sync costs nearly the same for one as for a hundred. */
static bool worth_waiting(const struct work *w)
{
    return maildir_batch_count(w->batch) > 0 && w->last_batch > 1 && os_now_ms() - w->begun_ms < GATHER_ALL_MS &&
           socket_wait(w->socket, false, GATHER_MS) == ERR_OK;
}

/* What has come; when nothing has, the batch ends before the wait. */
static bool more_read(struct work *w)
{
    buf_consume(&w->in, w->in.len - w->body.ahead.len);
    char *room = buf_reserve(&w->in, WORK_CHUNK);
    if (!room)
        return false;
    size_t got;
    enum err e = socket_take(w->socket, room, WORK_CHUNK, &got);
    if (e == ERR_AGAIN && worth_waiting(w))
        e = socket_take(w->socket, room, WORK_CHUNK, &got);
    if (e == ERR_AGAIN && batch_end(w, true) && socket_read(w->socket, room, WORK_CHUNK, IDLE_MS, &got))
        e = ERR_OK;
    if (e != ERR_OK)
        return false;
    buf_grown(&w->in, got);
    w->body.ahead = buf_slice(&w->in);
    return true;
}

/* Reads until a whole head frame is there. A batch does not wait for it. The item's slices stay where they are until the next call: its body is read to another place. */
static bool item_wait(struct work *w, struct item *i)
{
    size_t used;
    enum err e;
    while ((e = item_decode(w->body.ahead, i, &used)) == ERR_AGAIN) {
        if (!more_read(w))
            return false;
    }
    if (e == ERR_OK)
        w->body.ahead = slice_skip(w->body.ahead, used);
    return e == ERR_OK;
}

void work_run(int socket)
{
    struct work w = {.socket = socket};
    buf_init(&w.in, ITEM_FRAME_MAX + 4 * WORK_CHUNK);
    buf_init(&w.answers, 4u * 1024 * 1024);
    w.batch = maildir_batch_open();
    w.body = (struct work_body){.socket = socket, .chunk = malloc(WORK_ROOM)};
    struct item i;
    while (w.batch && w.body.chunk && item_wait(&w, &i)) {
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
