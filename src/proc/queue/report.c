/* SPDX-License-Identifier: ISC */
/* Bounces and delay warnings. Never one for a null reverse-path: a bounce that cannot be delivered goes to the postmaster, and what cannot be
 * delivered there is logged (RFC 5321 section 6.1: no loops). */
#include "proc/queue/state.h"

#define REPORT_MAX (1u * 1024 * 1024)
#define FULL_MAX 51200u
#define HEADER_MAX 65536u
/* In one report, so that it fits into a record group on the smallest disk. */
#define RECIPIENTS_MAX 50u
/* Marks a report on a report of ours, in its origin: nothing is told of it any more. */
#define DOUBLE_BOUNCE SLICE("double-bounce")

struct making {
    const struct spool_head *original;
    struct spool_entry *entry;
    bool readable; /* the body, too */
    const struct envelope *envelope;
    struct report_recipient **members; /* those of this report, also the ones who want none */
    size_t member_count;
    struct dsn_recipient *recipients;
    size_t count;
    slice to;
    bool delay;
};

static bool wanted(const struct recipient *r, const struct envelope *e, bool delay)
{
    if (r->notify)
        return (r->notify & (delay ? NOTIFY_DELAY : NOTIFY_FAILURE)) != 0;
    return !delay || (e->flags & ENVELOPE_TRUSTED);
}

static enum err resolve_begin(struct queue *q, struct address address, struct resolve **r_r)
{
    static const struct route_session session = {.local_socket = true};
    struct resolve_request request = {.session = &session, .recipient = address};
    return route_resolve_begin(q->routes, &q->turn, &request, r_r);
}

/* Final recipients of the report. An account that only another process knows is taken to exist: the reverse-path was checked when the mail came. */
static enum err resolve(struct queue *q, slice to, struct envelope *envelope)
{
    struct address address;
    struct resolve *r;
    enum err e = address_parse(to, ADDRESS_UTF8 | ADDRESS_NO_DOMAIN, &q->turn, &address);
    if (e == ERR_OK)
        e = resolve_begin(q, address, &r);
    if (e != ERR_OK)
        return e;
    enum users_kind kind;
    slice user;
    enum resolve_step step = route_resolve_step(r, &kind, &user);
    for (int i = 0; step == RESOLVE_ASK && i < 10000; i++) {
        route_resolve_answer(r, RESOLVE_YES);
        step = route_resolve_step(r, &kind, &user);
    }
    const struct resolve_result *result = route_resolve_result(r);
    if (step != RESOLVE_DONE || result->group_count == 0)
        return ERR_NOTFOUND;
    envelope->recipients = result->groups[0].recipients;
    envelope->recipient_count = (uint32_t)result->groups[0].count;
    return envelope->recipient_count ? ERR_OK : ERR_NOTFOUND;
}

static enum err original_text(const struct making *k, bool *full_r, slice *text_r)
{
    struct spool_entry *entry = k->entry;
    const struct body_facts *f = &k->original->facts;
    if (!k->readable) {
        *full_r = false;
        *text_r = SLICE_NONE;
        return ERR_OK;
    }
    bool full = f->size <= FULL_MAX;
    size_t max = full ? FULL_MAX : f->header_len < HEADER_MAX ? f->header_len : HEADER_MAX;
    enum err e = spool_entry_content(entry, 0, max, text_r);
    if (e == ERR_OK)
        *full_r = full;
    return e;
}

static enum err print(struct queue *q, const struct making *k, uint64_t id, buf *body)
{
    const struct conf *c = q->conf;
    slice original;
    bool full;
    enum err e = original_text(k, &full, &original);
    if (e != ERR_OK)
        return e;
    struct dsn_report report = {
        .hostname = c->route.hostname,
        .postmaster = c->route.postmaster,
        .to = k->to,
        .envid = k->envelope->envid,
        .id = k->original->id,
        .report_id = id,
        .arrival_s = k->original->arrival_s,
        .now_s = os_wall_s(),
        .count = k->count,
        .recipients = k->recipients,
        .original = original,
        .original_full = full,
        .original_8bit = k->original->facts.eight_bit,
    };
    dsn_print(body, &report);
    return buf_ok(body) ? ERR_OK : ERR_LIMIT;
}

static struct body_facts facts_of(slice body)
{
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, body);
    return body_scan_end(&scan);
}

static bool is_double(const struct making *k)
{
    return k->envelope->reverse_path.len == 0;
}

static enum err report(struct queue *q, const struct making *k, uint64_t id)
{
    struct envelope envelope = {.flags = ENVELOPE_BOUNCE};
    enum err e = resolve(q, k->to, &envelope);
    if (e != ERR_OK)
        return e;
    buf body;
    buf_init(&body, REPORT_MAX);
    e = print(q, k, id, &body);
    if (e == ERR_OK) {
        struct spool_head head = {
            .id = id,
            .arrival_s = os_wall_s(),
            .facts = facts_of(buf_slice(&body)),
            .origin = {.client_ip = SLICE("local"),
                       .protocol = SLICE("local"),
                       .helo = is_double(k) ? DOUBLE_BOUNCE : SLICE_NONE},
            .envelope_count = 1,
            .envelopes = &envelope,
        };
        e = queue_batch_report(q, &head, buf_slice(&body));
    }
    buf_deinit(&body);
    return e;
}

static void log_report(const struct making *k, uint64_t id, enum err e)
{
    char from[QUEUE_ID_TEXT_MAX], to[QUEUE_ID_TEXT_MAX];
    size_t n = queue_id_write(from, k->original->id), m = queue_id_write(to, id);
    const char *what = k->delay ? "sender delay notification" : "sender non-delivery notification";
    if (e == ERR_OK)
        log_line(LOG_INFO, "%.*s: %s: %.*s", (int)n, from, what, (int)m, to);
    else
        log_line(LOG_WARNING, "%.*s: no %s to <%.*s>: %s", (int)n, from, what, SLICE_ARG(k->to), err_text(e));
}

/* To whom: the reverse-path; for a bounce of ours that failed the postmaster; nobody for other mail without reverse-path, or when it was the postmaster who could not be reached. */
static bool addressee(struct queue *q, struct making *k)
{
    if (k->envelope->reverse_path.len > 0) {
        k->to = k->envelope->reverse_path;
        return true;
    }
    if (k->delay || !(k->envelope->flags & ENVELOPE_BOUNCE) || slice_equal(k->original->origin.helo, DOUBLE_BOUNCE))
        return false;
    k->to = q->conf->route.postmaster;
    for (size_t i = 0; i < k->count; i++) {
        const struct recipient *r = k->recipients[i].recipient;
        if (slice_equal_nocase(r->address, k->to) || slice_equal_nocase(r->original, k->to))
            return false;
    }
    return true;
}

/* Those that will not pass: a reverse-path that leads nowhere, a report that is too long. */
static bool hopeless(enum err e)
{
    return e == ERR_NOTFOUND || e == ERR_SYNTAX || e == ERR_LIMIT || e == ERR_CORRUPT || e == ERR_UNSUPPORTED;
}

/* An error means that it must be tried again. */
static enum err report_send(struct queue *q, struct making *k)
{
    if (!addressee(q, k)) {
        char id[QUEUE_ID_TEXT_MAX];
        size_t n = queue_id_write(id, k->original->id);
        if (!k->delay)
            log_line(LOG_WARNING, "%.*s: undeliverable without a reverse-path to tell: dropped", (int)n, id);
        return ERR_OK;
    }
    uint64_t id = queue_number(q);
    enum err e = id ? report(q, k, id) : ERR_AGAIN;
    log_report(k, id, e);
    return hopeless(e) ? ERR_OK : e;
}

/* The next members of this envelope, from *at on; false when there are none. */
static bool gather(struct queue *q, struct making *k, struct report_recipient *recipients, size_t count, size_t *at)
{
    k->count = k->member_count = 0;
    for (; *at < count && k->member_count < RECIPIENTS_MAX; ++*at) {
        const struct envelope *envelope;
        struct report_recipient *x = &recipients[*at];
        const struct recipient *r = spool_head_recipient(k->original, x->recipient, &envelope);
        if (!r || envelope != k->envelope)
            continue;
        k->members[k->member_count++] = x;
        if (!wanted(r, envelope, k->delay))
            continue;
        k->recipients[k->count++] = (struct dsn_recipient){
            .recipient = r,
            .action = k->delay ? DSN_DELAYED : DSN_FAILED,
            .verdict = x->verdict,
            .remote_host = x->host,
            .last_attempt_s = os_wall_s(),
            .retry_until_s = k->original->arrival_s + q->conf->queue.give_up_s,
        };
    }
    return k->member_count > 0;
}

static void members_done(struct queue *q, const struct making *k)
{
    for (size_t i = 0; i < k->member_count; i++) {
        struct report_recipient *x = k->members[i];
        if (!k->delay)
            queue_outcome_add(q, k->original->id, x->recipient, SPOOL_FAILED, &x->verdict);
        x->done = true;
    }
}

static void envelopes(struct queue *q, struct making *k, struct report_recipient *recipients, size_t count)
{
    for (uint16_t i = 0; i < k->original->envelope_count; i++) {
        size_t at = 0;
        k->envelope = &k->original->envelopes[i];
        while (gather(q, k, recipients, count, &at)) {
            queue_batch_unit(q);
            if (k->count == 0 || report_send(q, k) == ERR_OK)
                members_done(q, k);
        }
    }
}

static enum err original_open(struct queue *q, struct making *k, const struct sched_message *m)
{
    struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    enum err e = spool_entry_open(q->reader, &place, &k->entry);
    k->readable = e == ERR_OK;
    /* A damaged body: the sender is told without it. */
    if (hopeless(e))
        e = spool_entry_open_head(q->reader, &place, &k->entry);
    if (e == ERR_OK)
        k->original = spool_entry_head(k->entry);
    return e;
}

/* ERR_OK: all that can be done was tried. */
static enum err make(struct queue *q, uint32_t message, bool delay, struct report_recipient *recipients, size_t count)
{
    const struct sched_message *m = sched_message(q->sched, message);
    struct dsn_recipient dsn[RECIPIENTS_MAX];
    struct report_recipient *members[RECIPIENTS_MAX];
    struct making k = {.recipients = dsn, .members = members, .delay = delay};
    enum err e = original_open(q, &k, m);
    if (e != ERR_OK) {
        char id[QUEUE_ID_TEXT_MAX];
        size_t n = queue_id_write(id, m->id);
        log_line(LOG_ERROR, "%.*s: no report to its sender: %s", (int)n, id, err_text(e));
        return e;
    }
    envelopes(q, &k, recipients, count);
    spool_entry_close(&k.entry);
    return ERR_OK;
}

void queue_report_failed(struct queue *q, uint32_t message, struct report_recipient *recipients, size_t count)
{
    if (!hopeless(make(q, message, false, recipients, count)))
        return;
    /* What cannot be read can neither be delivered nor be told of: the log has it, and its segment is kept. */
    uint64_t id = sched_message(q->sched, message)->id;
    for (size_t i = 0; i < count; i++) {
        queue_outcome_add(q, id, recipients[i].recipient, SPOOL_FAILED, &recipients[i].verdict);
        recipients[i].done = true;
    }
}

bool queue_report_delay(struct queue *q, uint32_t message, struct report_recipient *recipients, size_t count)
{
    bool done = hopeless(make(q, message, true, recipients, count));
    for (size_t i = 0; i < count && !done; i++)
        done = recipients[i].done;
    return done;
}
