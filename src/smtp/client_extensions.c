/* SPDX-License-Identifier: ISC */
/* The extensions as client: what a message needs, what a host's offer is worth for it, the parameters of MAIL and RCPT.
 *
 * BDAT is used for BINARYMIME content only (RFC 3030 section 3 allows nothing else there). Text goes with DATA also to hosts with CHUNKING: pipelined it costs no round trip more, the
 * content is not sent in vain when nobody is accepted, and bare line ends are cleaned on the way, which a declared size would not allow.
 * LMTP (RFC 2033) is final delivery: what is asked of relays (DELIVERBY, and REQUIRETLS where nobody is between) is not asked of it. */
#include "smtp/client_state.h"

enum { BY_TIME_MAX = 999999999 };

bool smtp_client_has(const struct smtp_client *c, enum smtp_extension_id id)
{
    const struct smtp_extension_client *x = &smtp_extension_at(id)->client;
    return smtp_offer_has(&c->offer, id) && (!x->usable || x->usable(c));
}

enum status smtp_client_lacks(const struct smtp_client *c)
{
    const struct smtp_extension *rows = smtp_extension_at(0);
    for (enum smtp_extension_id id = 0; id < SMTP_EXTENSION_COUNT; id++) {
        const struct smtp_extension_client *x = &rows[id].client;
        if (x->downgrade != SMTP_DOWNGRADE_OMIT && x->needed && x->needed(c) && !smtp_client_has(c, id))
            return x->refusal;
    }
    return STATUS_OK;
}

static uint32_t flags(const struct smtp_client *c)
{
    return c->message->envelope->flags;
}

void smtp_client_say_size(struct smtp_client *c)
{
    buf_append(&c->out, SLICE(" SIZE="));
    buf_append_u64(&c->out, c->message->facts.size + c->message->extra_size);
}

/* RFC 4954 section 5: the host knows us, and not who submitted the message to us. */
void smtp_client_say_auth(struct smtp_client *c)
{
    if (!c->signed_in)
        return;
    buf_append(&c->out, SLICE(" AUTH="));
    if (c->o.auth.len > 0)
        xtext_encode(&c->out, c->o.auth);
    else
        buf_append(&c->out, SLICE("<>"));
}

bool smtp_client_needs_8bit(const struct smtp_client *c)
{
    const struct smtp_client_message *m = c->message;
    return m->facts.eight_bit && (flags(c) & ENVELOPE_BODY_8BIT) && !m->as_it_is && !c->chunked;
}

void smtp_client_say_8bit(struct smtp_client *c)
{
    const struct smtp_client_message *m = c->message;
    bool declared = (flags(c) & ENVELOPE_BODY_8BIT) != 0 && !m->converted;
    if ((m->facts.eight_bit || declared) && !c->chunked)
        buf_append(&c->out, SLICE(" BODY=8BITMIME"));
}

bool smtp_client_needs_binary(const struct smtp_client *c)
{
    return (flags(c) & ENVELOPE_BODY_BINARY) != 0 && !c->message->converted;
}

bool smtp_client_chunks(const struct smtp_client *c)
{
    return smtp_offer_has(&c->offer, SMTP_CHUNKING);
}

void smtp_client_say_binary(struct smtp_client *c)
{
    if (c->chunked)
        buf_append(&c->out, SLICE(" BODY=BINARYMIME"));
}

/* RFC 6531 section 3.4: only where an address or the header has other letters. A header that was never declared international is an old program's, and
 * goes as it came. */
bool smtp_client_needs_utf8(const struct smtp_client *c)
{
    return c->utf8;
}

void smtp_client_say_utf8(struct smtp_client *c)
{
    if (c->utf8)
        buf_append(&c->out, SLICE(" SMTPUTF8"));
}

/* RFC 3461 section 5.2.1: as they came. */
void smtp_client_say_dsn(struct smtp_client *c)
{
    if (flags(c) & (ENVELOPE_RET_FULL | ENVELOPE_RET_HDRS))
        buf_append(&c->out, flags(c) & ENVELOPE_RET_FULL ? SLICE(" RET=FULL") : SLICE(" RET=HDRS"));
    if (c->message->envelope->envid.len == 0)
        return;
    buf_append(&c->out, SLICE(" ENVID="));
    xtext_encode(&c->out, c->message->envelope->envid);
}

static void say_notify(buf *out, uint8_t notify)
{
    static const struct {
        uint8_t bit;
        slice word;
    } words[] = {{NOTIFY_SUCCESS, {"SUCCESS", 7}}, {NOTIFY_FAILURE, {"FAILURE", 7}}, {NOTIFY_DELAY, {"DELAY", 5}}};
    slice between = SLICE(" NOTIFY=");
    if (notify & NOTIFY_NEVER) {
        buf_append(out, SLICE(" NOTIFY=NEVER"));
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!(notify & words[i].bit))
            continue;
        buf_append(out, between);
        buf_append(out, words[i].word);
        between = SLICE(",");
    }
}

/* RFC 2852 section 4.1.4.2: a host that is not told the time tells of delays in its place. */
static uint8_t notify_of(const struct smtp_client *c, uint8_t notify)
{
    bool by_lost = c->message->envelope->deliver_by_s != 0 && !(flags(c) & ENVELOPE_BY_RETURN) && !c->o.lmtp &&
                   smtp_client_by_left(c) > 0 && !smtp_client_has(c, SMTP_DELIVERBY);
    if (!by_lost || notify & NOTIFY_NEVER)
        return notify;
    return (uint8_t)(notify ? notify | NOTIFY_DELAY : NOTIFY_FAILURE | NOTIFY_DELAY);
}

void smtp_client_say_dsn_recipient(struct smtp_client *c, const struct recipient *r)
{
    say_notify(&c->out, notify_of(c, r->notify));
    if (r->orcpt.len == 0)
        return;
    buf_append(&c->out, SLICE(" ORCPT="));
    xtext_encode_orcpt(&c->out, r->orcpt, c->utf8);
}

int64_t smtp_client_by_left(const struct smtp_client *c)
{
    int64_t left = c->message->envelope->deliver_by_s - c->message->now_s;
    return left > BY_TIME_MAX ? BY_TIME_MAX : left < -BY_TIME_MAX ? -BY_TIME_MAX : left;
}

bool smtp_client_needs_deliver_by(const struct smtp_client *c)
{
    return c->message->envelope->deliver_by_s != 0 && (flags(c) & ENVELOPE_BY_RETURN) && !c->o.lmtp;
}

/* RFC 2852 section 4: a host that says the least time it takes cannot be asked for less. */
bool smtp_client_delivers_by(const struct smtp_client *c)
{
    return !(flags(c) & ENVELOPE_BY_RETURN) || smtp_client_by_left(c) >= c->offer.deliver_by_min_s;
}

void smtp_client_say_deliver_by(struct smtp_client *c)
{
    if (c->message->envelope->deliver_by_s == 0)
        return;
    int64_t left = smtp_client_by_left(c);
    buf_append(&c->out, left < 0 ? SLICE(" BY=-") : SLICE(" BY="));
    buf_append_u64(&c->out, (uint64_t)(left < 0 ? -left : left));
    buf_append(&c->out, flags(c) & ENVELOPE_BY_RETURN ? SLICE(";R") : SLICE(";N"));
    if (flags(c) & ENVELOPE_BY_TRACE)
        buf_append_char(&c->out, 'T');
}

/* RFC 6710 section 4; 0 is what everything has that was not given one. */
void smtp_client_say_priority(struct smtp_client *c)
{
    int priority = c->message->envelope->priority;
    if (priority == 0)
        return;
    buf_append(&c->out, priority < 0 ? SLICE(" MT-PRIORITY=-") : SLICE(" MT-PRIORITY="));
    buf_append_u64(&c->out, (uint64_t)(priority < 0 ? -priority : priority));
}

/* RFC 8689 section 5: a report goes without REQUIRETLS rather than not at all. */
bool smtp_client_needs_requiretls(const struct smtp_client *c)
{
    bool report = c->message->envelope->reverse_path.len == 0;
    bool promised = smtp_offer_has(&c->offer, SMTP_REQUIRETLS) && smtp_client_is_verified(c);
    return (flags(c) & ENVELOPE_REQUIRETLS) != 0 && !(c->o.lmtp && c->o.local) && (!report || promised);
}

/* RFC 8689 section 4.2.1: over TLS whose certificate was checked, and to a host that promises the same. */
bool smtp_client_is_verified(const struct smtp_client *c)
{
    return c->secured && c->verified;
}

void smtp_client_say_requiretls(struct smtp_client *c)
{
    if (flags(c) & ENVELOPE_REQUIRETLS)
        buf_append(&c->out, SLICE(" REQUIRETLS"));
}
