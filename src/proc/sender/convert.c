/* SPDX-License-Identifier: ISC */
/* Content for a host without 8BITMIME or BINARYMIME (RFC 6152 section 3, RFC 3030 section 3), or with lines that no host need take (RFC 5321 section 4.5.3.1.6):
 * converted as it leaves, unless a signature would break. */
#include "proc/sender/state.h"

/* Messages being converted are whole in memory. */
#define WHOLE_MAX (256u * 1024 * 1024)
#define READ_STEP (1024u * 1024)

struct conversion {
    buf whole;
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

static enum err whole_read(struct session *x, buf *whole)
{
    slice content;
    uint64_t at = 0, size = x->message.facts.size;
    if (buf_reserve(whole, (size_t)size) == NULL && size > 0)
        return ERR_NOMEM;
    while (at < size) {
        enum err e = spool_entry_content(x->entry, at, READ_STEP, &content);
        if (e != ERR_OK || content.len == 0)
            return e != ERR_OK ? e : ERR_CORRUPT;
        buf_append(whole, content);
        at += content.len;
    }
    return buf_ok(whole) ? ERR_OK : ERR_NOMEM;
}

/* Signed content goes as it is, or not at all: as the admin chose. Binary content cannot go as it is. */
static enum status judge(const struct sender *s, struct session *x, struct conversion *c, enum convert_target target,
                         enum status refusal)
{
    bool binary = refusal == STATUS_NO_BINARYMIME;
    slice content = buf_slice(&c->whole);
    if (convert_is_signed(content)) {
        x->message.as_it_is = !binary && !s->conf->queue.signed_8bit_bounce;
        return x->message.as_it_is ? STATUS_OK : refusal;
    }
    if (convert_measure(content, target, &x->message.facts) != ERR_OK)
        return refusal;
    convert_init(&c->convert, content, target);
    x->message.converted = true;
    x->message.as_it_is = true; /* a header field may keep what cannot be written otherwise */
    return STATUS_OK;
}

enum status sender_convert_begin(struct sender *s, struct session *x)
{
    enum convert_target target;
    enum status why = wanted(x, &target);
    if (why == STATUS_OK)
        return STATUS_OK;
    struct conversion *c = x->message.facts.size < WHOLE_MAX - s->converting ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return STATUS_LOCAL_ERROR;
    buf_init(&c->whole, WHOLE_MAX);
    buf_init(&c->piece, WHOLE_MAX);
    x->conversion = c;
    s->converting += x->message.facts.size;
    x->converting = x->message.facts.size;
    enum status status = whole_read(x, &c->whole) == ERR_OK ? judge(s, x, c, target, why) : STATUS_LOCAL_ERROR;
    if (!x->message.converted)
        sender_convert_end(s, x);
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
}
