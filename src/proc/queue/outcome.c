/* SPDX-License-Identifier: ISC */
/* Results, age and an admin's word become outcomes: delivered, failed, deferred, held, removed. */
#include "proc/queue/state.h"

#define SWEEP_PARTS 2000
#define SWEEP_MOVES 64
#define SWEEP_EVERY_S 60
#define SWEEP_FUTURE_S 300 /* what waits longer for its release is moved */

void queue_outcome_add(struct queue *q, uint64_t id, uint32_t recipient, enum spool_outcome_kind kind,
                       const struct verdict *v)
{
    struct spool_outcome o = {.id = id, .recipient = recipient, .kind = (uint8_t)kind, .when_s = os_wall_s()};
    if (v) {
        o.code = v->code;
        memcpy(o.enhanced, v->enhanced, sizeof o.enhanced);
        o.text = kind == SPOOL_DELIVERED ? SLICE_NONE : v->text;
    }
    queue_batch_outcome(q, &o);
}

static struct verdict result_verdict(const struct result *r)
{
    return (struct verdict){r->code, {r->enhanced[0], r->enhanced[1], r->enhanced[2]}, r->text};
}

static slice reason_text(struct queue *q, const struct verdict *v, slice host)
{
    char *memory = arena_alloc(&q->turn, 1024);
    if (!memory)
        return v->text;
    buf b;
    buf_init_fixed(&b, memory, 1024);
    if (host.len > 0)
        buf_printf(&b, "%.*s: ", SLICE_ARG(slice_sub(host, 0, 256)));
    status_print(&b, v);
    return slice_of(b.ptr, b.len);
}

/* Each recipient of the part gets the outcome. */
static void outcome_all(struct queue *q, uint32_t part, enum spool_outcome_kind kind, const struct verdict *v)
{
    const struct sched_part *p = sched_part(q->sched, part);
    uint64_t id = sched_message(q->sched, p->message)->id;
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, part, &list);
    for (uint32_t i = 0; i < count; i++) {
        queue_batch_unit(q);
        queue_outcome_add(q, id, list[i], kind, v);
    }
}

static void part_deferred(struct queue *q, uint32_t part, const struct verdict *v, slice host)
{
    struct sched_part *p = sched_part(q->sched, part);
    int64_t now_s = os_wall_s();
    int64_t next_s = sched_part_defer(q->sched, part, now_s, reason_text(q, v, host));
    const struct wish *w = queue_wish(q, p->message);
    if (w && w->flags & WISH_BY_RETURN && w->deliver_by_s < next_s) {
        next_s = w->deliver_by_s;
        sched_part_until(q->sched, part, next_s);
    }
    queue_log_waiting(q, part, next_s, sched_part_reason(q->sched, part));
    struct spool_outcome o = {
        .id = sched_message(q->sched, p->message)->id,
        .kind = SPOOL_DEFERRED,
        .tries = p->tries,
        .when_s = now_s,
        .next_s = next_s,
        .code = v->code,
        .text = v->text,
        .remote = host,
    };
    memcpy(o.enhanced, v->enhanced, sizeof o.enhanced);
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, part, &list);
    for (uint32_t i = 0; i < count; i++) {
        o.recipient = list[i];
        queue_batch_unit(q);
        queue_batch_outcome(q, &o);
    }
    if (p->tries >= 2)
        q->sweep_wanted = true;
}

/* One part of a job, with the results that are its. */
struct judged {
    struct report_recipient *ended; /* failed, or delivered and perhaps to be reported */
    size_t ended_count;
    const struct report_recipient *failed; /* one of them */
    const struct result *deferred;
    uint32_t left;
};

static bool part_has(const struct queue *q, uint32_t part, uint32_t recipient)
{
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, part, &list);
    for (uint32_t i = 0; i < count; i++) {
        if (list[i] == recipient)
            return true;
    }
    return false;
}

static bool judged_before(const struct judged *out, uint32_t recipient)
{
    for (size_t i = 0; i < out->ended_count; i++) {
        if (out->ended[i].recipient == recipient)
            return true;
    }
    return false;
}

/* RFC 2852 section 4.1.4.2: nobody behind this host will know of the time. */
static bool is_by_lost(const struct wish *w, const struct result *r)
{
    return w->deliver_by_s && !(w->flags & (WISH_BY_RETURN | WISH_BY_DONE)) && !r->by_passed &&
           r->dsn != RESULT_DSN_FINAL;
}

/* Could somebody want to hear of it? RFC 3461 section 5.2: who passed NOTIFY on does not answer it; RFC 2852 section 4: a trace names every host. */
static bool success_told(const struct wish *w, const struct result *r)
{
    if (!w)
        return false;
    return (w->flags & WISH_SUCCESS && r->dsn != RESULT_DSN_PASSED) ||
           (w->flags & WISH_TRACE && r->dsn != RESULT_DSN_FINAL) || is_by_lost(w, r);
}

static void judge_ended(struct judged *out, const struct result *r, enum dsn_action action)
{
    struct report_recipient *x = &out->ended[out->ended_count++];
    *x = (struct report_recipient){r->recipient, action, result_verdict(r), r->remote ? r->host : SLICE_NONE,
                                   false,        false};
    if (action == DSN_FAILED)
        out->failed = x;
}

/* The first word of a recipient counts; a result for one that is not of this part says nothing. */
static void judge(struct queue *q, const struct job *j, uint32_t part, struct judged *out)
{
    const struct wish *wish = queue_wish(q, sched_part(q->sched, part)->message);
    for (size_t i = 0; i < j->result_count && out->left > 0; i++) {
        const struct result *r = &j->results[i];
        const struct verdict v = result_verdict(r);
        if (!part_has(q, part, r->recipient) || judged_before(out, r->recipient))
            continue;
        if (verdict_ok(&v) && out->ended && success_told(wish, r)) {
            judge_ended(out, r, r->dsn == RESULT_DSN_FINAL ? DSN_DELIVERED : DSN_RELAYED);
            out->ended[out->ended_count - 1].by_lost = is_by_lost(wish, r);
        } else if (verdict_ok(&v)) {
            queue_batch_unit(q);
            queue_outcome_add(q, j->id, r->recipient, SPOOL_DELIVERED, &v);
            out->left = sched_part_drop(q->sched, part, r->recipient);
        } else if (verdict_class(&v) == VERDICT_PERMANENT && out->ended) {
            judge_ended(out, r, DSN_FAILED);
        } else {
            out->deferred = r;
        }
    }
}

/* Those that are done leave the part; the number left. */
static uint32_t ended_drop(struct queue *q, uint32_t part, const struct report_recipient *ended, size_t count)
{
    const uint32_t *list;
    uint32_t left = sched_part_recipients(q->sched, part, &list);
    for (size_t i = 0; i < count && left > 0; i++) {
        if (ended[i].done)
            left = sched_part_drop(q->sched, part, ended[i].recipient);
    }
    return left;
}

static void part_apply(struct queue *q, struct job *j, uint32_t part)
{
    const uint32_t *list;
    struct judged judged = {.left = sched_part_recipients(q->sched, part, &list)};
    judged.ended = arena_array(&q->turn, j->result_count, sizeof *judged.ended);
    judge(q, j, part, &judged);
    if (judged.ended_count > 0) {
        queue_report_ended(q, sched_part(q->sched, part)->message, judged.ended, judged.ended_count);
        judged.left = ended_drop(q, part, judged.ended, judged.ended_count);
    }
    if (judged.left == 0) {
        queue_batch_finish(q, part);
        return;
    }
    if (!judged.deferred && !judged.failed) {
        sched_part_return(q->sched, part);
        return;
    }
    /* A failure that cannot be told to its sender now waits for the next attempt. */
    struct verdict v = judged.deferred ? result_verdict(judged.deferred) : judged.failed->verdict;
    slice host = judged.deferred ? judged.deferred->host : judged.failed->host;
    if (!queue_outcome_check_age(q, part, &v, host))
        part_deferred(q, part, &v, host);
}

static bool mentions(const struct queue *q, const struct job *j, uint32_t part)
{
    for (size_t i = 0; i < j->result_count; i++) {
        if (part_has(q, part, j->results[i].recipient))
            return true;
    }
    return false;
}

void queue_outcome_job(struct queue *q, struct job *j)
{
    uint32_t message = sched_message_find(q->sched, j->id);
    if (!message)
        return;
    if (j->part) {
        bool answered = false;
        for (size_t i = 0; i < j->result_count; i++)
            answered = answered || j->results[i].code / 100 == 2 || j->results[i].remote;
        if (answered)
            sched_destination_ok(q->sched, sched_part(q->sched, j->part)->destination);
        part_apply(q, j, j->part);
        return;
    }
    for (uint32_t part = sched_message(q->sched, message)->first_part, next; part; part = next) {
        next = sched_part(q->sched, part)->next_in_message;
        if (sched_part(q->sched, part)->state == SCHED_LEASED && mentions(q, j, part) &&
            !queue_dispatch_has_job(q, part))
            part_apply(q, j, part);
    }
}

/* All recipients of the part, with the same last word; NULL without memory. */
static struct report_recipient *part_all(struct queue *q, uint32_t part, enum dsn_action action,
                                         const struct verdict *v, slice host)
{
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, part, &list);
    struct report_recipient *all = arena_array(&q->turn, count, sizeof *all);
    for (uint32_t i = 0; all && i < count; i++)
        all[i] = (struct report_recipient){list[i], action, *v, host, false, false};
    return all;
}

/* All recipients of the part have come to the same end: true when the part is finished. */
static bool part_ended(struct queue *q, uint32_t part, struct report_recipient *ended)
{
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, part, &list);
    if (!ended)
        return false;
    queue_report_ended(q, sched_part(q->sched, part)->message, ended, count);
    if (ended_drop(q, part, ended, count) > 0)
        return false;
    queue_batch_finish(q, part);
    return true;
}

static bool give_up(struct queue *q, uint32_t part, enum status status, const struct verdict *last, slice host)
{
    uint64_t id = sched_message(q->sched, sched_part(q->sched, part)->message)->id;
    struct verdict v = status_verdict(status);
    slice text;
    slice reason = last ? reason_text(q, last, host) : sched_part_reason(q->sched, part);
    if (reason.len > 0 && arena_printf(&q->turn, &text, "%.*s; the last answer was: %.*s", SLICE_ARG(v.text),
                                       SLICE_ARG(reason)) == ERR_OK)
        v.text = text;
    if (!part_ended(q, part, part_all(q, part, DSN_FAILED, &v, SLICE_NONE)))
        return false;
    queue_log_expired(id, v.text);
    return true;
}

static void warn(struct queue *q, uint32_t part, const struct verdict *last, slice host)
{
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, part, &list);
    uint32_t message = sched_part(q->sched, part)->message;
    struct report_recipient *delayed = part_all(q, part, DSN_DELAYED, last, host);
    if (!delayed || !queue_report_delay(q, message, delayed, count, false))
        return;
    struct sched_message *m = sched_message(q->sched, message);
    m->flags |= SCHED_WARNED;
    queue_outcome_add(q, m->id, UINT32_MAX, SPOOL_WARNED, NULL);
}

/* RFC 2852 section 4: mode R gives up. */
static bool by_return(const struct queue *q, uint32_t message)
{
    const struct wish *w = queue_wish(q, message);
    return w && w->flags & WISH_BY_RETURN && queue_wish_by_passed(q, message, os_wall_s());
}

bool queue_outcome_check_age(struct queue *q, uint32_t part, const struct verdict *last, slice host)
{
    uint32_t message = sched_part(q->sched, part)->message;
    const struct sched_message *m = sched_message(q->sched, message);
    int64_t age = os_wall_s() - queue_wish_begin_s(q, message);
    const struct conf_queue *c = &q->conf->queue;
    int64_t most = m->flags & (SCHED_BOUNCE | SCHED_NULL_PATH) ? c->bounce_give_up_s : c->give_up_s;
    if (by_return(q, message))
        return give_up(q, part, STATUS_DELIVER_BY_PASSED, last, host);
    if (age >= most)
        return give_up(q, part, STATUS_GIVEN_UP, last, host);
    if (c->warn_after_s > 0 && age >= c->warn_after_s && !(m->flags & (SCHED_WARNED | SCHED_BOUNCE | SCHED_NULL_PATH)))
        warn(q, part, last, host);
    return false;
}

bool queue_outcome_too_late(struct queue *q, uint32_t part)
{
    if (!by_return(q, sched_part(q->sched, part)->message))
        return false;
    struct verdict v = status_verdict(STATUS_DELIVER_BY_PASSED);
    if (!give_up(q, part, STATUS_DELIVER_BY_PASSED, NULL, SLICE_NONE))
        (void)sched_part_defer(q->sched, part, os_wall_s(), v.text);
    return true;
}

/* Those that are under way are judged when their result comes, held ones when they are released. */
static bool is_undecided(const struct sched_part *p)
{
    return p->state == SCHED_READY || p->state == SCHED_WAITING;
}

/* Not those that are nobody: what has become of them is told by itself. */
static bool is_open(const struct queue *q, uint32_t part)
{
    const struct sched_part *p = sched_part(q->sched, part);
    return p->state != SCHED_ENDING && sched_destination(q->sched, p->destination)->kind != NEXT_NOTICE;
}

/* Every recipient that is still open, with the reason that its part waits for; the number. */
static size_t open_recipients(struct queue *q, uint32_t message, struct report_recipient *all)
{
    size_t n = 0;
    for (uint32_t part = sched_message(q->sched, message)->first_part; part;
         part = sched_part(q->sched, part)->next_in_message) {
        if (!is_open(q, part))
            continue;
        const uint32_t *list;
        uint32_t count = sched_part_recipients(q->sched, part, &list);
        struct verdict v = status_verdict(STATUS_BY_DELAYED);
        if (sched_part_reason(q->sched, part).len > 0)
            v.text = sched_part_reason(q->sched, part);
        for (uint32_t i = 0; all && i < count; i++)
            all[n + i] = (struct report_recipient){list[i], DSN_DELAYED, v, SLICE_NONE, false, false};
        n += count;
    }
    return n;
}

/* Mode N: one report for all that is open, and the mail goes on. False when it must be tried again. */
static bool by_notify(struct queue *q, uint32_t message)
{
    size_t count = open_recipients(q, message, NULL);
    struct report_recipient *all = arena_array(&q->turn, count, sizeof *all);
    if (!all)
        return false;
    (void)open_recipients(q, message, all);
    if (count > 0 && !queue_report_delay(q, message, all, count, true))
        return false;
    struct sched_message *m = sched_message(q->sched, message);
    m->flags |= SCHED_WARNED;
    queue_outcome_add(q, m->id, UINT32_MAX, SPOOL_BY_TOLD, NULL);
    return true;
}

void queue_outcome_by_passed(struct queue *q, uint32_t message)
{
    bool done = true;
    if (queue_wish(q, message)->flags & WISH_BY_RETURN) {
        for (uint32_t part = sched_message(q->sched, message)->first_part, next; part; part = next) {
            next = sched_part(q->sched, part)->next_in_message;
            if (is_undecided(sched_part(q->sched, part)))
                done = give_up(q, part, STATUS_DELIVER_BY_PASSED, NULL, SLICE_NONE) && done;
        }
    } else {
        done = by_notify(q, message);
    }
    if (done)
        queue_wish(q, message)->flags |= WISH_BY_DONE;
    else
        q->wish_due_s = os_wall_s() + 1;
}

void queue_outcome_removed(struct queue *q, uint32_t part)
{
    outcome_all(q, part, SPOOL_REMOVED, NULL);
    queue_batch_finish(q, part);
}

void queue_outcome_delivered(struct queue *q, uint32_t part)
{
    struct verdict v = status_verdict(STATUS_DELIVERED);
    uint32_t message = sched_part(q->sched, part)->message;
    const struct sched_message *m = sched_message(q->sched, message);
    const struct wish *w = queue_wish(q, message);
    queue_log_discarded(m->id, os_wall_s() - (int64_t)m->arrival_s);
    if (w && w->flags & WISH_SUCCESS && part_ended(q, part, part_all(q, part, DSN_DELIVERED, &v, SLICE_NONE)))
        return;
    outcome_all(q, part, SPOOL_DELIVERED, &v);
    queue_batch_finish(q, part);
}

void queue_outcome_notice(struct queue *q, uint32_t part)
{
    struct verdict v = status_verdict(STATUS_DELIVERED);
    if (!part_ended(q, part, part_all(q, part, DSN_EXPANDED, &v, SLICE_NONE)))
        (void)sched_part_defer(q->sched, part, os_wall_s(), SLICE("no report can be made for the moment"));
}

static void held_add(struct queue *q, uint64_t id, bool hold, slice reason)
{
    struct spool_outcome o = {.id = id,
                              .recipient = UINT32_MAX,
                              .kind = hold ? SPOOL_HELD : SPOOL_RELEASED,
                              .when_s = os_wall_s(),
                              .text = reason};
    queue_batch_outcome(q, &o);
}

void queue_outcome_hold_part(struct queue *q, uint32_t part, bool hold, slice reason)
{
    const struct sched_part *p = sched_part(q->sched, part);
    bool was_held = p->state == SCHED_PART_HELD;
    if (hold)
        sched_part_hold(q->sched, part);
    else
        sched_part_release(q->sched, part);
    if (hold ? reason.len > 0 : was_held)
        sched_part_restore(q->sched, part, p->tries, 0, reason);
}

void queue_outcome_hold(struct queue *q, uint32_t message, bool hold, slice reason)
{
    struct sched_message *m = sched_message(q->sched, message);
    queue_batch_unit(q);
    if (hold)
        m->flags |= SCHED_HELD;
    else
        m->flags &= (uint8_t)~SCHED_HELD;
    for (uint32_t part = m->first_part; part; part = sched_part(q->sched, part)->next_in_message)
        queue_outcome_hold_part(q, part, hold, reason);
    if (!hold)
        queue_wish_hold_back(q, message);
    held_add(q, m->id, hold, reason);
    queue_log_held(m->id, hold, reason);
}

static bool any_leased(const struct queue *q, const struct sched_message *m)
{
    for (uint32_t part = m->first_part; part; part = sched_part(q->sched, part)->next_in_message) {
        if (sched_part(q->sched, part)->state == SCHED_LEASED || sched_part(q->sched, part)->state == SCHED_ENDING)
            return true;
    }
    return false;
}

/* A mail that was deferred for the second time, or is not to be sent yet, leaves its receiver's segment, so that days of deferral never pin it. */
static void move(struct queue *q, uint32_t message)
{
    struct sched_message *m = sched_message(q->sched, message);
    if (any_leased(q, m))
        return;
    struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    struct spool_entry *entry;
    /* A large body stays in its file, and is not read for this. */
    bool large = (m->flags & SCHED_LARGE) != 0;
    enum err e = large ? spool_entry_open_head(q->reader, &place, &entry) : spool_entry_open(q->reader, &place, &entry);
    slice body = SLICE_NONE;
    if (e == ERR_OK) {
        struct spool_head head = *spool_entry_head(entry);
        head.copy++;
        queue_batch_unit(q);
        if (!head.large_file)
            e = spool_entry_content(entry, 0, SIZE_MAX, &body);
        if (e == ERR_OK)
            e = queue_batch_move(q, &head, body);
        spool_entry_close(&entry);
    }
    if (e != ERR_OK)
        queue_log_note(LOG_WARNING, m->id, "cannot be moved to the long-lived segments", slice_str(err_text(e)));
    /* Also after a failure: it stays where it is, and is not read again every minute. */
    m->flags |= SCHED_MOVED;
}

/* Looks after one part that waits; true when it read or wrote much. */
static bool sweep_part(struct queue *q, uint32_t part)
{
    const struct sched_part *p = sched_part(q->sched, part);
    const struct sched_destination *d = sched_destination(q->sched, p->destination);
    bool down = p->state == SCHED_READY && d->state != SCHED_UP;
    if (down) {
        struct verdict v = status_verdict_text(STATUS_CONNECT_FAILED, sched_part_reason(q->sched, part));
        if (queue_outcome_check_age(q, part, &v, SLICE_NONE))
            return true;
    }
    bool future = p->state == SCHED_WAITING && queue_wish_waits(q, p->message, os_wall_s() + SWEEP_FUTURE_S);
    if ((down && d->fails >= 2) || (p->state == SCHED_WAITING && p->tries >= 2) || future) {
        const struct sched_message *m = sched_message(q->sched, p->message);
        if (!(m->flags & SCHED_MOVED)) {
            move(q, p->message);
            return true;
        }
    }
    return false;
}

void queue_outcome_sweep(struct queue *q)
{
    int64_t now_s = os_wall_s();
    if (!q->recovered || queue_batch_behind(q))
        return;
    if (!q->sweep_part && !q->sweep_wanted && now_s - q->sweep_last_s < SWEEP_EVERY_S)
        return;
    if (!q->sweep_part) {
        q->sweep_wanted = false;
        q->sweep_last_s = now_s;
    }
    int heavy = 0;
    for (int i = 0; i < SWEEP_PARTS && heavy < SWEEP_MOVES && !queue_batch_behind(q); i++) {
        q->sweep_part = sched_part_next(q->sched, q->sweep_part);
        if (!q->sweep_part)
            return;
        if (sweep_part(q, q->sweep_part))
            heavy++;
    }
    loop_timer_start(q->tick, 0);
}
