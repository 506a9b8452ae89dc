/* SPDX-License-Identifier: ISC */
#include "cmd/trace_mails.h"

#include <stdlib.h>

#define IDS_MAX 1000000u

static slice id_of(const struct trace_record *r)
{
    return trace_text(&r->event, TRACE_KEY_ID);
}

static void events_free(struct trace_mail *mail)
{
    struct list *l;
    while ((l = list_pop(&mail->events)))
        free(LIST_ENTRY(l, struct trace_kept, link));
}

static void mail_forget(struct trace_mails *m, struct trace_mail *mail)
{
    list_remove(&mail->link);
    (void)table_remove(&m->by_id, mail->id);
    events_free(mail);
    free(mail);
    m->count--;
}

static enum err mail_add(struct trace_mails *m, slice id, bool whole)
{
    struct trace_mail *mail = table_get(&m->by_id, id);
    if (mail || id.len > sizeof mail->id_memory) {
        if (mail)
            mail->whole |= whole;
        return ERR_OK;
    }
    mail = calloc(1, sizeof *mail);
    if (!mail)
        return ERR_NOMEM;
    memcpy(mail->id_memory, id.ptr, id.len);
    mail->id = slice_of(mail->id_memory, id.len);
    mail->whole = whole;
    list_init(&mail->link);
    list_init(&mail->events);
    if (table_put(&m->by_id, mail->id, mail) != ERR_OK) {
        free(mail);
        return ERR_NOMEM;
    }
    list_push(&m->mails, &mail->link);
    m->count++;
    if (m->count > m->limit) {
        m->left_out = true;
        mail_forget(m, LIST_ENTRY(m->mails.next, struct trace_mail, link));
    }
    return ERR_OK;
}

static slice keep_text(char **at, slice text)
{
    slice kept = slice_of(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

static struct trace_kept *copy_of(const struct trace_record *r)
{
    size_t size = r->process.len + r->message.len;
    for (size_t i = 0; i < r->event.count; i++)
        size += r->event.fields[i].text.len;
    struct trace_kept *k = calloc(1, sizeof *k + size);
    if (!k)
        return NULL;
    char *at = k->memory;
    list_init(&k->link);
    k->record = *r;
    k->record.process = keep_text(&at, r->process);
    k->record.message = keep_text(&at, r->message);
    for (size_t i = 0; i < r->event.count; i++) {
        if (!r->event.fields[i].number)
            k->record.event.fields[i].text = keep_text(&at, r->event.fields[i].text);
    }
    return k;
}

static enum err event_add(struct trace_mail *mail, const struct trace_record *r)
{
    struct trace_kept *k = copy_of(r);
    if (!k)
        return ERR_NOMEM;
    list_push(&mail->events, &k->link);
    mail->count++;
    mail->has_begin |=
        r->event.kind == TRACE_ACCEPTED || slice_equal(mail->id, trace_text(&r->event, TRACE_KEY_REPORT));
    if (!mail->accepted && r->event.kind == TRACE_ACCEPTED)
        mail->accepted = &k->record;
    if (!mail->queued && r->event.kind == TRACE_QUEUED)
        mail->queued = &k->record;
    if (mail->count <= TRACE_MAIL_EVENTS_MAX)
        return ERR_OK;
    /* The first half stays; behind it the oldest goes. */
    struct list *l = mail->events.next;
    for (size_t i = 0; i < TRACE_MAIL_EVENTS_MAX / 2; i++)
        l = l->next;
    list_remove(l);
    struct trace_kept *out = LIST_ENTRY(l, struct trace_kept, link);
    mail->accepted = mail->accepted == &out->record ? NULL : mail->accepted;
    mail->queued = mail->queued == &out->record ? NULL : mail->queued;
    free(out);
    mail->count--;
    mail->left_out++;
    return ERR_OK;
}

/* A report is told of in the mail that it reports on, too. */
static enum err look_for_ids(struct trace_mails *m, const struct trace_query *q, const struct trace_record *r)
{
    if (m->since_us == 0 || r->time_us < m->since_us)
        m->since_us = r->time_us;
    enum trace_match match = trace_query_match(q, r);
    slice id = q->kind == TRACE_QUERY_ID ? q->text : id_of(r);
    if (match == TRACE_MATCH_NOT || id.len == 0)
        return ERR_OK;
    return mail_add(m, id, match == TRACE_MATCH_WHOLE);
}

static enum err add_to(struct trace_mails *m, const struct trace_query *q, slice id, const struct trace_record *r)
{
    struct trace_mail *mail = id.len > 0 ? table_get(&m->by_id, id) : NULL;
    if (!mail || (!mail->whole && !trace_query_shows(q, r)))
        return ERR_OK;
    return event_add(mail, r);
}

static enum err gather(struct trace_mails *m, const struct trace_query *q, const struct trace_record *r)
{
    if (id_of(r).len == 0)
        return trace_query_match(q, r) == TRACE_MATCH_NOT ? ERR_OK : event_add(&m->loose, r);
    enum err e = add_to(m, q, id_of(r), r);
    return e == ERR_OK ? add_to(m, q, trace_text(&r->event, TRACE_KEY_REPORT), r) : e;
}

static enum err each_record(struct trace_mails *m, const char *folder, const struct trace_query *q,
                            enum err (*look)(struct trace_mails *m, const struct trace_query *q,
                                             const struct trace_record *r))
{
    struct trace_reader *reader = NULL;
    struct trace_record r;
    enum err e = trace_reader_open(folder, &reader);
    /* A busy server writes faster than is worth to read on. Its clock may have been set back: times are no end. */
    if (e == ERR_OK)
        trace_reader_end_here(reader);
    while (e == ERR_OK && trace_reader_next(reader, &r))
        e = look(m, q, &r);
    int64_t since_us = reader ? trace_reader_since_us(reader) : 0;
    m->older_gone |= since_us > 0;
    m->since_us = since_us > m->since_us ? since_us : m->since_us;
    if (reader && m->flaw.len == 0)
        buf_append(&m->flaw, trace_reader_flaw(reader, &m->flaw_why));
    trace_reader_close(&reader);
    return e;
}

static bool same_destination(const struct trace_record *a, const struct trace_record *b)
{
    return slice_equal(trace_text(&a->event, TRACE_KEY_DESTINATION), trace_text(&b->event, TRACE_KEY_DESTINATION));
}

/* What the queue says of a deferral goes into the deferral's line. */
static void join_waits(struct trace_mail *mail)
{
    LIST_FOREACH(at, &mail->events) {
        struct trace_kept *wait = LIST_ENTRY(at, struct trace_kept, link);
        if (wait->record.event.kind != TRACE_WAITING)
            continue;
        for (struct list *l = at->prev; l != &mail->events; l = l->prev) {
            struct trace_kept *k = LIST_ENTRY(l, struct trace_kept, link);
            if (k->next_s > 0 && k->record.event.kind == TRACE_DEFERRED)
                break;
            if (k->record.event.kind != TRACE_DEFERRED || !same_destination(&k->record, &wait->record))
                continue;
            k->next_s = trace_number(&wait->record.event, TRACE_KEY_NEXT, 0);
            wait->hidden = true;
        }
    }
}

/* Where the receiver has told of it, the queue says nothing new. */
static void tidy(struct trace_mail *mail)
{
    join_waits(mail);
    LIST_FOREACH(at, &mail->events) {
        struct trace_kept *k = LIST_ENTRY(at, struct trace_kept, link);
        if (k->record.event.kind == TRACE_QUEUED && mail->accepted)
            k->hidden = true;
    }
}

enum err trace_mails_open(struct trace_mails *m, const char *folder, const struct trace_query *q, size_t limit)
{
    *m = (struct trace_mails){.limit = limit};
    buf_init_fixed(&m->flaw, m->flaw_memory, sizeof m->flaw_memory);
    list_init(&m->mails);
    list_init(&m->loose.events);
    table_init(&m->by_id, os_random_key(), false, IDS_MAX);
    enum err e = each_record(m, folder, q, look_for_ids);
    if (e == ERR_OK)
        e = each_record(m, folder, q, gather);
    if (e != ERR_OK) {
        trace_mails_close(m);
        return e;
    }
    LIST_FOREACH(at, &m->mails)
        tidy(LIST_ENTRY(at, struct trace_mail, link));
    return ERR_OK;
}

void trace_mails_close(struct trace_mails *m)
{
    while (!list_empty(&m->mails))
        mail_forget(m, LIST_ENTRY(m->mails.next, struct trace_mail, link));
    events_free(&m->loose);
    table_deinit(&m->by_id);
}

const struct trace_mail *trace_mails_first(const struct trace_mails *m)
{
    return LIST_ENTRY(m->mails.next, struct trace_mail, link);
}
