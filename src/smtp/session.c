/* SPDX-License-Identifier: ISC */
#include "smtp/session.h"

#include <assert.h>

#include "smtp/reply.h"

void smtp_session_push(struct smtp_server *s, enum smtp_server_event_kind kind, slice text)
{
    assert(s->queue_count < SMTP_QUEUE);
    s->queue[(s->queue_head + s->queue_count) % SMTP_QUEUE] = (struct smtp_queued){kind, text, STATUS_OK};
    s->queue_count++;
}

void smtp_session_tell(struct smtp_server *s, enum status status, slice verb)
{
    smtp_session_push(s, SMTP_SERVER_REFUSED, verb);
    s->queue[(s->queue_head + s->queue_count - 1) % SMTP_QUEUE].status = status;
}

void smtp_session_ask(struct smtp_server *s, enum smtp_server_event_kind kind, slice text)
{
    assert(!s->waits);
    smtp_session_push(s, kind, text);
    s->waits = true;
    s->waits_for = kind;
}

void smtp_session_written(struct smtp_server *s)
{
    s->since_ms = s->now_ms;
    if (!buf_ok(&s->out)) {
        s->no_memory = true;
        smtp_session_end(s, SLICE("out of memory"));
    }
}

static void write_reply(struct smtp_server *s, const struct verdict *v)
{
    smtp_reply_write(&s->out, v,
                     (s->bare_replies ? 0U : SMTP_REPLY_ENHANCED) | (s->utf8_replies ? SMTP_REPLY_UTF8 : 0U));
    smtp_session_written(s);
}

static bool count_error(struct smtp_server *s, const struct verdict *v)
{
    /* a 452 asks for more patience than the client can be blamed for */
    if (v->code < 400 || v->code == 421 || v->code == 452)
        return false;
    s->errors++;
    return s->o->max_errors > 0 && s->errors >= s->o->max_errors;
}

void smtp_session_reply(struct smtp_server *s, const struct verdict *v)
{
    if (s->in == SMTP_IN_CLOSED)
        return;
    if (count_error(s, v)) {
        smtp_session_fail(s, STATUS_TOO_MANY_ERRORS, SLICE_NONE, SLICE("too many errors"));
        return;
    }
    write_reply(s, v);
    if (v->code == 421)
        smtp_session_end(s, SLICE("refused with 421"));
}

void smtp_session_reply_message(struct smtp_server *s, const struct verdict *v)
{
    if (s->in == SMTP_IN_CLOSED)
        return;
    write_reply(s, v);
    if (v->code == 421)
        smtp_session_end(s, SLICE("refused with 421"));
    else if (count_error(s, v))
        smtp_session_fail(s, STATUS_TOO_MANY_ERRORS, SLICE_NONE, SLICE("too many errors"));
}

void smtp_session_repeat(struct smtp_server *s, const struct verdict *v)
{
    if (s->in != SMTP_IN_CLOSED)
        write_reply(s, v);
}

void smtp_session_status(struct smtp_server *s, enum status status)
{
    struct verdict v = status_verdict(status);
    smtp_session_reply(s, &v);
}

void smtp_session_say(struct smtp_server *s, enum status status, slice text)
{
    struct verdict v = status_verdict_text(status, text);
    smtp_session_reply(s, &v);
}

void smtp_session_ok(struct smtp_server *s, uint16_t code, slice text)
{
    struct verdict v = {.code = code, .text = text};
    smtp_session_reply(s, &v);
}

void smtp_session_fail(struct smtp_server *s, enum status status, slice text, slice why)
{
    if (s->in == SMTP_IN_CLOSED)
        return;
    struct verdict v = text.len > 0 ? status_verdict_text(status, text) : status_verdict(status);
    s->bare_replies = false;
    write_reply(s, &v);
    smtp_session_end(s, why);
}

void smtp_session_end(struct smtp_server *s, slice why)
{
    if (s->in == SMTP_IN_CLOSED)
        return;
    smtp_session_reset(s);
    s->in = SMTP_IN_CLOSED;
    s->waits = false;
    smtp_session_wipe(&s->line);
    smtp_session_push(s, SMTP_SERVER_CLOSE, why);
}

void smtp_session_reset(struct smtp_server *s)
{
    if (s->dialogue != SMTP_TRANSACTION)
        return;
    s->dialogue = SMTP_READY;
    smtp_session_push(s, SMTP_SERVER_RESET, SLICE_NONE);
}

void smtp_session_forget(struct smtp_server *s)
{
    smtp_session_reset(s);
    s->chunks_failed = false;
}

int64_t smtp_session_timeout(const struct smtp_server *s, int64_t ms)
{
    return ms / 100 * s->percent + ms % 100 * s->percent / 100;
}

slice smtp_session_mechanisms(const struct smtp_server *s)
{
    return s->mechanisms.ptr ? s->mechanisms : s->o->auth_mechanisms;
}

int64_t smtp_session_unix_s(const struct smtp_server *s)
{
    return (s->clock_ms + s->now_ms) / 1000;
}

bool smtp_session_between_chunks(const struct smtp_server *s)
{
    return s->dialogue == SMTP_TRANSACTION && s->chunking && s->in == SMTP_IN_COMMAND;
}

void smtp_session_boundary(struct smtp_server *s)
{
    if (s->shutting_down && s->in == SMTP_IN_COMMAND && !s->waits && s->line_total == 0 &&
        !smtp_session_between_chunks(s))
        smtp_session_fail(s, STATUS_SHUTTING_DOWN, SLICE_NONE, SLICE("shutdown"));
}

slice smtp_session_hold(struct smtp_server *s, slice text)
{
    text = slice_sub(text, 0, SMTP_HELD);
    if (text.len > 0)
        memcpy(s->held, text.ptr, text.len);
    return slice_of(s->held, text.len);
}

void smtp_session_wipe(buf *b)
{
    volatile char *p = b->ptr;
    for (size_t i = 0; i < b->len; i++)
        p[i] = 0;
    buf_release(b);
}
