/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

#include "cmd/command.h"

#define COMMAND_MAX 8192
#define ASKS_MAX 20000
#define WORDS_MAX 8192

static struct admission admission_of(const struct explanation *x)
{
    return (struct admission){x->house->conf, x->house->routes, x->listener, &x->session};
}

static bool has_null_mx(struct explanation *x)
{
    struct host hosts[DNS_RECORDS_MAX];
    size_t count;
    if (x->house->offline || !x->question.from_given)
        return false;
    x->mx_asked = true;
    enum lookup_status found = explain_mx_find(x->from.domain, true, &x->arena, hosts, &count);
    x->mx_unknown = found == LOOKUP_TEMPORARY;
    return found == LOOKUP_NULL_MX;
}

static bool lacks_space(struct explanation *x, uint64_t size)
{
    char memory[WORDS_MAX];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    bool lacks = child_space_lacks(x->house->conf, size, &why);
    x->space = explain_text(x, "%.*s", SLICE_ARG(buf_slice(&why)));
    return lacks;
}

static enum status judge_mail(struct explanation *x, const struct smtp_server_event *e)
{
    const struct admission a = admission_of(x);
    x->from = e->path;
    x->flags = e->envelope_flags;
    enum status status = admission_sender_path(x->house->conf, &x->arena, &x->from, &x->reverse_path);
    if (status != STATUS_OK)
        return status;
    x->trusted = route_session_trusted(x->house->routes, &x->session, x->from, &x->network);
    if (lacks_space(x, e->size))
        return STATUS_INSUFFICIENT_SPACE;
    status = admission_sender(&a, x->from, e->mail, x->trusted);
    if (status == STATUS_OK && admission_asks_mx(&a, x->from, x->trusted) && has_null_mx(x)) {
        x->null_mx = true;
        status = STATUS_NULL_MX_SENDER;
    }
    return status;
}

static enum resolve_answer ask(struct explanation *x, enum users_kind kind, slice user)
{
    const struct explain_house *h = x->house;
    slice full_name;
    if (child_user_impossible(user))
        return RESOLVE_NO;
    if (kind == USERS_SYSTEM)
        return child_user_system(user, &x->arena, &full_name);
    if (h->store)
        return child_user_account(h->store, user, &full_name);
    return h->store_err == ERR_NOTFOUND ? RESOLVE_NO : RESOLVE_UNKNOWN;
}

static enum status resolve(struct explanation *x)
{
    const struct admission a = admission_of(x);
    enum users_kind kind;
    slice user;
    enum resolve_step step = route_resolve_step(x->resolve, &kind, &user);
    for (int i = 0; step == RESOLVE_ASK && i < ASKS_MAX; i++) {
        route_resolve_answer(x->resolve, ask(x, kind, user));
        step = route_resolve_step(x->resolve, &kind, &user);
    }
    const struct resolve_result *result = route_resolve_result(x->resolve);
    if (step != RESOLVE_DONE)
        return step == RESOLVE_ASK ? STATUS_LOOKUP_UNAVAILABLE : result->status;
    x->result = result;
    return admission_resolved(&a, x->flags, result);
}

static enum status judge_rcpt(struct explanation *x, const struct smtp_server_event *e)
{
    const struct explain_house *h = x->house;
    const struct admission a = admission_of(x);
    x->to = e->path;
    /* the event's text is gone when it is answered */
    if (arena_copy(&x->arena, e->path.local, &x->to.local) != ERR_OK ||
        arena_copy(&x->arena, e->path.domain, &x->to.domain) != ERR_OK)
        return STATUS_LOCAL_ERROR;
    enum status status = admission_recipient_path(h->conf, h->routes, &x->arena, &x->to);
    if (status == STATUS_OK)
        status = admission_recipient(&a, x->from, x->to);
    if (status != STATUS_OK)
        return status;
    const struct resolve_request request = {.session = &x->session, .reverse_path = x->from, .recipient = x->to};
    if (route_resolve_begin(h->routes, &x->arena, &request, &x->resolve) != ERR_OK)
        return STATUS_TOO_MANY_RECIPIENTS;
    return resolve(x);
}

static void judge(struct explanation *x, struct smtp_server *s, const struct smtp_server_event *e)
{
    enum status status = STATUS_OK;
    if (e->kind == SMTP_SERVER_MAIL)
        status = judge_mail(x, e);
    else if (e->kind == SMTP_SERVER_RCPT)
        status = judge_rcpt(x, e);
    else if (e->kind != SMTP_SERVER_CONNECT && e->kind != SMTP_SERVER_HELO)
        return;
    x->status = status;
    struct verdict v = status_verdict(status);
    smtp_server_answer(s, 0, &v);
}

/* The last line of what the engine says: "550 5.7.1 Relaying denied". */
static void take_reply(struct explanation *x, struct smtp_server *s)
{
    slice out = smtp_server_output(s), line = SLICE_NONE, rest = out;
    while (rest.len > 0) {
        slice next;
        (void)slice_cut(rest, '\n', &next, &rest);
        line = next.len > 0 ? next : line;
    }
    uint64_t code = 0;
    slice text = SLICE_NONE;
    if (slice_to_u64(slice_sub(line, 0, 3), 599, &code) != ERR_OK ||
        arena_copy(&x->arena, slice_trim(slice_skip(line, 4)), &text) != ERR_OK)
        x->out_of_memory = true;
    x->verdict = status_verdict_of_reply((uint16_t)code, text);
    smtp_server_sent(s, out.len);
}

static bool say(struct explanation *x, struct smtp_server *s, const buf *command)
{
    slice in = buf_slice(command);
    struct smtp_server_event e;
    x->status = STATUS_COUNT;
    for (;;) {
        size_t used = 0;
        while (smtp_server_next(s, &e))
            judge(x, s, &e);
        if (in.len == 0)
            break;
        if (smtp_server_feed(s, 0, in, &used) != ERR_OK)
            x->out_of_memory = true;
        if (x->out_of_memory || used == 0)
            break;
        in = slice_skip(in, used);
    }
    take_reply(x, s);
    return verdict_ok(&x->verdict) && !x->out_of_memory;
}

/* A client that may say it does, when an address asks for it; unless the question has said so itself. */
static bool adds_smtputf8(const struct explain_question *q)
{
    slice rest = q->mail, word;
    while (rest.len > 0) {
        (void)slice_cut(rest, ' ', &word, &rest);
        if (slice_equal_nocase(word, SLICE("SMTPUTF8")))
            return false;
    }
    return !slice_is_ascii(q->from) || !slice_is_ascii(q->to);
}

static void dialogue(struct explanation *x, struct smtp_server *s)
{
    const struct explain_question *q = &x->question;
    char memory[COMMAND_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    x->at = "CONNECT";
    if (!say(x, s, &b))
        return;
    x->at = "EHLO";
    buf_printf(&b, "%s %.*s\r\n", x->listener && x->listener->role == CONF_LISTEN_LMTP ? "LHLO" : "EHLO",
               SLICE_ARG(q->helo.len > 0 ? q->helo : SLICE("client.example.net")));
    if (!say(x, s, &b))
        return;
    x->at = "MAIL";
    buf_clear(&b);
    buf_printf(&b, "MAIL FROM:<%.*s>%s%s%.*s\r\n", SLICE_ARG(q->from), adds_smtputf8(q) ? " SMTPUTF8" : "",
               q->mail.len > 0 ? " " : "", SLICE_ARG(q->mail));
    if (!buf_ok(&b) || !say(x, s, &b))
        return;
    x->at = "RCPT";
    buf_clear(&b);
    buf_printf(&b, "RCPT TO:<%.*s>\r\n", SLICE_ARG(q->to));
    if (buf_ok(&b))
        (void)say(x, s, &b);
}

bool explain_session_run(struct explanation *x)
{
    const struct conf_listener *l = x->listener;
    const struct admission a = admission_of(x);
    struct smtp_server_options options = admission_options(x->house->conf, l, false);
    struct smtp_server *s = NULL;
    if (smtp_server_open(&options, 0, &s) != ERR_OK)
        return false;
    if (x->secured)
        smtp_server_start_secured(s);
    if (admission_trusts(&a))
        smtp_server_trust(s);
    smtp_server_clock(s, 0, os_wall_s());
    dialogue(x, s);
    smtp_server_close(&s);
    return !x->out_of_memory;
}
