/* SPDX-License-Identifier: ISC */
#include "proc/queue/state.h"

#define LINE_MAX_BYTES 2048

/* An event of a mail and the line for it, which begins with its id. */
struct telling {
    struct trace_event event;
    buf line;
    char id[QUEUE_ID_TEXT_MAX], memory[LINE_MAX_BYTES];
};

static void tell_begin(struct telling *t, enum trace_kind kind, enum log_level level, uint64_t id)
{
    slice text = slice_of(t->id, queue_id_write(t->id, id));
    trace_event_init(&t->event, kind, level);
    trace_add(&t->event, TRACE_KEY_ID, text);
    buf_init_fixed(&t->line, t->memory, sizeof t->memory);
    buf_append(&t->line, text);
    buf_append(&t->line, SLICE(": "));
}

static void tell(const struct telling *t)
{
    trace_emit(&t->event, buf_slice(&t->line));
}

void queue_log_active(uint64_t id, const struct spool_head *head)
{
    struct telling t;
    slice from = head->envelope_count ? head->envelopes[0].reverse_path : SLICE_NONE;
    uint32_t recipients = spool_head_recipient_count(head);
    tell_begin(&t, TRACE_QUEUED, LOG_INFO, id);
    buf_append(&t.line, SLICE("from=<"));
    buf_append(&t.line, from);
    buf_append(&t.line, SLICE(">, size="));
    buf_append_u64(&t.line, head->facts.size);
    buf_append(&t.line, SLICE(", nrcpt="));
    buf_append_u64(&t.line, recipients);
    buf_append(&t.line, SLICE(" (queue active)"));
    trace_add(&t.event, TRACE_KEY_FROM, from);
    trace_add_number(&t.event, TRACE_KEY_SIZE, (int64_t)head->facts.size);
    trace_add_number(&t.event, TRACE_KEY_RECIPIENTS, recipients);
    tell(&t);
}

void queue_log_removed(uint64_t id)
{
    struct telling t;
    tell_begin(&t, TRACE_REMOVED, LOG_INFO, id);
    buf_append(&t.line, SLICE("removed"));
    tell(&t);
}

void queue_log_expired(uint64_t id, slice reason)
{
    struct telling t;
    tell_begin(&t, TRACE_BOUNCED, LOG_INFO, id);
    buf_append(&t.line, SLICE("status=expired, returned to sender"));
    trace_add(&t.event, TRACE_KEY_STATUS, SLICE("expired"));
    trace_add(&t.event, TRACE_KEY_REASON, reason);
    tell(&t);
}

void queue_log_discarded(uint64_t id, int64_t delay_s)
{
    struct telling t;
    tell_begin(&t, TRACE_SENT, LOG_INFO, id);
    buf_printf(&t.line, "relay=none, delay=%lld, dsn=2.0.0, status=sent (discarded)", (long long)delay_s);
    trace_add(&t.event, TRACE_KEY_RELAY, SLICE("none"));
    trace_add(&t.event, TRACE_KEY_STATUS, SLICE("sent"));
    trace_add(&t.event, TRACE_KEY_DSN, SLICE("2.0.0"));
    trace_add(&t.event, TRACE_KEY_REASON, SLICE("discarded"));
    trace_add_number(&t.event, TRACE_KEY_DELAY_MS, delay_s * 1000);
    tell(&t);
}

void queue_log_report(uint64_t id, slice what, uint64_t report, slice to)
{
    struct telling t;
    char text[QUEUE_ID_TEXT_MAX];
    slice number = slice_of(text, queue_id_write(text, report));
    tell_begin(&t, TRACE_REPORT, LOG_INFO, id);
    buf_append(&t.line, what);
    buf_append(&t.line, SLICE(": "));
    buf_append(&t.line, number);
    trace_add(&t.event, TRACE_KEY_REPORT, number);
    trace_add(&t.event, TRACE_KEY_TO, to);
    trace_add(&t.event, TRACE_KEY_REASON, what);
    tell(&t);
}

void queue_log_held(uint64_t id, bool hold, slice reason)
{
    struct telling t;
    tell_begin(&t, hold ? TRACE_HELD : TRACE_RELEASED, LOG_INFO, id);
    buf_append(&t.line, hold ? SLICE("placed on hold") : SLICE("released from hold"));
    if (hold && reason.len > 0) {
        buf_append(&t.line, SLICE(" ("));
        buf_append(&t.line, slice_sub(reason, 0, LINE_MAX_BYTES / 2));
        buf_append_char(&t.line, ')');
    }
    trace_add(&t.event, TRACE_KEY_REASON, hold ? reason : SLICE_NONE);
    tell(&t);
}

void queue_log_waiting(struct queue *q, uint32_t part, int64_t next_s, slice reason)
{
    struct telling t;
    const struct sched_part *p = sched_part(q->sched, part);
    slice destination = slice_str(sched_destination(q->sched, p->destination)->key);
    tell_begin(&t, TRACE_WAITING, LOG_DEBUG, sched_message(q->sched, p->message)->id);
    buf_append(&t.line, SLICE("waits for "));
    buf_append(&t.line, destination);
    buf_append(&t.line, SLICE(", next try in "));
    int64_t wait_s = next_s - os_wall_s();
    units_print_age(&t.line, wait_s > 0 ? wait_s : 0);
    trace_add(&t.event, TRACE_KEY_DESTINATION, destination);
    trace_add_number(&t.event, TRACE_KEY_NEXT, next_s);
    trace_add(&t.event, TRACE_KEY_REASON, reason);
    tell(&t);
}

void queue_log_note(enum log_level level, uint64_t id, const char *what, slice why)
{
    struct telling t;
    tell_begin(&t, TRACE_NOTE, level, id);
    buf_append(&t.line, slice_str(what));
    if (why.len > 0) {
        buf_append(&t.line, SLICE(": "));
        buf_append(&t.line, why);
    }
    trace_add(&t.event, TRACE_KEY_REASON, why.len > 0 ? why : slice_str(what));
    tell(&t);
}
