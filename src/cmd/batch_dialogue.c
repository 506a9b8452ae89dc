/* SPDX-License-Identifier: ISC */
#include "cmd/batch_dialogue.h"

#define TAG_MAX 128
#define SHOWN_MAX 1024

static void stop(struct batch_session *s, enum err e, const struct verdict *v)
{
    if (s->stopped != ERR_OK)
        return;
    s->stopped = e;
    buf_clear(&s->why);
    if (v)
        status_print(&s->why, v);
    else
        buf_append(&s->why, slice_str(err_text(e)));
}

void batch_dialogue_say(struct batch_session *s, slice reply)
{
    s->ops->reply(s->ops->ctx, reply);
    s->ops->reply(s->ops->ctx, SLICE("\n"));
}

void batch_dialogue_show(struct batch_session *s, slice command)
{
    char memory[4 * SHOWN_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append_escaped(&b, slice_sub(command, 0, SHOWN_MAX));
    batch_dialogue_say(s, buf_slice(&b));
}

void batch_dialogue_abandon(struct batch_session *s)
{
    if (s->mail > 0)
        s->server->abandon(s->server->ctx);
    s->mail = 0;
}

/* --- questions to the real server --- */

/* "Later" about one command would be a hole in the job: the whole job waits instead. */
static struct verdict ask(struct batch_session *s, slice line)
{
    struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
    enum err e = s->server->command(s->server->ctx, line, &v);
    if (e != ERR_OK)
        stop(s, e, NULL);
    else if (verdict_class(&v) == VERDICT_TEMPORARY)
        stop(s, ERR_AGAIN, &v);
    return v;
}

static struct verdict ask_mail(struct batch_session *s, const struct smtp_server_event *e)
{
    char tag_memory[TAG_MAX], memory[BATCH_SESSION_COMMAND_MAX + TAG_MAX];
    buf tag, line;
    buf_init_fixed(&tag, tag_memory, sizeof tag_memory);
    buf_init_fixed(&line, memory, sizeof memory);
    buf_printf(&tag, "%.*s/%llu", SLICE_ARG(s->job), (unsigned long long)s->line);
    buf_append(&line, slice_trim(buf_slice(&s->command)));
    buf_printf(&line, " XTAG=%.*s", SLICE_ARG(buf_slice(&tag)));
    buf_clear(&s->sender);
    address_print(&s->sender, e->path);
    enum err failed = s->ops->begin(s->ops->ctx, s->line, buf_slice(&tag));
    if (failed != ERR_OK) {
        stop(s, failed, NULL);
        return status_verdict(STATUS_LOCAL_ERROR);
    }
    struct verdict v = ask(s, buf_slice(&line));
    if (verdict_ok(&v))
        s->mail = s->line;
    return v;
}

static struct verdict ask_rcpt(struct batch_session *s, const struct smtp_server_event *e)
{
    char memory[BATCH_SESSION_COMMAND_MAX];
    buf address;
    struct verdict v = ask(s, slice_trim(buf_slice(&s->command)));
    if (s->stopped != ERR_OK || !verdict_ok(&v))
        return v;
    buf_init_fixed(&address, memory, sizeof memory);
    address_print(&address, e->path);
    s->ops->recipient(s->ops->ctx, s->line, buf_slice(&address));
    return v;
}

/* The engine's own 354 follows when the server has said its. */
static struct verdict ask_data(struct batch_session *s)
{
    struct verdict v = ask(s, SLICE("DATA"));
    if (s->stopped != ERR_OK || v.code != 354)
        return v;
    s->text = true;
    return status_verdict(STATUS_OK);
}

/* "2.0.0 Ok: queued as ID" */
static slice queue_id(slice text)
{
    ptrdiff_t space = slice_rfind_char(text, ' ');
    return slice_skip(text, (size_t)(space + 1));
}

static struct verdict ask_end(struct batch_session *s)
{
    struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
    uint64_t line = s->mail;
    enum err e = s->server->end(s->server->ctx, &v);
    if (e != ERR_OK)
        stop(s, e, NULL);
    else if (verdict_class(&v) == VERDICT_TEMPORARY)
        stop(s, ERR_AGAIN, &v);
    s->mail = 0;
    if (s->stopped == ERR_OK && !verdict_ok(&v))
        s->ops->lost(s->ops->ctx, line);
    return v;
}

/* --- replies --- */

static bool is_syntax(const struct batch_session *s, uint64_t code)
{
    if (s->asked || s->text)
        return false;
    if (code == 503 && s->failed > 0)
        return false;
    return (code >= 500 && code <= 504) || code == 555;
}

static void judge(struct batch_session *s, slice reply)
{
    uint64_t code = 0;
    if (slice_to_u64(slice_sub(reply, 0, 3), 999, &code) != ERR_OK || code < 400)
        return;
    bool syntax = is_syntax(s, code), mail = slice_starts_nocase(buf_slice(&s->command), SLICE("MAIL"));
    bool follows = !syntax && !s->asked && !s->text && code == 503;
    if (!follows)
        s->ops->refused(s->ops->ctx, s->line, buf_slice(&s->command), reply, syntax);
    if (mail && !s->text) {
        s->failed = s->line;
        s->ops->lost(s->ops->ctx, s->line);
    }
}

/* Extensions that a file of lines cannot use. */
static bool is_not_here(slice line)
{
    slice word = slice_skip(line, 4);
    return slice_starts(line, SLICE("250-")) &&
           (slice_equal(word, SLICE("CHUNKING")) || slice_equal(word, SLICE("BINARYMIME")));
}

/* Replies of several lines are one for whoever counts: the last has a space behind its code. */
void batch_dialogue_reply(struct batch_session *s)
{
    slice out = smtp_server_output(s->engine), line, rest = out;
    while (slice_cut(rest, '\n', &line, &rest)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (s->stopped == ERR_OK && !is_not_here(line))
            batch_dialogue_say(s, line);
        if (s->stopped == ERR_OK && (line.len < 4 || line.ptr[3] != '-'))
            judge(s, line);
    }
    smtp_server_sent(s->engine, out.len);
}

/* --- events --- */

/* The record of it says how long the reply file was with this reply in it. */
static void mail_taken(struct batch_session *s, const struct verdict *v)
{
    batch_dialogue_reply(s);
    enum err e = s->ops->taken(s->ops->ctx, buf_slice(&s->sender), queue_id(v->text));
    if (e != ERR_OK)
        stop(s, e, NULL);
}

static bool is_answered(enum smtp_server_event_kind kind)
{
    return kind == SMTP_SERVER_MAIL || kind == SMTP_SERVER_RCPT || kind == SMTP_SERVER_DATA ||
           kind == SMTP_SERVER_BODY_END || kind == SMTP_SERVER_VRFY || kind == SMTP_SERVER_EXPN;
}

static struct verdict question(struct batch_session *s, const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SMTP_SERVER_MAIL:
        return ask_mail(s, e);
    case SMTP_SERVER_RCPT:
        return ask_rcpt(s, e);
    case SMTP_SERVER_DATA:
        return ask_data(s);
    case SMTP_SERVER_BODY_END:
        return ask_end(s);
    default: /* VRFY, EXPN */
        return ask(s, slice_trim(buf_slice(&s->command)));
    }
}

static void on_body(struct batch_session *s, slice piece)
{
    enum err e = s->stopped == ERR_OK ? s->server->content(s->server->ctx, piece) : ERR_OK;
    if (e != ERR_OK)
        stop(s, e, NULL);
}

/* The engine gives a transaction up by itself: RSET, HELO, or a message that is too much for it. */
static void on_reset(struct batch_session *s)
{
    if (s->mail > 0)
        s->ops->lost(s->ops->ctx, s->mail);
    batch_dialogue_abandon(s);
}

static void on_event(struct batch_session *s, const struct smtp_server_event *e)
{
    struct verdict ok = status_verdict(STATUS_OK);
    if (is_answered(e->kind)) {
        s->asked = true;
        struct verdict v = question(s, e);
        smtp_server_answer(s->engine, 0, &v);
        if (e->kind == SMTP_SERVER_BODY_END && s->stopped == ERR_OK && verdict_ok(&v))
            mail_taken(s, &v);
        return;
    }
    switch (e->kind) {
    case SMTP_SERVER_CONNECT:
        smtp_server_answer(s->engine, 0, &ok);
        break;
    case SMTP_SERVER_HELO:
        buf_clear(&s->helo);
        buf_append(&s->helo, buf_slice(&s->command));
        smtp_server_answer(s->engine, 0, &ok);
        break;
    case SMTP_SERVER_BODY:
        on_body(s, e->text);
        break;
    case SMTP_SERVER_RESET:
        on_reset(s);
        break;
    default:
        if (smtp_server_waits(s->engine)) {
            struct verdict no = status_verdict(STATUS_NOT_IMPLEMENTED);
            smtp_server_answer(s->engine, 0, &no);
        }
        break;
    }
}

static void step(struct batch_session *s)
{
    struct smtp_server_event e;
    bool closed = false;
    while (s->stopped == ERR_OK && !closed && smtp_server_next(s->engine, &e)) {
        closed = e.kind == SMTP_SERVER_CLOSE;
        on_event(s, &e);
    }
    batch_dialogue_reply(s);
    if (!closed || s->stopped != ERR_OK)
        return;
    /* A job may be several sessions, one behind the other. */
    smtp_server_close(&s->engine);
    buf_clear(&s->helo);
    enum err failed = batch_dialogue_open(s);
    if (failed != ERR_OK)
        stop(s, failed, NULL);
}

void batch_dialogue_feed(struct batch_session *s, slice bytes)
{
    while (bytes.len > 0 && s->stopped == ERR_OK) {
        size_t used = 0;
        enum err e = smtp_server_feed(s->engine, 0, bytes, &used);
        if (e != ERR_OK)
            stop(s, e, NULL);
        step(s);
        bytes = slice_skip(bytes, used);
    }
}

/* The greeting is shown with the first command, so that a file's end is no new session. */
enum err batch_dialogue_open(struct batch_session *s)
{
    struct smtp_server_event e;
    struct verdict ok = status_verdict(STATUS_OK);
    enum err failed = smtp_server_open(&s->options, 0, &s->engine);
    if (failed != ERR_OK)
        return failed;
    smtp_server_start_secured(s->engine);
    smtp_server_trust(s->engine);
    if (smtp_server_next(s->engine, &e))
        smtp_server_answer(s->engine, 0, &ok);
    return ERR_OK;
}

enum err batch_dialogue_repeat(struct batch_session *s, slice command)
{
    struct smtp_server_event e;
    struct verdict ok = status_verdict(STATUS_OK);
    const slice pieces[] = {command, SLICE("\r\n")};
    for (size_t i = 0; i < 2; i++) {
        size_t used = 0;
        enum err failed = smtp_server_feed(s->engine, 0, pieces[i], &used);
        if (failed != ERR_OK)
            return failed;
        while (smtp_server_next(s->engine, &e)) {
            if (smtp_server_waits(s->engine))
                smtp_server_answer(s->engine, 0, &ok);
        }
    }
    smtp_server_sent(s->engine, smtp_server_output(s->engine).len);
    return ERR_OK;
}
