/* SPDX-License-Identifier: ISC */
/* Content above 7 bits for a host without 8BITMIME: a message that was declared BODY=8BITMIME is refused (RFC 6152 section 3 leaves only that or
 * conversion), one that was never declared goes as it is, as it came: nearly every host takes it. */
#include "smtp/client_state.h"

#include <assert.h>

/* What is between brackets; anything that could end the line, or that needs SMTPUTF8, is no address. */
static bool address_sendable(slice address)
{
    for (size_t i = 0; i < address.len; i++)
        if (address.ptr[i] < 0x20 || address.ptr[i] >= 0x7f)
            return false;
    return address.len <= 512;
}

static uint64_t message_size(const struct smtp_client_message *m)
{
    return m->facts.size + m->extra_size;
}

static bool needs_8bit(const struct smtp_client_message *m)
{
    return m->facts.eight_bit || (m->envelope->flags & ENVELOPE_BODY_8BIT);
}

/* What can be refused without asking. */
static enum status judge(const struct smtp_client *c, const struct smtp_client_message *m)
{
    bool may_8bit = smtp_offer_has(&c->offer, SMTP_8BITMIME);
    bool declared = (m->envelope->flags & ENVELOPE_BODY_8BIT) != 0;
    if (!address_sendable(m->envelope->reverse_path))
        return STATUS_BAD_PATH_SENDER;
    if (c->offer.size > 0 && message_size(m) > c->offer.size)
        return STATUS_MESSAGE_TOO_BIG;
    if (m->facts.eight_bit && declared && !may_8bit &&
        smtp_extension_at(SMTP_8BITMIME)->downgrade == SMTP_DOWNGRADE_REFUSE)
        return STATUS_NO_8BITMIME;
    return STATUS_OK;
}

static void finish(struct smtp_client *c)
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
    const struct smtp_client_message *m = c->message;
    buf_append(&c->out, SLICE("MAIL FROM:<"));
    buf_append(&c->out, m->envelope->reverse_path);
    buf_append_char(&c->out, '>');
    if (smtp_offer_has(&c->offer, SMTP_SIZE)) {
        buf_append(&c->out, SLICE(" SIZE="));
        buf_append_u64(&c->out, message_size(m));
    }
    if (smtp_offer_has(&c->offer, SMTP_8BITMIME) && needs_8bit(m))
        buf_append(&c->out, SLICE(" BODY=8BITMIME"));
    buf_append(&c->out, SLICE("\r\n"));
}

static slice address_of(const struct smtp_client *c, size_t i)
{
    return c->message->envelope->recipients[c->message->recipients[i]].address;
}

static void send_rcpt(struct smtp_client *c, size_t i)
{
    buf_append(&c->out, SLICE("RCPT TO:<"));
    buf_append(&c->out, address_of(c, i));
    buf_append(&c->out, SLICE(">\r\n"));
}

/* The first recipient from i on for whom RCPT is or was sent, or count. */
static size_t next_asked(const struct smtp_client *c, size_t i)
{
    while (i < c->count && !c->asked[i])
        i++;
    return i;
}

static size_t next_accepted(const struct smtp_client *c, size_t i)
{
    while (i < c->count && c->recipients[i] != SMTP_RCPT_ACCEPTED)
        i++;
    return i;
}

/* Returns how many recipients can be asked for. */
static size_t sort_recipients(struct smtp_client *c)
{
    size_t good = 0;
    for (size_t i = 0; i < c->count; i++) {
        slice address = address_of(c, i);
        c->asked[i] = address.len > 0 && address_sendable(address);
        c->recipients[i] = c->asked[i] ? SMTP_RCPT_OPEN : SMTP_RCPT_BAD;
        good += c->asked[i];
    }
    if (good < c->count) {
        struct verdict v = status_verdict(STATUS_BAD_PATH_RECIPIENT);
        smtp_client_tell_all(c, 1U << SMTP_RCPT_BAD, &v, false);
    }
    return good;
}

void smtp_client_send(struct smtp_client *c, int64_t now_ms, const struct smtp_client_message *m)
{
    assert(c->expect == SMTP_EXPECT_NOTHING || c->expect == SMTP_EXPECT_OVER);
    assert(m->recipient_count <= SMTP_CLIENT_RECIPIENTS_MAX);
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    c->now_ms = now_ms;
    c->message = m;
    c->count = m->recipient_count;
    c->accepted = 0;
    c->mail_open = false;
    c->mail_refused = false;
    size_t good = sort_recipients(c);
    enum status status = judge(c, m);
    if (status != STATUS_OK) {
        struct verdict v = status_verdict(status);
        smtp_client_tell_all(c, 1U << SMTP_RCPT_OPEN, &v, false);
    }
    if (status != STATUS_OK || good == 0) {
        finish(c);
        return;
    }
    send_mail(c);
    if (smtp_client_pipelining(c)) {
        for (size_t i = next_asked(c, 0); i < c->count; i = next_asked(c, i + 1))
            send_rcpt(c, i);
        smtp_client_line(c, SLICE("DATA"), SLICE_NONE);
    }
    smtp_client_expect(c, SMTP_EXPECT_MAIL);
    smtp_client_check_output(c);
}

static bool is_refusal(const struct smtp_reply *r)
{
    return r->code >= 400;
}

static void garbage(struct smtp_client *c)
{
    smtp_client_fail_status(c, STATUS_PEER_GARBAGE, SLICE_NONE);
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
        c->mail_refused = true;
        smtp_client_tell_all(c, 1U << SMTP_RCPT_OPEN, &v, true);
        if (!pipelining) {
            finish(c);
            return;
        }
    } else {
        garbage(c);
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
        garbage(c);
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
    } else if (pipelining || c->accepted > 0) {
        if (!pipelining)
            smtp_client_line(c, SLICE("DATA"), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_DATA);
    } else {
        finish(c);
    }
}

void smtp_client_on_data(struct smtp_client *c, const struct smtp_reply *r)
{
    if (is_refusal(r)) {
        struct verdict v = status_verdict_of_reply(r->code, r->text);
        smtp_client_tell_all(c, 1U << SMTP_RCPT_ACCEPTED, &v, true);
        finish(c);
    } else if (r->code != 354) {
        garbage(c);
    } else if (c->accepted > 0) {
        smtp_stuffer_init(&c->stuffer);
        smtp_client_expect(c, SMTP_EXPECT_CONTENT);
        smtp_client_push(c, SMTP_CLIENT_BODY);
    } else {
        /* RFC 2920 section 3.1: 354 although nobody was accepted; the empty message goes nowhere */
        smtp_client_line(c, SLICE("."), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_EMPTY_END);
    }
}

/* The host gives up before we have said all. It may be right for good (552), but what it has seen is no whole message: later is the safe answer. */
void smtp_client_on_content(struct smtp_client *c, const struct smtp_reply *r)
{
    if (!is_refusal(r)) {
        garbage(c);
        return;
    }
    struct verdict v = status_verdict_of_reply(r->code, r->text);
    if (verdict_class(&v) == VERDICT_PERMANENT)
        v = status_verdict_text(STATUS_CONNECTION_LOST, v.text);
    smtp_client_fail(c, &v, true);
}

void smtp_client_on_end(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict v = status_verdict_of_reply(r->code, r->text);
    if (r->code / 100 == VERDICT_MORE) {
        garbage(c);
        return;
    }
    if (c->o.lmtp) { /* RFC 2033 section 4.2: a reply for each recipient accepted, in their order */
        smtp_client_tell(c, c->at, &v);
        c->at = next_accepted(c, c->at + 1);
        if (c->at < c->count) {
            smtp_client_expect(c, SMTP_EXPECT_END);
            return;
        }
    } else {
        smtp_client_tell_all(c, 1U << SMTP_RCPT_ACCEPTED, &v, true);
    }
    c->mail_open = false;
    finish(c);
}

void smtp_client_on_empty_end(struct smtp_client *c, const struct smtp_reply *r)
{
    (void)r;
    c->mail_open = false;
    finish(c);
}

void smtp_client_on_rset(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_OK)
        smtp_client_ready(c);
    else
        garbage(c);
}

void smtp_client_body(struct smtp_client *c, int64_t now_ms, slice content, buf *out)
{
    if (c->expect != SMTP_EXPECT_CONTENT)
        return;
    c->now_ms = now_ms;
    smtp_stuffer_write(&c->stuffer, content, out);
    smtp_client_expect(c, SMTP_EXPECT_CONTENT);
}

void smtp_client_body_end(struct smtp_client *c, int64_t now_ms, buf *out)
{
    if (c->expect != SMTP_EXPECT_CONTENT)
        return;
    c->now_ms = now_ms;
    smtp_stuffer_end(&c->stuffer, out);
    c->at = next_accepted(c, 0);
    smtp_client_expect(c, SMTP_EXPECT_END);
}

void smtp_client_body_abort(struct smtp_client *c, const struct verdict *v)
{
    smtp_client_fail(c, v, false);
}
