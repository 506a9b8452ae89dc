/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

#define ARENA_MAX (16u << 20)
#define SENDER_MS 5000 /* for the MX of a sender's domain */

static void refuse(struct session *s, const char *verb, enum status status, slice to)
{
    char memory[160];
    buf b;
    struct verdict v = status_verdict(status), logged = v;
    buf_init_fixed(&b, memory, sizeof(memory));
    buf_append(&b, v.text);
    log_rule(&b, s->r->conf, status);
    logged.text = buf_slice(&b);
    log_reject(s, verb, &logged, to);
    session_answer(s, &v);
}

static void count_memory(struct receiver *r, struct transaction *t)
{
    r->transaction_bytes += t->arena.used - t->counted;
    t->counted = t->arena.used;
}

static enum status begin(struct session *s, const struct smtp_server_event *e)
{
    struct transaction *t = malloc(sizeof(*t));
    if (!t)
        return STATUS_LOCAL_ERROR;
    *t = (struct transaction){.path = e->path};
    arena_init(&t->arena, ARENA_MAX);
    s->transaction = t;
    enum status status = admission_sender_path(s->r->conf, &t->arena, &t->path, &t->reverse_path);
    if (status != STATUS_OK)
        return status;
    t->flags = e->envelope_flags;
    t->trusted = route_session_trusted(s->r->routes, &s->route, t->path, NULL);
    t->flags |= t->trusted ? ENVELOPE_TRUSTED : 0U;
    return STATUS_OK;
}

static enum status admit(struct session *s, const struct smtp_server_event *e)
{
    struct receiver *r = s->r;
    if (announce_queue_busy(r))
        return STATUS_QUEUE_BUSY;
    if (spool_writer_room(r->writer, e->size) != ERR_OK)
        return STATUS_INSUFFICIENT_SPACE;
    const struct admission a = session_admission(s);
    enum status status = admission_sender(&a, s->transaction->path, e->mail, s->transaction->trusted);
    if (status == STATUS_OK)
        status = parameters_mail(s->transaction, e->mail);
    if (status == STATUS_OK)
        status = rate_admits(s, 1);
    if (status != STATUS_OK)
        return status;
    s->transaction->id = numbers_draw(r);
    return s->transaction->id ? STATUS_OK : STATUS_LOCAL_ERROR;
}

void transaction_mail(struct session *s, const struct smtp_server_event *e)
{
    transaction_abort(s);
    name_find_late(s);
    enum status status = begin(s, e);
    if (status == STATUS_OK)
        status = admit(s, e);
    if (status != STATUS_OK) {
        refuse(s, "MAIL", status, SLICE_NONE);
        transaction_abort(s);
        return;
    }
    const struct admission a = session_admission(s);
    if (admission_asks_mx(&a, s->transaction->path, s->transaction->trusted) && ask_mx(s, s->transaction->path.domain))
        session_wait(s, WAIT_SENDER, SENDER_MS);
    else
        transaction_mail_answered(s, false);
}

/* RFC 7505 section 4.2: nobody can answer such a sender. Without an answer of the DNS everybody is taken. */
void transaction_mail_answered(struct session *s, bool null_mx)
{
    if (null_mx) {
        refuse(s, "MAIL", STATUS_NULL_MX_SENDER, SLICE_NONE);
        transaction_abort(s);
        return;
    }
    s->counts.mail_ok++;
    /* RFC 6710 section 4.1: who does not get the priority asked for is told which one it is */
    session_answer_status(s, s->transaction->priority_lowered ? STATUS_PRIORITY_CHANGED : STATUS_OK);
}

/* Goes on until the recipient is resolved or lookup has to be asked. */
static void resolve(struct session *s)
{
    struct transaction *t = s->transaction;
    for (;;) {
        enum users_kind kind;
        slice user;
        enum resolve_step step = route_resolve_step(t->resolve, &kind, &user);
        if (step == RESOLVE_ASK && ask_user(s, kind, user)) {
            session_wait(s, WAIT_RESOLVE, RECEIVER_ANSWER_MS);
            return;
        }
        if (step == RESOLVE_ASK) {
            route_resolve_answer(t->resolve, RESOLVE_UNKNOWN);
            continue;
        }
        const struct resolve_result *result = route_resolve_result(t->resolve);
        enum status status = result->status;
        const struct admission a = session_admission(s);
        if (step == RESOLVE_DONE)
            status = admission_resolved(&a, t->flags, result);
        if (status == STATUS_OK)
            status = parts_add(s->r, t, result) == ERR_OK ? STATUS_OK : STATUS_TOO_MANY_RECIPIENTS;
        t->resolve = NULL;
        count_memory(s->r, t);
        if (status != STATUS_OK) {
            refuse(s, "RCPT", status, t->rcpt);
            return;
        }
        t->rcpt_count++;
        s->counts.rcpt_ok++;
        session_answer_status(s, STATUS_OK);
        return;
    }
}

static enum status rcpt_begin(struct session *s, const struct smtp_server_event *e)
{
    struct receiver *r = s->r;
    struct transaction *t = s->transaction;
    char memory[1024];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    struct address path = e->path;
    enum status status = admission_recipient_path(r->conf, r->routes, &t->arena, &path);
    address_print(&b, path);
    if (arena_copy(&t->arena, buf_slice(&b), &t->rcpt) != ERR_OK || parameters_rcpt(t, e->rcpt) != ERR_OK ||
        r->transaction_bytes > RECEIVER_ARENAS_MAX)
        return STATUS_TOO_MANY_RECIPIENTS;
    const struct admission a = session_admission(s);
    if (status == STATUS_OK)
        status = admission_recipient(&a, t->path, path);
    if (status == STATUS_OK)
        status = rate_admits(s, t->rcpt_count + 1);
    if (status != STATUS_OK)
        return status;
    const struct resolve_request request = {.session = &s->route, .reverse_path = t->path, .recipient = path};
    enum err err = route_resolve_begin(r->routes, &t->arena, &request, &t->resolve);
    return err == ERR_OK ? STATUS_OK : STATUS_TOO_MANY_RECIPIENTS;
}

void transaction_rcpt(struct session *s, const struct smtp_server_event *e)
{
    struct development_fault fault = {.kind = DEVELOPMENT_NONE};
    if (s->r->conf->development && development_rcpt(s, e->path.local, &fault))
        return;
    enum status status = rcpt_begin(s, e);
    if (status == STATUS_OK && fault.at_data)
        s->transaction->fault = fault;
    if (status == STATUS_OK && fault.kind == DEVELOPMENT_SLOW && !fault.at_data)
        session_wait(s, WAIT_SLOW, DEVELOPMENT_SLOW_MS);
    else if (status == STATUS_OK)
        resolve(s);
    else
        refuse(s, "RCPT", status, s->transaction->rcpt);
}

void transaction_rcpt_go_on(struct session *s)
{
    resolve(s);
}

void transaction_rcpt_answered(struct session *s, enum resolve_answer answer)
{
    route_resolve_answer(s->transaction->resolve, answer);
    resolve(s);
}

void transaction_abort(struct session *s)
{
    struct transaction *t = s->transaction;
    if (!t)
        return;
    s->transaction = NULL;
    s->congested = false;
    content_abort(t);
    table_deinit(&t->seen);
    s->r->transaction_bytes -= t->counted;
    arena_deinit(&t->arena);
    free(t);
}
