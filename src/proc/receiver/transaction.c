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

/* Bare names are completed, and the printed form is what the address looks into. */
static enum err set_path(struct receiver *r, struct transaction *t, struct address path)
{
    char memory[1024];
    buf b;
    if (path.local.len > 0 && path.domain.len == 0)
        path.domain = r->conf->route.origin;
    if (international_sender(&t->arena, &path) != ERR_OK)
        return ERR_SYNTAX;
    buf_init_fixed(&b, memory, sizeof(memory));
    address_print(&b, path);
    enum err e = buf_ok(&b) ? arena_copy(&t->arena, buf_slice(&b), &t->reverse_path) : ERR_NOMEM;
    if (e != ERR_OK || t->reverse_path.len == 0)
        return e;
    size_t domain_at = t->reverse_path.len - path.domain.len;
    t->path.local = slice_sub(t->reverse_path, 0, domain_at - 1);
    t->path.domain = slice_skip(t->reverse_path, domain_at);
    return ERR_OK;
}

/* ERR_SYNTAX: a domain that is none. */
static enum err begin(struct session *s, const struct smtp_server_event *e)
{
    struct transaction *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    arena_init(&t->arena, ARENA_MAX);
    s->transaction = t;
    enum err err = set_path(s->r, t, e->path);
    if (err != ERR_OK)
        return err;
    t->flags = e->envelope_flags;
    t->trusted = route_session_trusted(s->r->routes, &s->route, t->path, NULL);
    t->flags |= t->trusted ? ENVELOPE_TRUSTED : 0U;
    return ERR_OK;
}

static enum status admit(struct session *s, const struct smtp_server_event *e)
{
    struct receiver *r = s->r;
    if (announce_queue_busy(r))
        return STATUS_QUEUE_BUSY;
    if (spool_writer_room(r->writer, e->size) != ERR_OK)
        return STATUS_INSUFFICIENT_SPACE;
    slice domain = s->transaction->path.domain;
    enum status status = route_policy_mail(r->routes, &s->route, s->transaction->path);
    if (status == STATUS_OK && session_is_submission(s) && !addresses_domain_whole(r->routes, domain))
        status = STATUS_UNQUALIFIED;
    if (status == STATUS_OK)
        status = parameters_mail(s->transaction, e->mail);
    if (status == STATUS_OK)
        status = rate_admits(s, 1);
    if (status != STATUS_OK)
        return status;
    s->transaction->id = numbers_draw(r);
    return s->transaction->id ? STATUS_OK : STATUS_LOCAL_ERROR;
}

static bool sender_is_asked_for(const struct session *s)
{
    const struct receiver *r = s->r;
    const struct conf_listener *c = s->listener->conf;
    slice domain = s->transaction->path.domain;
    if (!r->conf->limits.refuse_null_mx || !c || c->role != CONF_LISTEN_MX || s->transaction->trusted)
        return false;
    return domain.len > 0 && domain.ptr[0] != '[' && !route_domain_find(r->routes, domain);
}

void transaction_mail(struct session *s, const struct smtp_server_event *e)
{
    transaction_abort(s);
    enum err err = begin(s, e);
    enum status status = err == ERR_SYNTAX ? STATUS_BAD_PATH_SENDER : STATUS_LOCAL_ERROR;
    if (err == ERR_OK)
        status = admit(s, e);
    if (status != STATUS_OK) {
        refuse(s, "MAIL", status, SLICE_NONE);
        transaction_abort(s);
        return;
    }
    if (sender_is_asked_for(s) && ask_mx(s, s->transaction->path.domain))
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

/* Whether the configuration alone says that the host is this machine. A name of which only a resolver would say so counts as another machine's. */
static bool is_this_machine(const struct receiver *r, const struct next_hop *hop)
{
    uint8_t ip[16];
    size_t len;
    if (hop->unix_path.len > 0)
        return true;
    if (address_ip_parse(hop->host, ip, &len) == ERR_OK)
        return address_ip_is_nowhere(ip, len);
    return slice_equal_nocase(hop->host, SLICE("localhost")) || slice_ends_nocase(hop->host, SLICE(".localhost")) ||
           slice_equal_nocase(hop->host, r->conf->route.hostname);
}

/* Known now that it will never go over TLS with REQUIRETLS: our LMTP has neither, and on this machine it needs none. What only a session can show is left to the
 * sender, whose report tells of it (RFC 8689 section 4.2.1). */
static bool is_never_secured(const struct receiver *r, const struct recipient *recipient)
{
    struct next_hop hop = route_next(r->routes, recipient);
    if (hop.override && hop.override->tls == ROUTE_TLS_NONE)
        return true;
    return hop.kind == NEXT_LMTP && !is_this_machine(r, &hop);
}

static bool lacks_tls(const struct session *s, const struct resolve_result *result)
{
    if (!(s->transaction->flags & ENVELOPE_REQUIRETLS))
        return false;
    for (size_t i = 0; i < result->group_count; i++)
        for (size_t k = 0; k < result->groups[i].count; k++)
            if (is_never_secured(s->r, &result->groups[i].recipients[k]))
                return true;
    return false;
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
        if (step == RESOLVE_DONE && lacks_tls(s, result))
            status = STATUS_NO_REQUIRETLS;
        else if (step == RESOLVE_DONE)
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
    enum status status = international_recipient(r, &t->arena, &path);
    address_print(&b, path);
    if (arena_copy(&t->arena, buf_slice(&b), &t->rcpt) != ERR_OK || parameters_rcpt(t, e->rcpt) != ERR_OK ||
        r->transaction_bytes > RECEIVER_ARENAS_MAX)
        return STATUS_TOO_MANY_RECIPIENTS;
    if (status == STATUS_OK)
        status = route_policy_rcpt(r->routes, &s->route, t->path, path);
    if (status == STATUS_OK && session_is_submission(s) && !addresses_domain_whole(r->routes, path.domain))
        status = STATUS_UNQUALIFIED;
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
