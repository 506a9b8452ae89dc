/* SPDX-License-Identifier: ISC */
/* Bounces and delay warnings. Never one for a null reverse-path: a bounce that cannot be delivered goes to the postmaster, and what cannot be
 * delivered there is logged (RFC 5321 section 6.1: no loops). */
#include "proc/queue/state.h"

#define REPORT_MAX (1u * 1024 * 1024)
#define FULL_MAX 51200u
#define HEADER_MAX 65536u

struct making {
    const struct spool_head *original;
    const struct envelope *envelope;
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

static enum err original_text(struct spool_entry *entry, bool *full_r, slice *text_r)
{
    const struct body_facts *f = &spool_entry_head(entry)->facts;
    bool full = f->size <= FULL_MAX;
    size_t max = full ? FULL_MAX : f->header_len < HEADER_MAX ? f->header_len : HEADER_MAX;
    enum err e = spool_entry_content(entry, 0, max, text_r);
    if (e == ERR_OK)
        *full_r = full;
    return e;
}

static enum err print(struct queue *q, const struct making *k, struct spool_entry *entry, uint64_t id, buf *body)
{
    const struct conf *c = q->conf;
    slice original;
    bool full;
    enum err e = original_text(entry, &full, &original);
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

static enum err queue_report(struct queue *q, const struct making *k, struct spool_entry *entry, uint64_t id)
{
    struct envelope envelope = {.flags = ENVELOPE_BOUNCE};
    enum err e = resolve(q, k->to, &envelope);
    if (e != ERR_OK)
        return e;
    buf body;
    buf_init(&body, REPORT_MAX);
    e = print(q, k, entry, id, &body);
    if (e == ERR_OK) {
        struct spool_head head = {
            .id = id,
            .arrival_s = os_wall_s(),
            .facts = facts_of(buf_slice(&body)),
            .origin = {.client_ip = SLICE("local"), .protocol = SLICE("local")},
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
    if (k->delay || !(k->envelope->flags & ENVELOPE_BOUNCE))
        return false;
    k->to = q->conf->route.postmaster;
    for (size_t i = 0; i < k->count; i++) {
        const struct recipient *r = k->recipients[i].recipient;
        if (slice_equal_nocase(r->address, k->to) || slice_equal_nocase(r->original, k->to))
            return false;
    }
    return true;
}

static void report_envelope(struct queue *q, struct making *k, struct spool_entry *entry)
{
    if (!addressee(q, k)) {
        char id[QUEUE_ID_TEXT_MAX];
        size_t n = queue_id_write(id, k->original->id);
        if (!k->delay)
            log_line(LOG_WARNING, "%.*s: undeliverable without a reverse-path to tell: dropped", (int)n, id);
        return;
    }
    uint64_t id = queue_number(q);
    log_report(k, id, id ? queue_report(q, k, entry, id) : ERR_AGAIN);
}

static void report_gather(struct queue *q, struct making *k, const struct report_recipient *recipients, size_t count)
{
    k->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct envelope *envelope;
        const struct recipient *r = spool_head_recipient(k->original, recipients[i].recipient, &envelope);
        if (!r || envelope != k->envelope || !wanted(r, envelope, k->delay))
            continue;
        k->recipients[k->count++] = (struct dsn_recipient){
            .recipient = r,
            .action = k->delay ? DSN_DELAYED : DSN_FAILED,
            .verdict = recipients[i].verdict,
            .remote_host = recipients[i].host,
            .last_attempt_s = os_wall_s(),
            .retry_until_s = k->original->arrival_s + q->conf->queue.give_up_s,
        };
    }
}

void queue_report_make(struct queue *q, uint32_t message, bool delay, const struct report_recipient *recipients,
                       size_t count)
{
    const struct sched_message *m = sched_message(q->sched, message);
    struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    struct spool_entry *entry;
    enum err e = spool_entry_open(q->reader, &place, &entry);
    struct dsn_recipient *dsn = arena_array(&q->turn, count, sizeof *dsn);
    if (e != ERR_OK || !dsn) {
        char id[QUEUE_ID_TEXT_MAX];
        size_t n = queue_id_write(id, m->id);
        log_line(LOG_ERROR, "%.*s: no report to its sender: %s", (int)n, id, err_text(e == ERR_OK ? ERR_NOMEM : e));
        if (e == ERR_OK)
            spool_entry_close(&entry);
        return;
    }
    struct making k = {.original = spool_entry_head(entry), .recipients = dsn, .delay = delay};
    for (uint16_t i = 0; i < k.original->envelope_count; i++) {
        k.envelope = &k.original->envelopes[i];
        report_gather(q, &k, recipients, count);
        if (k.count > 0)
            report_envelope(q, &k, entry);
    }
    spool_entry_close(&entry);
}
