/* SPDX-License-Identifier: ISC */
/* Content for a host without 8BITMIME or BINARYMIME (RFC 6152 section 3, RFC 3030 section 3), or with lines that no host need take (RFC 5321 section 4.5.3.1.6):
 * converted as it leaves, unless a signature would break. */
#include "proc/sender/state.h"

/* Messages being converted are whole in memory. */
#define WHOLE_MAX (256u * 1024 * 1024)
/* Of the content, or of what comes out, in one turn of the loop. */
#define STEP (1024u * 1024)

struct conversion {
    buf whole;
    enum { READING, JUDGING, MEASURING } at;
    enum convert_target target;
    enum status refusal; /* of what cannot be converted */
    struct convert_gauge gauge;
    struct convert convert;
    buf piece;
};

/* Why it must be converted, as the refusal of what cannot be; OK: the host can take all of it, or the engine refuses the message anyway. */
static enum status wanted(const struct session *x, enum convert_target *target_r)
{
    const struct body_facts *f = &x->message.facts;
    uint32_t flags = x->message.envelope->flags;
    bool binary = (flags & ENVELOPE_BODY_BINARY) != 0, may_binary = x->offer.binary && x->offer.chunking;
    if (((flags & ENVELOPE_SMTPUTF8) && f->eight_bit_header && !x->offer.utf8) || (binary && may_binary))
        return STATUS_OK;
    *target_r = x->offer.eight_bit ? CONVERT_TO_8BIT : CONVERT_TO_7BIT;
    if (binary)
        return STATUS_NO_BINARYMIME;
    if (f->eight_bit && !x->offer.eight_bit)
        return STATUS_NO_8BITMIME;
    return f->longest_line > SMTP_TEXT_LINE_MAX ? STATUS_LINES_TOO_LONG : STATUS_OK;
}

/* Up to a megabyte more of the content. */
static enum status read_step(struct session *x, struct conversion *c)
{
    slice content;
    if (c->whole.len == x->message.facts.size) {
        c->at = JUDGING;
        return STATUS_OK;
    }
    enum err e = spool_entry_content(x->entry, c->whole.len, STEP, &content);
    if (e == ERR_OK && content.len > 0)
        buf_append(&c->whole, content);
    return e == ERR_OK && content.len > 0 && buf_ok(&c->whole) ? STATUS_OK : STATUS_LOCAL_ERROR;
}

/* Signed content goes as it is, or not at all: as the admin chose. Binary content cannot go as it is. */
static enum status judge_step(const struct sender *s, struct session *x, struct conversion *c)
{
    bool binary = c->refusal == STATUS_NO_BINARYMIME;
    if (convert_is_signed(buf_slice(&c->whole))) {
        x->message.as_it_is = !binary && !s->conf->queue.signed_8bit_bounce;
        x->converting_now = false;
        return x->message.as_it_is ? STATUS_OK : c->refusal;
    }
    convert_gauge_init(&c->gauge, buf_slice(&c->whole), c->target);
    c->at = MEASURING;
    return STATUS_OK;
}

static enum status measure_step(struct session *x, struct conversion *c)
{
    if (convert_gauge_next(&c->gauge, STEP))
        return STATUS_OK;
    x->converting_now = false;
    if (convert_gauge_end(&c->gauge, &x->message.facts) != ERR_OK)
        return c->refusal;
    convert_init(&c->convert, buf_slice(&c->whole), c->target);
    x->message.converted = true;
    x->message.as_it_is = true; /* a header field may keep what cannot be written otherwise */
    return STATUS_OK;
}

enum status sender_convert_step(struct sender *s, struct session *x)
{
    struct conversion *c = x->conversion;
    enum status status = c->at == READING   ? read_step(x, c)
                         : c->at == JUDGING ? judge_step(s, x, c)
                                            : measure_step(x, c);
    x->converting_now = x->converting_now && status == STATUS_OK;
    if (!x->converting_now && !x->message.converted)
        sender_convert_end(s, x);
    return status;
}

/* The first session with something to convert gets a step, then whoever else has something to do: the timer runs out in the next turn. */
static void on_turn(void *ctx)
{
    struct sender *s = ctx;
    struct session *first = NULL;
    bool more = false;
    LIST_FOREACH(l, &s->sessions) {
        struct session *x = LIST_ENTRY(l, struct session, all);
        more = more || (first && x->converting_now);
        first = !first && x->converting_now ? x : first;
    }
    if (!first)
        return;
    enum status status = sender_convert_step(s, first);
    if (first->converting_now || more)
        loop_timer_start(s->convert_turn, 0);
    if (!first->converting_now)
        sender_transfer_go_on(s, first, status);
}

enum err sender_convert_open(struct sender *s)
{
    return loop_timer_open(s->child.loop, on_turn, s, &s->convert_turn);
}

enum status sender_convert_begin(struct sender *s, struct session *x)
{
    enum convert_target target;
    enum status why = wanted(x, &target);
    if (why == STATUS_OK)
        return STATUS_OK;
    uint64_t size = x->message.facts.size;
    struct conversion *c = size < WHOLE_MAX - s->converting ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return STATUS_LOCAL_ERROR;
    buf_init(&c->whole, WHOLE_MAX);
    buf_init(&c->piece, WHOLE_MAX);
    c->target = target;
    c->refusal = why;
    x->conversion = c;
    s->converting += size;
    x->converting = size;
    x->converting_now = true;
    if (buf_reserve(&c->whole, (size_t)size) == NULL && size > 0) {
        sender_convert_end(s, x);
        return STATUS_LOCAL_ERROR;
    }
    enum status status = STATUS_OK;
    while (size <= STEP && x->converting_now)
        status = sender_convert_step(s, x);
    if (x->converting_now)
        loop_timer_start(s->convert_turn, 0);
    return status;
}

enum err sender_convert_next(struct conversion *c, size_t max, slice *content_r)
{
    buf_clear(&c->piece);
    while (c->piece.len < max && convert_next(&c->convert, &c->piece))
        continue;
    *content_r = buf_slice(&c->piece);
    return buf_ok(&c->piece) ? ERR_OK : ERR_NOMEM;
}

void sender_convert_end(struct sender *s, struct session *x)
{
    if (!x->conversion)
        return;
    buf_deinit(&x->conversion->whole);
    buf_deinit(&x->conversion->piece);
    free(x->conversion);
    x->conversion = NULL;
    s->converting -= x->converting;
    x->converting = 0;
    x->converting_now = false;
}
