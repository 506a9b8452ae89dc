/* SPDX-License-Identifier: ISC */
#include "smtp/session.h"

#include "smtp/verbs.h"

enum { HTTP_PREFIX = 8 };

/* Length of what belongs to the line in hand: up to and with its end, or all. */
static size_t line_part(const struct smtp_server *s, slice in, bool *ended_r)
{
    size_t from = 0;
    for (;;) {
        ptrdiff_t at = slice_find_char(slice_skip(in, from), '\n');
        if (at < 0) {
            *ended_r = false;
            return in.len;
        }
        size_t end = from + (size_t)at;
        char before = end > 0 ? in.ptr[end - 1] : s->line_before;
        if (before == '\r' || !s->o->bare_newline_reject) {
            *ended_r = true;
            return end + 1;
        }
        from = end + 1;
    }
}

static slice without_end(slice line)
{
    line = slice_sub(line, 0, line.len - 1);
    return line.len > 0 && line.ptr[line.len - 1] == '\r' ? slice_sub(line, 0, line.len - 1) : line;
}

static void line_forget(struct smtp_server *s)
{
    smtp_session_wipe(&s->line);
    s->line_total = 0;
    s->line_before = 0;
    s->line_too_long = false;
}

static void line_swallow(struct smtp_server *s, slice piece, bool ended)
{
    if (!s->line_too_long) {
        s->line_too_long = true;
        buf_append(&s->line, slice_sub(piece, 0, HTTP_PREFIX));
        bool over = s->in == SMTP_IN_COMMAND && smtp_verb_refuse_unread(s, buf_slice(&s->line));
        smtp_session_wipe(&s->line);
        if (over)
            return;
    }
    if (s->line_total > SMTP_LINE_SWALLOW_MAX) {
        smtp_session_fail(s, STATUS_TOO_MANY_ERRORS, SLICE("Line too long, closing connection"), SLICE("endless line"));
    } else if (ended) {
        line_forget(s);
        s->in = SMTP_IN_COMMAND;
        smtp_session_status(s, STATUS_LINE_TOO_LONG);
    }
}

static void line_run(struct smtp_server *s, slice line)
{
    if (s->in == SMTP_IN_AUTH)
        smtp_verb_auth_response(s, line);
    else
        smtp_command_run(s, line);
}

void smtp_line_take(struct smtp_server *s, slice *in)
{
    bool ended;
    slice piece = slice_sub(*in, 0, line_part(s, *in, &ended));
    size_t max = s->in == SMTP_IN_AUTH ? SMTP_AUTH_LINE_MAX : s->o->max_line;
    if (max == 0)
        max = SMTP_COMMAND_LINE_DEFAULT;
    if (max > SMTP_LINE_KEPT_MAX)
        max = SMTP_LINE_KEPT_MAX;
    *in = slice_skip(*in, piece.len);
    s->line_total += piece.len;
    s->line_before = piece.ptr[piece.len - 1];
    if (s->line_total > max) {
        line_swallow(s, piece, ended);
        return;
    }
    /* most lines come whole, and are read where they lie */
    if (ended && s->line_total == piece.len) {
        s->line_total = 0;
        s->line_before = 0;
        line_run(s, without_end(piece));
        return;
    }
    buf_append(&s->line, piece);
    if (!buf_ok(&s->line)) {
        s->no_memory = true;
        smtp_session_fail(s, STATUS_NO_MEMORY_SESSION, SLICE_NONE, SLICE("out of memory"));
        return;
    }
    if (!ended)
        return;
    /* a verb may end the session, which releases the buffer: nothing of it is touched afterwards */
    buf kept = s->line;
    buf_init(&s->line, SMTP_LINE_KEPT_MAX);
    line_forget(s);
    line_run(s, without_end(buf_slice(&kept)));
    smtp_session_wipe(&kept);
}
