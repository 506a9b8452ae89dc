/* SPDX-License-Identifier: ISC */
/* mbox, and the files of alias targets. The file is locked (fcntl, not waiting: a locked mailbox is tried again later), appended to, synced, and cut back to
 * where it was if anything fails. */
#include "proc/deliver/work.h"

struct mbox {
    int fd;
    uint64_t begin, at;
    bool line_start;
    buf quoted;
};

static enum err put(struct mbox *m, slice s)
{
    enum err e = os_pwrite(m->fd, s, m->at);
    if (e == ERR_OK)
        m->at += s.len;
    return e;
}

/* "From " at a line's start, with any number of > before it, gets one more > (mboxrd): readers can undo it. */
static bool needs_quote(slice line)
{
    while (line.len > 0 && line.ptr[0] == '>')
        line = slice_skip(line, 1);
    return slice_starts(line, SLICE("From "));
}

static enum err put_piece(struct mbox *m, slice piece)
{
    buf_clear(&m->quoted);
    while (piece.len > 0) {
        ptrdiff_t nl = slice_find_char(piece, '\n');
        slice line = nl < 0 ? piece : slice_sub(piece, 0, (size_t)nl + 1);
        if (m->line_start && needs_quote(line))
            buf_append_char(&m->quoted, '>');
        buf_append(&m->quoted, line);
        m->line_start = nl >= 0;
        piece = slice_skip(piece, line.len);
    }
    return buf_ok(&m->quoted) ? put(m, buf_slice(&m->quoted)) : ERR_NOMEM;
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
        e = put(m, m->line_start ? SLICE("\n") : SLICE("\n\n"));
    if (e == ERR_OK)
        e = os_fsync(m->fd);
    return e;
}

static enum err open_locked(struct mbox *m, slice path)
{
    struct os_file_stamp before, stamp;
    bool fresh = os_file_stamp(AT_FDCWD, path, false, &before) == ERR_NOTFOUND;
    enum err e = os_open(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600, &m->fd);
    if (e == ERR_OK)
        e = os_lockf(m->fd);
    if (e == ERR_OK)
        e = os_fd_stamp(m->fd, &stamp);
    if (e != ERR_OK)
        return e;
    if (!stamp.is_regular)
        return ERR_PERMISSION;
    m->begin = m->at = stamp.size;
    ptrdiff_t slash = slice_rfind_char(path, '/');
    if (!fresh || slash <= 0)
        return ERR_OK;
    int dir = -1;
    e = os_open(AT_FDCWD, slice_sub(path, 0, (size_t)slash), O_RDONLY | O_DIRECTORY, 0, &dir);
    if (e == ERR_OK)
        e = os_fsync(dir);
    os_close(&dir);
    return e;
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
