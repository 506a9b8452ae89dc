/* SPDX-License-Identifier: ISC */
#include "cmd/trace_screen.h"

#include "cmd/trace_words.h"

#define OFFSET_WIDTH 6u

/* What the lines of one mail have in common. */
struct lines {
    const struct trace_screen *screen;
    int64_t begin_us; /* 0: no offsets */
    int64_t day_us;   /* some time of the day that was told last */
};

static bool same_day(int64_t a_us, int64_t b_us)
{
    char a_text[16], b_text[16];
    buf a, b;
    buf_init_fixed(&a, a_text, sizeof a_text);
    buf_init_fixed(&b, b_text, sizeof b_text);
    trace_words_day(&a, a_us);
    trace_words_day(&b, b_us);
    return slice_equal(buf_slice(&a), buf_slice(&b));
}

static void begin_line(struct lines *l, int64_t time_us)
{
    buf *out = l->screen->out;
    char memory[32];
    buf offset;
    if (!same_day(l->day_us, time_us)) {
        trace_words_day(out, time_us);
        buf_append_char(out, '\n');
        l->day_us = time_us;
    }
    trace_words_clock(out, time_us);
    buf_append_char(out, ' ');
    if (l->begin_us > 0) {
        buf_init_fixed(&offset, memory, sizeof memory);
        trace_words_offset(&offset, time_us - l->begin_us);
        for (size_t i = offset.len; i < OFFSET_WIDTH; i++)
            buf_append_char(out, ' ');
        buf_append(out, buf_slice(&offset));
    }
    buf_append(out, SLICE("  "));
}

static int64_t sync_us(const struct trace_record *r)
{
    int64_t ms = trace_number(&r->event, TRACE_KEY_SYNC_MS, 0);
    return ms > 0 && ms < 86400 * 1000 ? ms * 1000 : 0;
}

/* Taken when the client had sent all of it, and told when the disk had it. */
static void accepted(struct lines *l, const struct trace_mail *mail, const struct trace_record *r)
{
    buf *out = l->screen->out;
    begin_line(l, r->time_us - sync_us(r));
    trace_words_append(out, r, mail->id, 0);
    buf_append_char(out, '\n');
    begin_line(l, r->time_us);
    buf_printf(out, "on disk (sync %lld ms); replied 250 2.0.0 Ok: queued as ", (long long)(sync_us(r) / 1000));
    buf_append_escaped(out, mail->id);
    buf_append_char(out, '\n');
}

static void event(struct lines *l, const struct trace_mail *mail, const struct trace_kept *k)
{
    buf *out = l->screen->out;
    if (l->screen->json) {
        trace_words_json(out, &k->record);
        return;
    }
    if (k->hidden)
        return;
    if (&k->record == mail->accepted) {
        accepted(l, mail, &k->record);
        return;
    }
    begin_line(l, k->record.time_us);
    trace_words_append(out, &k->record, mail->id, k->next_s);
    buf_append_char(out, '\n');
}

static void head_line(const struct trace_screen *s, const struct trace_mail *mail)
{
    const struct trace_record *r = mail->accepted ? mail->accepted : mail->queued;
    buf_append_escaped(s->out, mail->id);
    if (r) {
        slice message_id = trace_text(&r->event, TRACE_KEY_MESSAGE_ID);
        buf_append(s->out, SLICE("  from <"));
        buf_append_escaped(s->out, trace_text(&r->event, TRACE_KEY_FROM));
        buf_append(s->out, message_id.len > 0 ? SLICE(">  ") : SLICE(">"));
        buf_append_escaped(s->out, message_id);
    }
    buf_append_char(s->out, '\n');
}

static void all_events(struct lines *l, const struct trace_mail *mail)
{
    size_t n = 0;
    LIST_FOREACH(at, &mail->events) {
        event(l, mail, LIST_ENTRY(at, struct trace_kept, link));
        if (++n == TRACE_MAIL_EVENTS_MAX / 2 && mail->left_out > 0 && !l->screen->json)
            buf_printf(l->screen->out, "... %zu events are left out\n", mail->left_out);
    }
}

void trace_screen_mail(const struct trace_screen *s, const struct trace_mail *mail)
{
    struct lines l = {.screen = s, .day_us = s->now_us};
    if (mail->accepted)
        l.begin_us = mail->accepted->time_us - sync_us(mail->accepted);
    else if (!list_empty(&mail->events))
        l.begin_us = LIST_ENTRY(mail->events.next, struct trace_kept, link)->record.time_us;
    if (s->heads && !s->json)
        head_line(s, mail);
    all_events(&l, mail);
}

void trace_screen_loose(const struct trace_screen *s, const struct trace_mail *loose)
{
    struct lines l = {.screen = s, .day_us = s->now_us};
    all_events(&l, loose);
}
