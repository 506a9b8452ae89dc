/* SPDX-License-Identifier: ISC */
#include "smtp/server.h"

#include <assert.h>

#include "smtp/reply.h"
#include "smtp/session.h"
#include "smtp/verbs.h"

enum { SCRATCH_MAX = 8192, OUTPUT_FIRST = 512 /* holds the reply to EHLO */, OUTPUT_KEPT = 1024 };

void smtp_server_renew(struct smtp_server *s, const struct smtp_server_options *o, int64_t now_ms)
{
    struct arena memory = s->memory;
    buf out = s->out;
    *s = (struct smtp_server){.o = o, .memory = memory, .out = out};
    s->in = SMTP_IN_COMMAND;
    s->dialogue = SMTP_NEW;
    s->now_ms = now_ms;
    s->since_ms = now_ms;
    arena_init(&s->scratch, SCRATCH_MAX);
    buf_init(&s->line, SMTP_LINE_KEPT_MAX);
    buf_init(&s->secret, SMTP_LINE_KEPT_MAX);
    s->out.max = o->lmtp ? SMTP_OUTPUT_LMTP_MAX : SMTP_OUTPUT_MAX;
    (void)buf_reserve(&s->out, OUTPUT_FIRST); /* at once what it would grow to; without memory the greeting fails */
    s->percent = 100;
    smtp_session_ask(s, SMTP_SERVER_CONNECT, SLICE_NONE);
}

enum err smtp_server_open(const struct smtp_server_options *o, int64_t now_ms, struct smtp_server **server_r)
{
    struct arena memory;
    arena_init(&memory, sizeof(struct smtp_server) + 64);
    struct smtp_server *s = arena_alloc(&memory, sizeof *s);
    if (!s) {
        arena_deinit(&memory);
        return ERR_NOMEM;
    }
    s->memory = memory;
    smtp_server_renew(s, o, now_ms);
    *server_r = s;
    return ERR_OK;
}

void smtp_server_rest(struct smtp_server *s)
{
    smtp_session_wipe(&s->line);
    smtp_session_wipe(&s->secret);
    arena_deinit(&s->scratch);
    buf_clear(&s->out);
    if (s->out.cap > OUTPUT_KEPT)
        buf_release(&s->out);
}

void smtp_server_close(struct smtp_server **server)
{
    struct smtp_server *s = *server;
    *server = NULL;
    if (!s)
        return;
    smtp_server_rest(s);
    buf_deinit(&s->out);
    struct arena memory = s->memory;
    arena_deinit(&memory);
}

static bool reads(const struct smtp_server *s)
{
    return !s->waits && s->queue_count < SMTP_QUEUE_PAUSE && s->out.len < SMTP_OUTPUT_PAUSE;
}

enum err smtp_server_feed(struct smtp_server *s, int64_t now_ms, slice in, size_t *used_r)
{
    slice rest = in;
    s->now_ms = now_ms;
    /* events of an earlier feed look into an earlier input: they are pulled first */
    bool pulled = s->queue_count == 0;
    while (pulled && rest.len > 0 && reads(s) && s->in < SMTP_IN_TLS) {
        if (s->in == SMTP_IN_CONTENT)
            smtp_content_take(s, &rest);
        else if (s->in == SMTP_IN_CHUNK)
            smtp_chunk_take(s, &rest);
        else
            smtp_line_take(s, &rest);
        smtp_session_boundary(s);
    }
    /* nothing from before the handshake is ever read as if it came after (CVE-2011-0411) */
    if (s->in >= SMTP_IN_TLS)
        rest.len = 0;
    *used_r = in.len - rest.len;
    return s->no_memory ? ERR_NOMEM : ERR_OK;
}

/* What an event that waits for its answer is about lies in the session. */
static void describe(const struct smtp_server *s, struct smtp_server_event *e)
{
    static const struct smtp_mail_parameters no_mail;
    static const struct smtp_rcpt_parameters no_rcpt;
    switch (e->kind) {
    case SMTP_SERVER_HELO:
        e->esmtp = s->esmtp;
        break;
    case SMTP_SERVER_MAIL:
        e->size = s->size;
        e->envelope_flags = s->envelope_flags;
        e->path = s->path;
        e->mail = s->mail ? s->mail : &no_mail;
        break;
    case SMTP_SERVER_RCPT:
        e->path = s->path;
        e->rcpt = s->rcpt ? s->rcpt : &no_rcpt;
        break;
    case SMTP_SERVER_REFUSED:
        e->path = s->path;
        break;
    case SMTP_SERVER_DATA:
        e->chunking = s->chunking;
        break;
    case SMTP_SERVER_AUTH:
    case SMTP_SERVER_AUTH_RESPONSE:
        e->mechanism = s->asked;
        e->initial = s->initial;
        break;
    case SMTP_SERVER_BODY_END:
        e->facts = &s->facts;
        break;
    case SMTP_SERVER_VRFY:
    case SMTP_SERVER_EXPN:
        e->envelope_flags = s->utf8_replies ? ENVELOPE_SMTPUTF8 : 0;
        break;
    case SMTP_SERVER_XCLIENT:
    case SMTP_SERVER_XFORWARD:
        e->peer = s->peer;
        break;
    default:
        break;
    }
}

bool smtp_server_next(struct smtp_server *s, struct smtp_server_event *event_r)
{
    if (s->queue_count == 0)
        return false;
    struct smtp_queued q = s->queue[s->queue_head];
    s->queue_head = (uint8_t)((s->queue_head + 1) % SMTP_QUEUE);
    s->queue_count--;
    *event_r = (struct smtp_server_event){.kind = q.kind, .text = q.text, .status = q.status};
    describe(s, event_r);
    return true;
}

void smtp_greet(struct smtp_server *s, const struct verdict *v)
{
    char text[1024];
    buf b;
    slice welcome = s->o->lmtp ? SLICE("LMTP Thurn") : SLICE("ESMTP Thurn");
    buf_init_fixed(&b, text, sizeof text);
    buf_append(&b, slice_sub(s->o->hostname, 0, SMTP_NAME_MAX));
    buf_append_char(&b, ' ');
    buf_append(&b, verdict_ok(v) ? welcome : slice_sub(v->text, 0, sizeof text / 2));
    s->bare_replies = true;
    smtp_session_ok(s, verdict_ok(v) ? 220 : v->code, buf_slice(&b));
}

static void answer_connect(struct smtp_server *s, const struct verdict *v)
{
    smtp_greet(s, v);
    if (!verdict_ok(v))
        smtp_session_end(s, SLICE("refused"));
}

static void answer_plain(struct smtp_server *s, const struct verdict *v)
{
    s->peer = NULL;
    smtp_session_reply(s, v);
}

/* Ordered as enum smtp_server_event_kind; NULL: an event without answer. */
static void (*const answers[])(struct smtp_server *s, const struct verdict *v) = {
    [SMTP_SERVER_CONNECT] = answer_connect,     [SMTP_SERVER_HELO] = smtp_verb_helo_answer,
    [SMTP_SERVER_MAIL] = smtp_verb_mail_answer, [SMTP_SERVER_RCPT] = smtp_verb_rcpt_answer,
    [SMTP_SERVER_DATA] = smtp_verb_data_answer, [SMTP_SERVER_BODY_END] = smtp_content_answer,
    [SMTP_SERVER_AUTH] = smtp_verb_auth_answer, [SMTP_SERVER_AUTH_RESPONSE] = smtp_verb_auth_answer,
    [SMTP_SERVER_VRFY] = answer_plain,          [SMTP_SERVER_EXPN] = answer_plain,
    [SMTP_SERVER_ETRN] = answer_plain,          [SMTP_SERVER_XCLIENT] = smtp_verb_xclient_answer,
    [SMTP_SERVER_XFORWARD] = answer_plain,      [SMTP_SERVER_CLOSE] = NULL,
};

void smtp_server_answer(struct smtp_server *s, int64_t now_ms, const struct verdict *v)
{
    s->now_ms = now_ms;
    if (s->in == SMTP_IN_CLOSED)
        return;
    assert(smtp_server_waits(s) && answers[s->waits_for]);
    s->waits = false;
    answers[s->waits_for](s, v);
    s->bare_replies = false;
    smtp_session_boundary(s);
}

void smtp_server_trust(struct smtp_server *s)
{
    s->trusted = true;
}

void smtp_server_permit(struct smtp_server *s, uint32_t permits)
{
    s->permits |= permits;
}

void smtp_server_mechanisms(struct smtp_server *s, slice mechanisms)
{
    s->mechanisms = mechanisms.ptr ? mechanisms : SLICE("");
}

void smtp_server_hurry(struct smtp_server *s, uint32_t percent)
{
    s->percent = percent;
}

void smtp_server_clock(struct smtp_server *s, int64_t now_ms, int64_t unix_s)
{
    s->clock_told = true;
    s->clock_ms = unix_s * 1000 - now_ms;
}

void smtp_server_start_secured(struct smtp_server *s)
{
    s->secured = true;
}

bool smtp_server_is_secured(const struct smtp_server *s)
{
    return s->secured;
}

uint32_t smtp_server_errors(const struct smtp_server *s)
{
    return s->errors;
}

/* The event that asks is the last in the queue: before it was pulled, nobody can know the answer. */
bool smtp_server_waits(const struct smtp_server *s)
{
    return s->waits && s->queue_count == 0;
}

slice smtp_server_output(const struct smtp_server *s)
{
    return buf_slice(&s->out);
}

void smtp_server_sent(struct smtp_server *s, size_t n)
{
    buf_consume(&s->out, n);
    if (s->out.len == 0 && s->out.cap > OUTPUT_KEPT)
        buf_release(&s->out);
}

static bool in_content(const struct smtp_server *s)
{
    return s->in == SMTP_IN_CONTENT || s->in == SMTP_IN_CHUNK || smtp_session_between_chunks(s);
}

int64_t smtp_server_deadline(const struct smtp_server *s)
{
    if (s->waits || s->in == SMTP_IN_CLOSED)
        return INT64_MAX;
    if (in_content(s))
        return smtp_content_deadline(s);
    int64_t timeout = s->o->command_timeout_ms;
    return timeout > 0 ? s->since_ms + smtp_session_timeout(s, timeout) : INT64_MAX;
}

void smtp_server_tick(struct smtp_server *s, int64_t now_ms)
{
    s->now_ms = now_ms;
    if (now_ms < smtp_server_deadline(s))
        return;
    if (in_content(s))
        smtp_content_expire(s);
    else
        smtp_session_fail(s, STATUS_TIMEOUT, SLICE_NONE, SLICE("timeout"));
}

void smtp_server_shutdown(struct smtp_server *s, int64_t now_ms)
{
    s->now_ms = now_ms;
    s->shutting_down = true;
    smtp_session_boundary(s);
}

void smtp_server_lost(struct smtp_server *s)
{
    bool handed_over = s->waits && s->waits_for == SMTP_SERVER_BODY_END;
    bool begun = s->waits && s->waits_for == SMTP_SERVER_MAIL;
    if (handed_over)
        s->dialogue = SMTP_READY;
    else if (begun)
        s->dialogue = SMTP_TRANSACTION;
    smtp_session_end(s, SLICE("lost"));
}
