/* SPDX-License-Identifier: ISC */
/* Delivery reports (RFC 3461 section 6). Never one for a null reverse-path: a bounce that cannot be delivered goes to the postmaster, and what cannot be
 * delivered there is logged (RFC 5321 section 6.1: no loops). */
#include "proc/queue/state.h"

#define REPORT_MAX (1u * 1024 * 1024)
#define PIECE_MAX 65536u /* what is appended at once, but for the original */
#define FULL_MAX 51200u
#define RET_FULL_MAX (256u * 1024) /* when the sender asked for all of it */
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
    int64_t begin_s; /* from when it is tried */
    bool delay, by;  /* by: the time to deliver by is over */
    bool failed;     /* a failure is among what is told */
};

/* RFC 3461 section 4.1, RFC 2852 section 4.1. Without NOTIFY a failure is told to everybody, a delay only to who sends through us. */
static bool wanted(const struct making *k, const struct recipient *r, enum dsn_action action, bool by_lost)
{
    const struct envelope *e = k->envelope;
    switch (action) {
    case DSN_FAILED:
        return !r->notify || r->notify & NOTIFY_FAILURE;
    case DSN_DELAYED:
        if (k->by)
            return !r->notify || r->notify & NOTIFY_DELAY;
        return r->notify ? r->notify & NOTIFY_DELAY : e->flags & ENVELOPE_TRUSTED;
    case DSN_RELAYED:
        if ((by_lost || e->flags & ENVELOPE_BY_TRACE) && !(r->notify & NOTIFY_NEVER))
            return true;
        break;
    case DSN_DELIVERED:
    case DSN_EXPANDED:
        break;
    }
    return r->notify & NOTIFY_SUCCESS;
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
    /* nobody was asked, so it is memory that failed */
    if (step == RESOLVE_REFUSED && result->status == STATUS_LOOKUP_UNAVAILABLE)
        return ERR_NOMEM;
    if (step != RESOLVE_DONE || result->group_count == 0)
        return ERR_NOTFOUND;
    envelope->recipients = result->groups[0].recipients;
    envelope->recipient_count = (uint32_t)result->groups[0].count;
    return envelope->recipient_count ? ERR_OK : ERR_NOTFOUND;
}

/* RFC 3461 section 4.3: RET speaks of failures only; RFC 8689 section 5: of mail that needs TLS nothing but the header. */
static bool full_wanted(const struct making *k)
{
    uint32_t flags = k->envelope->flags;
    if (!k->failed || flags & (ENVELOPE_RET_HDRS | ENVELOPE_REQUIRETLS))
        return false;
    return k->original->facts.size <= (flags & ENVELOPE_RET_FULL ? RET_FULL_MAX : FULL_MAX);
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
    bool full = full_wanted(k);
    size_t max = full ? RET_FULL_MAX : f->header_len < HEADER_MAX ? f->header_len : HEADER_MAX;
    enum err e = spool_entry_content(entry, 0, max, text_r);
    if (e == ERR_OK)
        *full_r = full;
    return e;
}

/* RFC 6533 section 4: only a sender who has SMTPUTF8 gets the international forms, and only when they are needed. */
static bool is_international(const struct making *k)
{
    if (!(k->envelope->flags & ENVELOPE_SMTPUTF8))
        return false;
    bool ascii = slice_is_ascii(k->to) && !k->original->facts.eight_bit_header;
    for (size_t i = 0; ascii && i < k->count; i++) {
        const struct recipient *r = k->recipients[i].recipient;
        ascii = slice_is_ascii(r->address) && slice_is_ascii(r->orcpt);
    }
    return !ascii;
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
        .deliver_by_s = k->envelope->deliver_by_s,
        .release_s = k->envelope->release_s,
        .count = k->count,
        .recipients = k->recipients,
        .original = original,
        .original_full = full,
        .original_8bit = k->original->facts.eight_bit,
        .international = is_international(k),
    };
    dsn_print(body, &report);
    if (buf_ok(body))
        return ERR_OK;
    /* what does not fit never will, memory comes back */
    return body->len + original.len + PIECE_MAX < REPORT_MAX ? ERR_NOMEM : ERR_LIMIT;
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

enum err queue_report_submit(struct queue *q, struct spool_head head, slice to, slice body)
{
    struct envelope envelope = head.envelopes[0];
    enum err e = resolve(q, to, &envelope);
    if (e != ERR_OK)
        return e;
    head.arrival_s = os_wall_s();
    head.facts = facts_of(body);
    envelope.flags |= ENVELOPE_BOUNCE | (head.facts.eight_bit ? ENVELOPE_BODY_8BIT : 0u) |
                      (head.facts.eight_bit_header || !slice_is_ascii(to) ? ENVELOPE_SMTPUTF8 : 0u);
    head.origin.client_ip = head.origin.protocol = SLICE("local");
    head.envelope_count = 1;
    head.envelopes = &envelope;
    return queue_batch_report(q, &head, body);
}

static enum err report(struct queue *q, const struct making *k, uint64_t id)
{
    buf body;
    buf_init(&body, REPORT_MAX);
    enum err e = print(q, k, id, &body);
    if (e == ERR_OK) {
        /* RFC 8689 section 5: what was to be protected on its way there is to be on its way back. RFC 6533 section 4.1: the global forms need SMTPUTF8. RFC 6710: a report is as urgent as what it is about. */
        const struct envelope envelope = {.priority = k->envelope->priority,
                                          .flags = (k->envelope->flags & ENVELOPE_REQUIRETLS) |
                                                   (is_international(k) ? ENVELOPE_SMTPUTF8 : 0u)};
        const struct spool_head head = {
            .id = id, .origin = {.helo = is_double(k) ? DOUBLE_BOUNCE : SLICE_NONE}, .envelopes = &envelope};
        e = queue_report_submit(q, head, k->to, buf_slice(&body));
    }
    buf_deinit(&body);
    return e;
}

static void log_report(const struct making *k, uint64_t id, enum err e)
{
    slice what = k->delay    ? SLICE("sender delay notification")
                 : k->failed ? SLICE("sender non-delivery notification")
                             : SLICE("sender delivery status notification");
    if (e == ERR_OK) {
        queue_log_report(k->original->id, what, id, k->to);
        return;
    }
    char memory[512];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_printf(&b, "no %.*s to <%.*s>%c", SLICE_ARG(what), SLICE_ARG(slice_sub(k->to, 0, 400)), 0);
    queue_log_note(LOG_WARNING, k->original->id, memory, slice_str(err_text(e)));
}

/* To whom: the reverse-path; for a bounce of ours that failed the postmaster; nobody for other mail without reverse-path, or when it was the postmaster who could not be reached. */
static bool addressee(struct queue *q, struct making *k)
{
    if (k->envelope->reverse_path.len > 0) {
        k->to = k->envelope->reverse_path;
        return true;
    }
    if (!k->failed || !(k->envelope->flags & ENVELOPE_BOUNCE) || slice_equal(k->original->origin.helo, DOUBLE_BOUNCE))
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
        if (k->failed)
            queue_log_note(LOG_WARNING, k->original->id, "undeliverable without a reverse-path to tell: dropped",
                           SLICE_NONE);
        return ERR_OK;
    }
    uint64_t id = queue_number(q);
    enum err e = id ? report(q, k, id) : ERR_AGAIN;
    log_report(k, id, e);
    return hopeless(e) ? ERR_OK : e;
}

/* A report for nobody's delivery says what has become of the address. */
static struct dsn_recipient told(const struct queue *q, const struct making *k, const struct report_recipient *x,
                                 const struct recipient *r)
{
    struct dsn_recipient d = {
        .recipient = r,
        .action = x->action,
        .verdict = x->verdict,
        .remote_host = x->host,
        .last_attempt_s = os_wall_s(),
        .retry_until_s = k->begin_s + q->conf->queue.give_up_s,
    };
    if (r->kind != RECIPIENT_NOTICE)
        return d;
    d.action = (enum dsn_action)r->index;
    d.verdict = status_verdict_text(STATUS_DELIVERED, d.action == DSN_EXPANDED ? SLICE("Sent on to several addresses")
                                                                               : SLICE("Taken by the mailing list"));
    return d;
}

/* The next members of this envelope, from *at on; false when there are none. */
static bool gather(struct queue *q, struct making *k, struct report_recipient *recipients, size_t count, size_t *at)
{
    k->count = k->member_count = 0;
    k->failed = false;
    for (; *at < count && k->member_count < RECIPIENTS_MAX; ++*at) {
        const struct envelope *envelope;
        struct report_recipient *x = &recipients[*at];
        const struct recipient *r = spool_head_recipient(k->original, x->recipient, &envelope);
        if (!r || envelope != k->envelope)
            continue;
        k->members[k->member_count++] = x;
        struct dsn_recipient d = told(q, k, x, r);
        if (!wanted(k, r, d.action, x->by_lost))
            continue;
        k->recipients[k->count++] = d;
        k->failed = k->failed || d.action == DSN_FAILED;
    }
    return k->member_count > 0;
}

static void outcome_add(struct queue *q, uint64_t id, struct report_recipient *x)
{
    queue_outcome_add(q, id, x->recipient, x->action == DSN_FAILED ? SPOOL_FAILED : SPOOL_DELIVERED, &x->verdict);
    x->done = true;
}

static void members_done(struct queue *q, const struct making *k)
{
    for (size_t i = 0; i < k->member_count; i++) {
        if (k->delay)
            k->members[i]->done = true;
        else
            outcome_add(q, k->original->id, k->members[i]);
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
static enum err make(struct queue *q, uint32_t message, struct making k, struct report_recipient *recipients,
                     size_t count)
{
    const struct sched_message *m = sched_message(q->sched, message);
    struct dsn_recipient dsn[RECIPIENTS_MAX];
    struct report_recipient *members[RECIPIENTS_MAX];
    k.recipients = dsn;
    k.members = members;
    k.begin_s = queue_wish_begin_s(q, message);
    enum err e = original_open(q, &k, m);
    if (e != ERR_OK) {
        queue_log_note(LOG_ERROR, m->id, "no report to its sender", slice_str(err_text(e)));
        return e;
    }
    envelopes(q, &k, recipients, count);
    spool_entry_close(&k.entry);
    return ERR_OK;
}

void queue_report_ended(struct queue *q, uint32_t message, struct report_recipient *recipients, size_t count)
{
    enum err e = make(q, message, (struct making){.delay = false}, recipients, count);
    uint64_t id = sched_message(q->sched, message)->id;
    for (size_t i = 0; i < count; i++) {
        if (recipients[i].done)
            continue;
        /* What was delivered is not delivered again for the sake of its report. What cannot be read can neither be delivered nor be told of: the log has it, and its segment
         * is kept. */
        bool delivered = recipients[i].action == DSN_DELIVERED || recipients[i].action == DSN_RELAYED;
        if (delivered || hopeless(e)) {
            queue_batch_unit(q);
            outcome_add(q, id, &recipients[i]);
        }
    }
}

bool queue_report_delay(struct queue *q, uint32_t message, struct report_recipient *recipients, size_t count, bool by)
{
    bool done = hopeless(make(q, message, (struct making){.delay = true, .by = by}, recipients, count));
    for (size_t i = 0; i < count && !done; i++)
        done = recipients[i].done;
    return done;
}
