/* SPDX-License-Identifier: ISC */
/* mbox, and the files of alias targets. The file is locked (fcntl, not waiting: a locked mailbox is tried again later), appended to, synced, and cut back to
 * where it was if anything fails. */
#include "proc/deliver/work.h"

struct mbox {
    int fd;
    uint64_t begin, at;
    bool line_start; /* so far there are only ">" on this line, and `held` */
    bool ended;      /* the last byte written was an LF */
    size_t held;     /* bytes of "From " that have been seen and not written yet */
    buf quoted;
};

static enum err put(struct mbox *m, slice s)
{
    enum err e = os_pwrite(m->fd, s, m->at);
    if (e == ERR_OK)
        m->at += s.len;
    if (s.len > 0)
        m->ended = s.ptr[s.len - 1] == '\n';
    return e;
}

#define FROM SLICE("From ")

static void held_put(struct mbox *m)
{
    buf_append(&m->quoted, slice_sub(FROM, 0, m->held));
    m->held = 0;
}

/* "From " at a line's start, with any number of > before it, gets one more > (mboxrd): readers can undo it. A piece may end anywhere, so what may become such a line is held back. */
static void quote_char(struct mbox *m, char c)
{
    if (c == FROM.ptr[m->held]) {
        if (++m->held < FROM.len)
            return;
        buf_append_char(&m->quoted, '>');
        held_put(m);
        m->line_start = false;
        return;
    }
    bool more = c == '>' && m->held == 0;
    held_put(m);
    buf_append_char(&m->quoted, c);
    m->line_start = more || c == '\n';
}

static void quote(struct mbox *m, slice piece)
{
    while (piece.len > 0) {
        if (m->line_start) {
            quote_char(m, piece.ptr[0]);
            piece = slice_skip(piece, 1);
            continue;
        }
        ptrdiff_t nl = slice_find_char(piece, '\n');
        slice line = nl < 0 ? piece : slice_sub(piece, 0, (size_t)nl + 1);
        buf_append(&m->quoted, line);
        m->line_start = nl >= 0;
        piece = slice_skip(piece, line.len);
    }
}

static enum err put_piece(struct mbox *m, slice piece)
{
    buf_clear(&m->quoted);
    quote(m, piece);
    return buf_ok(&m->quoted) ? put(m, buf_slice(&m->quoted)) : ERR_NOMEM;
}

/* The content's end: with an empty line after it. */
static enum err put_end(struct mbox *m)
{
    bool fresh = m->line_start && m->held == 0 && m->ended;
    buf_clear(&m->quoted);
    held_put(m);
    buf_append(&m->quoted, fresh ? SLICE("\n") : SLICE("\n\n"));
    return put(m, buf_slice(&m->quoted));
}

static enum err put_from_line(struct mbox *m, const struct item *i)
{
    buf b;
    char memory[512];
    buf_init_fixed(&b, memory, sizeof memory);
    /* The classic date of this line, in UTC: "Sat Nov 21 19:08:35 2026". */
    char date_memory[64];
    buf date;
    buf_init_fixed(&date, date_memory, sizeof date_memory);
    date_print_rfc5322(&date, os_wall_s(), 0);
    slice d = buf_slice(&date);
    ptrdiff_t comma = slice_find_char(d, ',');
    slice rest = slice_skip(d, (size_t)comma + 2), day, month, year, clock;
    (void)slice_cut(rest, ' ', &day, &rest);
    (void)slice_cut(rest, ' ', &month, &rest);
    (void)slice_cut(rest, ' ', &year, &rest);
    (void)slice_cut(rest, ' ', &clock, &rest);
    slice sender = i->sender.len > 0 && slice_find_char(i->sender, ' ') < 0 ? slice_sub(i->sender, 0, 320)
                                                                            : SLICE("MAILER-DAEMON");
    buf_printf(&b, "From %.*s %.*s %.*s %2.*s %.*s %.*s\n", SLICE_ARG(sender), SLICE_ARG(slice_sub(d, 0, 3)),
               SLICE_ARG(month), SLICE_ARG(day), SLICE_ARG(clock), SLICE_ARG(year));
    return put(m, buf_slice(&b));
}

static enum err write_message(struct mbox *m, const struct item *i, struct work_body *body)
{
    enum err e = put_from_line(m, i);
    m->line_start = true;
    for (slice piece = work_body_next(body); e == ERR_OK && piece.len > 0; piece = work_body_next(body))
        e = put_piece(m, piece);
    if (e == ERR_OK && body->gone)
        e = ERR_CLOSED;
    if (e == ERR_OK)
        e = put_end(m);
    if (e == ERR_OK)
        e = os_fsync(m->fd);
    return e;
}

static enum err folder_sync(slice path)
{
    ptrdiff_t slash = slice_rfind_char(path, '/');
    if (slash < 0)
        return ERR_OK;
    int dir = -1;
    enum err e = os_open(AT_FDCWD, slice_sub(path, 0, slash ? (size_t)slash : 1), O_RDONLY | O_DIRECTORY, 0, &dir);
    if (e == ERR_OK)
        e = os_fsync(dir);
    os_close(&dir);
    return e;
}

/* Not waiting in the open either: a FIFO that nobody reads. */
static enum err open_locked(struct mbox *m, slice path)
{
    struct os_file_stamp before, stamp, after;
    bool fresh = os_file_stamp(AT_FDCWD, path, false, &before) == ERR_NOTFOUND;
    enum err e = os_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_NONBLOCK, 0600, &m->fd);
    if (e == ERR_OK)
        e = os_fd_stamp(m->fd, &stamp);
    if (e == ERR_OK && !stamp.is_regular)
        e = ERR_PERMISSION;
    if (e == ERR_OK)
        e = os_lockf(m->fd);
    /* A reader may have put another file in its place before the lock was ours; and it may have grown. */
    if (e == ERR_OK)
        e = os_file_stamp(AT_FDCWD, path, false, &after);
    if (e == ERR_OK && (after.inode != stamp.inode || after.device != stamp.device))
        e = ERR_AGAIN;
    if (e != ERR_OK)
        return e;
    m->begin = m->at = after.size;
    return fresh ? folder_sync(path) : ERR_OK;
}

struct verdict mbox_deliver(const struct item *i, struct work_body *body)
{
    struct mbox m = {.fd = -1};
    if (slice_equal(i->path, SLICE("/dev/null")))
        return status_verdict_text(STATUS_DELIVERED, SLICE("discarded"));
    buf_init(&m.quoted, 4u * WORK_CHUNK);
    enum err e = open_locked(&m, i->path);
    if (e == ERR_NOTFOUND) {
        ptrdiff_t slash = slice_rfind_char(i->path, '/');
        if (slash > 0 && os_mkdir_all(slice_sub(i->path, 0, (size_t)slash), 0700) == ERR_OK)
            e = open_locked(&m, i->path);
    }
    if (e == ERR_OK) {
        e = write_message(&m, i, body);
        if (e != ERR_OK && os_ftruncate(m.fd, m.begin) != ERR_OK)
            log_line(LOG_ERROR, "%.*s: half a message is at its end and could not be cut off", SLICE_ARG(i->path));
    }
    os_close(&m.fd);
    buf_deinit(&m.quoted);
    if (e != ERR_OK)
        return work_verdict(e, i->path);
    return status_verdict_text(STATUS_DELIVERED,
                               i->kind == ITEM_MBOX ? SLICE("delivered to mailbox") : SLICE("delivered to file"));
}
