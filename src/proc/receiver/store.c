/* SPDX-License-Identifier: ISC */
/* The end of data: last checks, the commit, and what the client is told when the disk has it. */
#include "proc/receiver/state.h"

/* What the sender asked of the list's address, and not of its members (RFC 3461 section 5.2.7.1). */
#define SENDERS_FLAGS                                                                                                  \
    ((uint32_t)(ENVELOPE_RET_FULL | ENVELOPE_RET_HDRS | ENVELOPE_BY_NOTIFY | ENVELOPE_BY_RETURN | ENVELOPE_BY_TRACE))

struct storing *storing_take(struct session *s)
{
    struct list *l = list_pop(&s->r->free_storings);
    struct storing *st = l ? LIST_ENTRY(l, struct storing, link) : malloc(sizeof(*st));
    if (!st)
        return NULL;
    *st = (struct storing){.r = s->r, .session = s, .id = s->transaction->id};
    list_init(&st->link);
    list_init(&st->accepted);
    return st;
}

void storing_give_back(struct storing *st)
{
    st->session = NULL;
    log_stored_none(st);
    list_push_front(&st->r->free_storings, &st->link);
}

static struct verdict verdict_of(enum err e)
{
    return status_verdict(e == ERR_NOSPACE || e == ERR_NOMEM ? STATUS_INSUFFICIENT_SPACE : STATUS_SPOOL_WRITE);
}

/* A signed-in user writes as itself, in every From there is; one that cannot be read is nobody's. */
static bool is_from_allowed(struct session *s, slice value)
{
    struct address a;
    enum err e;
    while ((e = address_list_next(&value, &s->transaction->arena, NULL, &a)) == ERR_OK)
        if (!route_sender_allowed(s->r->routes, s->route.login, a))
            return false;
    return e == ERR_NOTFOUND;
}

static enum status check_header(struct session *s, slice header)
{
    struct header_field f;
    slice rest = header;
    while (s->route.login.len > 0 && header_next(&rest, &f))
        if (slice_equal_nocase(f.name, SLICE("From")) && !is_from_allowed(s, f.value))
            return STATUS_SENDER_NOT_YOURS;
    return session_is_submission(s) ? addresses_judge(s->r->routes, header) : STATUS_OK;
}

/* Who writes as whom, and what a list has sent before, is told by the whole header or not at all. */
static bool is_judged(const struct session *s, const struct part *p)
{
    return p->list || s->route.login.len > 0;
}

/* A list that must not expand this message refuses it for all recipients: none that was accepted at RCPT is dropped in silence. */
static enum status check(struct session *s, const struct body_facts *facts)
{
    struct transaction *t = s->transaction;
    for (uint32_t i = 0; i < t->part_count; i++) {
        const struct part *p = &t->parts[i];
        if (!p->message)
            continue;
        struct body_facts f = content_facts(t, p, facts);
        slice start = spool_message_start(p->message);
        slice header = slice_sub(start, p->prefix.size, f.header_len);
        if (f.header_len > start.len && is_judged(s, p))
            return STATUS_HEADER_TOO_LONG;
        if (p->list && route_list_refuses(p->list, t->reverse_path, header))
            return STATUS_POST_REFUSED;
        enum status status = check_header(s, header);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static void commit(struct session *s, struct part *p, const struct body_facts *facts)
{
    struct transaction *t = s->transaction;
    /* a list's copy is a message of the list's: its owner asked for nothing */
    const struct envelope envelope = {.reverse_path = p->list ? p->list->owner : t->reverse_path,
                                      .envid = p->list ? SLICE_NONE : t->envid,
                                      .tag = t->tag,
                                      .release_s = t->release_s,
                                      .deliver_by_s = p->list ? 0 : t->deliver_by_s,
                                      .priority = t->priority,
                                      .flags = p->list ? t->flags & ~SENDERS_FLAGS : t->flags,
                                      .recipient_count = p->count,
                                      .recipients = p->recipients};
    const struct spool_head head = {.id = p->id,
                                    .arrival_s = t->arrival_s,
                                    .arrival_us = t->arrival_us,
                                    .facts = content_facts(t, p, facts),
                                    .origin = peer_origin(s),
                                    .envelope_count = 1,
                                    .envelopes = &envelope};
    log_message(s, p, &head);
    enum err e = spool_message_commit(&p->message, &head);
    p->message = NULL;
    if (e == ERR_OK)
        t->storing->waits++;
    else
        t->storing->err = e;
}

static void refuse(struct session *s, const struct verdict *v)
{
    log_reject(s, "END-OF-MESSAGE", v, s->transaction->rcpt);
    transaction_abort(s);
    session_answer(s, v);
}

void store_message(struct session *s, const struct body_facts *facts)
{
    struct transaction *t = s->transaction;
    if (s->r->conf->development && development_data(s, facts))
        return;
    content_finish(s);
    struct verdict v = verdict_of(t->lost);
    if (t->lost == ERR_OK)
        v = status_verdict(check(s, facts));
    if (t->lost != ERR_OK || !verdict_ok(&v)) {
        refuse(s, &v);
        return;
    }
    rate_count(s);
    for (uint32_t i = 0; i < t->part_count; i++)
        if (t->parts[i].message)
            commit(s, &t->parts[i], facts);
    struct storing *st = t->storing;
    if (st->waits == 0) {
        v = verdict_of(st->err);
        refuse(s, &v);
        return;
    }
    s->storing = st;
    s->r->storing_count++;
    t->storing = NULL;
    transaction_abort(s); /* the writer has it all */
    peer_forget(s);
    session_wait(s, WAIT_STORE, 0);
}

static void answer_queued(struct session *s, uint64_t id)
{
    char memory[64];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    buf_append(&b, SLICE("Ok: queued as "));
    queue_id_print(&b, id);
    struct verdict v = status_verdict_text(STATUS_QUEUED, buf_slice(&b));
    s->counts.data_ok++;
    session_answer(s, &v);
}

static void finish(struct storing *st)
{
    struct receiver *r = st->r;
    struct session *s = st->session;
    uint64_t id = st->id;
    enum err err = st->err;
    r->storing_count--;
    storing_give_back(st);
    if (!s) {
        receiver_end_if_drained(r);
        return;
    }
    s->storing = NULL;
    if (err == ERR_OK) {
        answer_queued(s, id);
    } else {
        struct verdict v = verdict_of(err);
        session_answer(s, &v);
    }
    session_resume(s);
}

void store_done(struct receiver *r, const struct spool_done *done)
{
    struct storing *st = done->cookie;
    /* where nothing was written, there is no place */
    uint64_t id = done->err == ERR_OK ? done->place.id : st->id;
    log_stored(st, id, done->err);
    if (done->err == ERR_OK) {
        announce_message(r, done);
    } else {
        log_not_stored(id, done->err);
        st->err = done->err;
    }
    if (done->closed_segment)
        announce_closed(r, done->closed_segment);
    if (--st->waits == 0)
        finish(st);
}
