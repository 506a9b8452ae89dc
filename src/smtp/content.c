/* SPDX-License-Identifier: ISC */
#include "smtp/session.h"

enum { GRACE_DEFAULT_MS = 60000 };

void smtp_content_begin(struct smtp_server *s)
{
    if (s->in == SMTP_IN_CLOSED)
        return;
    if (s->chunking) {
        smtp_dot_init_chunks(&s->dot);
    } else {
        s->in = SMTP_IN_CONTENT;
        smtp_dot_init(&s->dot);
    }
    body_scan_init(&s->scan);
    s->content_size = 0;
    s->content_wire = 0;
    s->content_refused = STATUS_OK;
    s->content_since_ms = s->now_ms;
    s->content_piece_ms = s->now_ms;
}

/* The rest is swallowed to its true end: read as commands, it would be an attacker's. */
void smtp_content_refuse(struct smtp_server *s, enum status why)
{
    if (s->content_refused == STATUS_OK) {
        s->content_refused = why;
        smtp_session_tell(s, why, SLICE_NONE);
    }
    smtp_session_reset(s);
}

/* RFC 2033 section 4.2: LMTP says it for each recipient that was taken. */
static void reply_verdict(struct smtp_server *s, const struct verdict *v)
{
    uint32_t replies = s->o->lmtp ? s->recipients : 1;
    for (uint32_t i = 1; i < replies; i++)
        smtp_session_repeat(s, v);
    smtp_session_reply_message(s, v);
}

void smtp_content_end(struct smtp_server *s)
{
    s->in = SMTP_IN_COMMAND;
    s->messages++;
    s->facts = body_scan_end(&s->scan);
    if (s->content_refused == STATUS_OK && s->o->hops > 0 && s->facts.received > s->o->hops)
        smtp_content_refuse(s, STATUS_TOO_MANY_HOPS);
    if (s->content_refused == STATUS_OK) {
        smtp_session_ask(s, SMTP_SERVER_BODY_END, SLICE_NONE);
        return;
    }
    struct verdict v = status_verdict(s->content_refused);
    reply_verdict(s, &v);
    /* in a chunk nobody can be of another mind about where the message ends */
    if (s->content_refused == STATUS_BARE_NEWLINE && !s->chunking)
        smtp_session_end(s, SLICE("bare newline"));
}

/* Whether so many more bytes are content of a message that is still wanted. */
static bool is_wanted(struct smtp_server *s, size_t len)
{
    if (s->dot.bare && s->o->bare_newline_reject)
        smtp_content_refuse(s, STATUS_BARE_NEWLINE);
    s->content_size += len;
    if (s->o->max_size > 0 && s->content_size > s->o->max_size)
        smtp_content_refuse(s, STATUS_MESSAGE_TOO_BIG);
    return s->content_refused == STATUS_OK;
}

void smtp_content_run(struct smtp_server *s, const struct text_run *run)
{
    if (!is_wanted(s, run->text.len))
        return;
    body_scan_feed_run(&s->scan, run);
    smtp_session_push(s, SMTP_SERVER_BODY, run->text);
}

void smtp_content_bytes(struct smtp_server *s, slice bytes)
{
    if (!is_wanted(s, bytes.len))
        return;
    body_scan_feed(&s->scan, bytes);
    smtp_session_push(s, SMTP_SERVER_BODY, bytes);
}

void smtp_content_take(struct smtp_server *s, slice *in)
{
    size_t before = in->len;
    struct text_run run;
    enum smtp_dot_result result = smtp_dot_read(&s->dot, in, &run);
    s->content_wire += before - in->len;
    s->content_piece_ms = s->now_ms;
    if (result == SMTP_DOT_RUN)
        smtp_content_run(s, &run);
    else if (result == SMTP_DOT_END)
        smtp_content_end(s);
}

/* When the average would fall below the least rate. The pauses between chunks count. */
static int64_t rate_deadline(const struct smtp_server *s)
{
    int64_t grace = smtp_session_timeout(s, s->o->data_grace_ms > 0 ? s->o->data_grace_ms : GRACE_DEFAULT_MS);
    if (s->o->min_rate == 0)
        return INT64_MAX;
    uint64_t earned =
        s->content_wire / s->o->min_rate * 1000 + s->content_wire % s->o->min_rate * 1000 / s->o->min_rate;
    if (earned > INT64_MAX / 4)
        return INT64_MAX;
    return s->content_since_ms + ((int64_t)earned > grace ? (int64_t)earned : grace);
}

int64_t smtp_content_deadline(const struct smtp_server *s)
{
    int64_t rate = rate_deadline(s), silence = INT64_MAX;
    if (smtp_session_between_chunks(s)) {
        if (s->o->command_timeout_ms > 0)
            silence = s->since_ms + smtp_session_timeout(s, s->o->command_timeout_ms);
    } else if (s->o->data_timeout_ms > 0) {
        silence = s->content_piece_ms + smtp_session_timeout(s, s->o->data_timeout_ms);
    }
    return silence < rate ? silence : rate;
}

void smtp_content_expire(struct smtp_server *s)
{
    if (s->now_ms >= rate_deadline(s))
        smtp_session_fail(s, STATUS_TOO_SLOW, SLICE_NONE, SLICE("too slow"));
    else
        smtp_session_fail(s, STATUS_TIMEOUT, SLICE_NONE, SLICE("timeout"));
}

void smtp_content_answer(struct smtp_server *s, const struct verdict *v)
{
    s->dialogue = SMTP_READY;
    if (verdict_ok(v))
        s->errors = 0;
    reply_verdict(s, v);
}
