/* SPDX-License-Identifier: ISC */
/* A message's transaction up to its content. */
#include "smtp/client_state.h"

#include <assert.h>

enum { ADDRESS_MAX = 512 };

/* What is between brackets; anything that could end the line is no address. */
static bool address_sendable(slice address)
{
    for (size_t i = slice_printable_len(address); i < address.len;) {
        unsigned char c = (unsigned char)address.ptr[i];
        size_t len = c < 0x80 ? 1 : slice_utf8_len(slice_skip(address, i));
        if (len == 0 || c < 0x20 || c == 0x7f)
            return false;
        i += len;
    }
    return address.len <= ADDRESS_MAX;
}

/* What can be refused without asking. */
static enum status judge(const struct smtp_client *c)
{
    const struct smtp_client_message *m = c->message;
    if (!address_sendable(m->envelope->reverse_path))
        return STATUS_BAD_PATH_SENDER;
    if (c->offer.size > 0 && m->facts.size + m->extra_size > c->offer.size)
        return STATUS_MESSAGE_TOO_BIG;
    if (smtp_client_needs_deliver_by(c) && smtp_client_by_left(c) <= 0)
        return STATUS_DELIVER_BY_PASSED;
    if (m->facts.longest_line > SMTP_TEXT_LINE_MAX && !m->as_it_is && !c->chunked)
        return STATUS_LINES_TOO_LONG;
    return smtp_client_lacks(c);
}

void smtp_client_finish(struct smtp_client *c)
{
    smtp_client_push(c, SMTP_CLIENT_MESSAGE_DONE);
    c->message = NULL;
    if (!c->mail_open) {
        smtp_client_ready(c);
        return;
    }
    smtp_client_line(c, SLICE("RSET"), SLICE_NONE);
    smtp_client_expect(c, SMTP_EXPECT_RSET);
}

static void send_mail(struct smtp_client *c)
{
    buf_append(&c->out, SLICE("MAIL FROM:<"));
    buf_append(&c->out, c->message->envelope->reverse_path);
    buf_append_char(&c->out, '>');
    for (uint32_t offered = c->offer.bits; offered > 0; offered &= offered - 1) {
        enum smtp_extension_id id = (enum smtp_extension_id)__builtin_ctz(offered);
        const struct smtp_extension_client *x = &smtp_extension_at(id)->client;
        if (x->mail && smtp_client_has(c, id))
            x->mail(c);
    }
    buf_append(&c->out, SLICE("\r\n"));
}

static const struct recipient *recipient_of(const struct smtp_client *c, size_t i)
{
    return &c->message->envelope->recipients[c->message->recipients[i]];
}

static void send_rcpt(struct smtp_client *c, size_t i)
{
    const struct recipient *r = recipient_of(c, i);
    buf_append(&c->out, SLICE("RCPT TO:<"));
    buf_append(&c->out, r->address);
    buf_append_char(&c->out, '>');
    for (uint32_t offered = c->offer.bits; offered > 0; offered &= offered - 1) {
        enum smtp_extension_id id = (enum smtp_extension_id)__builtin_ctz(offered);
        const struct smtp_extension_client *x = &smtp_extension_at(id)->client;
        if (x->rcpt && smtp_client_has(c, id))
            x->rcpt(c, r);
    }
    buf_append(&c->out, SLICE("\r\n"));
}

/* The first recipient from i on for whom RCPT is or was sent, or count. */
static size_t next_asked(const struct smtp_client *c, size_t i)
{
    while (i < c->count && !c->asked[i])
        i++;
    return i;
}

static void refuse_those(struct smtp_client *c, enum smtp_client_recipient state, enum status status)
{
    struct verdict v = status_verdict(status);
    smtp_client_tell_all(c, 1U << state, &v, false);
}

/* Returns how many recipients can be asked for. */
static size_t sort_recipients(struct smtp_client *c)
{
    bool may_utf8 = smtp_client_has(c, SMTP_SMTPUTF8), utf8 = false;
    size_t good = 0, bad = 0;
    for (size_t i = 0; i < c->count; i++) {
        slice address = recipient_of(c, i)->address;
        bool sendable = address.len > 0 && address_sendable(address), ascii = slice_is_ascii(address);
        c->asked[i] = sendable && (ascii || may_utf8);
        c->recipients[i] = c->asked[i] ? SMTP_RCPT_OPEN : sendable ? SMTP_RCPT_UTF8 : SMTP_RCPT_BAD;
        utf8 = utf8 || (c->asked[i] && !ascii);
        good += c->asked[i];
        bad += !sendable;
    }
    c->utf8 = c->utf8 || utf8;
    if (bad > 0)
        refuse_those(c, SMTP_RCPT_BAD, STATUS_BAD_PATH_RECIPIENT);
    if (good + bad < c->count)
        refuse_those(c, SMTP_RCPT_UTF8, STATUS_NO_SMTPUTF8);
    return good;
}

static void transaction_init(struct smtp_client *c, const struct smtp_client_message *m)
{
    bool international = (m->envelope->flags & ENVELOPE_SMTPUTF8) != 0;
    c->message = m;
    c->count = m->recipient_count;
    c->accepted = 0;
    c->mail_open = false;
    c->utf8 = !slice_is_ascii(m->envelope->reverse_path) || (international && m->facts.eight_bit_header);
    c->chunked = smtp_client_needs_binary(c) && smtp_client_has(c, SMTP_BINARYMIME);
    c->chunk_begun = false;
    c->chunk_left = m->facts.size + m->extra_size;
}

void smtp_client_send(struct smtp_client *c, int64_t now_ms, const struct smtp_client_message *m)
{
    assert(c->expect == SMTP_EXPECT_NOTHING || c->expect == SMTP_EXPECT_OVER);
    assert(m->recipient_count <= SMTP_CLIENT_RECIPIENTS_MAX);
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    c->now_ms = now_ms;
    transaction_init(c, m);
    size_t good = sort_recipients(c);
    enum status status = judge(c);
    if (status != STATUS_OK)
        refuse_those(c, SMTP_RCPT_OPEN, status);
    if (status != STATUS_OK || good == 0) {
        smtp_client_finish(c);
        return;
    }
    send_mail(c);
    if (smtp_client_pipelining(c)) {
        for (size_t i = next_asked(c, 0); i < c->count; i = next_asked(c, i + 1))
            send_rcpt(c, i);
        if (!c->chunked)
            smtp_client_line(c, SLICE("DATA"), SLICE_NONE);
    }
    smtp_client_expect(c, SMTP_EXPECT_MAIL);
    smtp_client_check_output(c);
}

static bool is_refusal(const struct smtp_reply *r)
{
    return r->code >= 400;
}

void smtp_client_on_mail(struct smtp_client *c, const struct smtp_reply *r)
{
    bool pipelining = smtp_client_pipelining(c);
    c->at = next_asked(c, 0);
    if (r->code / 100 == VERDICT_OK) {
        c->mail_open = true;
        if (!pipelining)
            send_rcpt(c, c->at);
    } else if (is_refusal(r)) {
        struct verdict v = status_verdict_of_reply(r->code, r->text);
        smtp_client_tell_all(c, 1U << SMTP_RCPT_OPEN, &v, true);
        if (!pipelining) {
            smtp_client_finish(c);
            return;
        }
    } else {
        smtp_client_garbage(c);
        return;
    }
    smtp_client_expect(c, SMTP_EXPECT_RCPT);
}

static void rcpt_refused(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict v = status_verdict_of_reply(r->code, r->text);
    if (r->code == 552) { /* RFC 5321 section 4.5.3.1.10: old servers' "too many recipients" */
        v.code = 452;
        v.enhanced[0] = v.enhanced[0] ? VERDICT_TEMPORARY : 0;
    }
    smtp_client_tell(c, c->at, &v);
}

void smtp_client_on_rcpt(struct smtp_client *c, const struct smtp_reply *r)
{
    bool pipelining = smtp_client_pipelining(c), open = c->recipients[c->at] == SMTP_RCPT_OPEN;
    if (r->code / 100 == VERDICT_MORE) {
        smtp_client_garbage(c);
        return;
    }
    if (open && is_refusal(r)) {
        rcpt_refused(c, r);
    } else if (open) {
        c->recipients[c->at] = SMTP_RCPT_ACCEPTED;
        c->accepted++;
    }
    c->at = next_asked(c, c->at + 1);
    if (c->at < c->count) {
        if (!pipelining)
            send_rcpt(c, c->at);
        smtp_client_expect(c, SMTP_EXPECT_RCPT);
    } else if (c->chunked && c->accepted > 0) {
        smtp_client_content_begin(c);
    } else if (!c->chunked && (pipelining || c->accepted > 0)) {
        if (!pipelining)
            smtp_client_line(c, SLICE("DATA"), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_DATA);
    } else {
        smtp_client_finish(c);
    }
}

void smtp_client_on_data(struct smtp_client *c, const struct smtp_reply *r)
{
    if (is_refusal(r)) {
        struct verdict v = status_verdict_of_reply(r->code, r->text);
        smtp_client_tell_all(c, 1U << SMTP_RCPT_ACCEPTED, &v, true);
        smtp_client_finish(c);
    } else if (r->code != 354 || (c->accepted == 0 && c->o.lmtp)) {
        /* RFC 2033 section 4.2: LMTP has no reply to the end of a message that goes nowhere */
        smtp_client_garbage(c);
    } else if (c->accepted > 0) {
        smtp_client_content_begin(c);
    } else {
        /* RFC 2920 section 3.1: 354 although nobody was accepted; the empty message goes nowhere */
        smtp_client_line(c, SLICE("."), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_EMPTY_END);
    }
}

void smtp_client_on_empty_end(struct smtp_client *c, const struct smtp_reply *r)
{
    (void)r;
    c->mail_open = false;
    smtp_client_finish(c);
}

void smtp_client_on_rset(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_OK)
        smtp_client_ready(c);
    else
        smtp_client_garbage(c);
}
