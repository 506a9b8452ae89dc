/* SPDX-License-Identifier: ISC */
#include "child/delivery_log.h"

#include "trace/trace.h"

struct outcome {
    enum trace_kind kind;
    slice word;
};

static struct outcome outcome_of(const struct verdict *v)
{
    switch (verdict_class(v)) {
    case VERDICT_OK:
        return (struct outcome){TRACE_SENT, SLICE("sent")};
    case VERDICT_PERMANENT:
        return (struct outcome){TRACE_BOUNCED, SLICE("bounced")};
    case VERDICT_MORE:
    case VERDICT_TEMPORARY:
        break;
    }
    return (struct outcome){TRACE_DEFERRED, SLICE("deferred")};
}

/* Seconds, with two places below ten, as Postfix writes delays. */
static void delay_print(buf *b, int64_t us)
{
    if (us < 0)
        us = 0;
    buf_append_u64(b, (uint64_t)(us / 1000000));
    uint64_t hundredths = (uint64_t)(us / 10000) % 100;
    if (us >= 10 * 1000000 || hundredths == 0)
        return;
    buf_append_char(b, '.');
    buf_append_char(b, (char)('0' + hundredths / 10));
    if (hundredths % 10)
        buf_append_char(b, (char)('0' + hundredths % 10));
}

static void emit(const struct delivery_log *l, slice dsn, slice line)
{
    struct trace_event e;
    struct outcome o = outcome_of(&l->verdict);
    char id[QUEUE_ID_TEXT_MAX];
    trace_event_init(&e, o.kind, LOG_INFO);
    trace_add(&e, TRACE_KEY_ID, slice_of(id, queue_id_write(id, l->id)));
    trace_add(&e, TRACE_KEY_TO, l->to);
    trace_add(&e, TRACE_KEY_ORIGINAL_TO, l->original_to);
    trace_add(&e, TRACE_KEY_RELAY, l->relay);
    trace_add(&e, TRACE_KEY_DESTINATION, l->destination);
    trace_add(&e, TRACE_KEY_TLS, l->tls);
    trace_add(&e, TRACE_KEY_COMMAND, l->command);
    trace_add(&e, TRACE_KEY_STATUS, o.word);
    trace_add(&e, TRACE_KEY_DSN, dsn);
    trace_add_number(&e, TRACE_KEY_CODE, l->verdict.code);
    trace_add(&e, TRACE_KEY_REASON, l->verdict.text);
    trace_add_number(&e, TRACE_KEY_DELAY_MS, l->delay_us > 0 ? l->delay_us / 1000 : 0);
    trace_emit(&e, line);
}

void delivery_log_line(const struct delivery_log *l)
{
    char memory[3072];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    queue_id_print(&b, l->id);
    buf_append(&b, SLICE(": to=<"));
    buf_append(&b, slice_sub(l->to, 0, 320));
    if (l->original_to.len > 0) {
        buf_append(&b, SLICE(">, orig_to=<"));
        buf_append(&b, slice_sub(l->original_to, 0, 320));
    }
    buf_append(&b, SLICE(">, relay="));
    buf_append(&b, slice_sub(l->relay, 0, 320));
    buf_append(&b, SLICE(", delay="));
    delay_print(&b, l->delay_us);
    for (size_t i = 0; i < 4; i++) {
        buf_append(&b, i ? SLICE("/") : SLICE(", delays="));
        delay_print(&b, l->parts_us[i]);
    }
    buf_append(&b, SLICE(", dsn="));
    size_t dsn_at = b.len;
    status_print_enhanced(&b, &l->verdict);
    slice dsn = slice_skip(buf_slice(&b), dsn_at);
    buf_append(&b, SLICE(", status="));
    buf_append(&b, outcome_of(&l->verdict).word);
    buf_append(&b, SLICE(" ("));
    char text[1024];
    buf verdict;
    buf_init_fixed(&verdict, text, sizeof text);
    struct verdict v = l->verdict;
    v.text = slice_sub(v.text, 0, sizeof text - 32);
    status_print(&verdict, &v);
    buf_append(&b, buf_slice(&verdict));
    buf_append_char(&b, ')');
    emit(l, dsn, buf_slice(&b));
}
