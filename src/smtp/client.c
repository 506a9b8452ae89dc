/* SPDX-License-Identifier: ISC */
#include "smtp/client.h"

#include <assert.h>

#include "smtp/client_state.h"

enum { OUTPUT_KEPT = 1024, SECOND = 1000, MINUTE = 60 * SECOND };

static void on_nothing(struct smtp_client *c, const struct smtp_reply *r)
{
    (void)r;
    smtp_client_fail_status(c, STATUS_PEER_GARBAGE, SLICE("The next host spoke out of turn"));
}

static void on_quit(struct smtp_client *c, const struct smtp_reply *r)
{
    (void)r;
    smtp_client_push(c, SMTP_CLIENT_CLOSED);
    smtp_client_expect(c, SMTP_EXPECT_OVER);
}

/* Timeouts of RFC 5321 section 4.5.3.2; where it has none, ours. 0: none. */
static const struct expectation {
    void (*on_reply)(struct smtp_client *c, const struct smtp_reply *r);
    enum smtp_client_phase phase;
    int64_t timeout_ms;
} expectations[SMTP_EXPECT_COUNT] = {
    [SMTP_EXPECT_GREETING] = {smtp_client_on_greeting, SMTP_PHASE_GREETING, 5 * MINUTE},
    [SMTP_EXPECT_EHLO] = {smtp_client_on_ehlo, SMTP_PHASE_EHLO, 5 * MINUTE},
    [SMTP_EXPECT_HELO] = {smtp_client_on_helo, SMTP_PHASE_EHLO, 5 * MINUTE},
    [SMTP_EXPECT_STARTTLS] = {smtp_client_on_starttls, SMTP_PHASE_STARTTLS, 2 * MINUTE},
    [SMTP_EXPECT_HANDSHAKE] = {on_nothing, SMTP_PHASE_STARTTLS, 2 * MINUTE},
    [SMTP_EXPECT_LOGIN] = {on_nothing, SMTP_PHASE_AUTH, 2 * MINUTE},
    [SMTP_EXPECT_RESPONSE] = {on_nothing, SMTP_PHASE_AUTH, 2 * MINUTE},
    [SMTP_EXPECT_AUTH] = {smtp_client_on_auth, SMTP_PHASE_AUTH, 2 * MINUTE},
    [SMTP_EXPECT_NOTHING] = {on_nothing, SMTP_PHASE_IDLE, 0},
    [SMTP_EXPECT_MAIL] = {smtp_client_on_mail, SMTP_PHASE_MAIL, 5 * MINUTE},
    [SMTP_EXPECT_RCPT] = {smtp_client_on_rcpt, SMTP_PHASE_RCPT, 5 * MINUTE},
    [SMTP_EXPECT_DATA] = {smtp_client_on_data, SMTP_PHASE_DATA, 2 * MINUTE},
    [SMTP_EXPECT_CONTENT] = {smtp_client_on_content, SMTP_PHASE_BODY, 3 * MINUTE},
    [SMTP_EXPECT_END] = {smtp_client_on_end, SMTP_PHASE_END, 10 * MINUTE},
    [SMTP_EXPECT_EMPTY_END] = {smtp_client_on_empty_end, SMTP_PHASE_DATA, 10 * MINUTE},
    [SMTP_EXPECT_RSET] = {smtp_client_on_rset, SMTP_PHASE_IDLE, 2 * MINUTE},
    [SMTP_EXPECT_QUIT] = {on_quit, SMTP_PHASE_QUIT, 30 * SECOND},
    [SMTP_EXPECT_OVER] = {on_nothing, SMTP_PHASE_QUIT, 0},
};

enum err smtp_client_open(const struct smtp_client_options *o, int64_t now_ms, struct smtp_client **client_r)
{
    struct arena memory;
    arena_init(&memory, sizeof(struct smtp_client) + 64);
    struct smtp_client *c = arena_alloc(&memory, sizeof *c);
    if (!c) {
        arena_deinit(&memory);
        return ERR_NOMEM;
    }
    c->o = *o;
    c->memory = memory;
    c->now_ms = now_ms;
    smtp_reply_reader_init(&c->reader);
    buf_init(&c->out, SMTP_CLIENT_OUTPUT_MAX);
    buf_init(&c->initial, SMTP_CLIENT_RESPONSE_MAX);
    buf_init(&c->said, SMTP_CLIENT_RESPONSE_MAX);
    buf_init(&c->challenge, SMTP_CLIENT_RESPONSE_MAX);
    smtp_client_expect(c, SMTP_EXPECT_GREETING);
    *client_r = c;
    return ERR_OK;
}

void smtp_client_wipe(buf *b)
{
    volatile char *p = b->ptr;
    for (size_t i = 0; i < b->cap; i++)
        p[i] = 0;
    buf_release(b);
}

/* A password may lie anywhere in the memory that out has had. */
static void wipe_output(struct smtp_client *c)
{
    smtp_client_wipe(&c->out);
    c->secret_sent = false;
}

void smtp_client_close(struct smtp_client **client)
{
    struct smtp_client *c = *client;
    *client = NULL;
    if (!c)
        return;
    wipe_output(c);
    smtp_client_wipe(&c->initial);
    smtp_client_wipe(&c->said);
    smtp_client_wipe(&c->challenge);
    smtp_reply_reader_deinit(&c->reader);
    struct arena memory = c->memory;
    arena_deinit(&memory);
}

static void set_deadline(struct smtp_client *c)
{
    int64_t timeout = expectations[c->expect].timeout_ms;
    int64_t percent = c->o.timeout_scale_percent > 0 ? c->o.timeout_scale_percent : 100;
    c->deadline_ms = timeout > 0 ? c->now_ms + timeout * percent / 100 : INT64_MAX;
}

void smtp_client_expect(struct smtp_client *c, enum smtp_expect expect)
{
    c->expect = expect;
    set_deadline(c);
}

static struct smtp_client_queued *push(struct smtp_client *c, enum smtp_client_event_kind kind)
{
    assert(c->queue_count < SMTP_CLIENT_QUEUE);
    struct smtp_client_queued *q = &c->queue[(c->queue_head + c->queue_count) % SMTP_CLIENT_QUEUE];
    c->queue_count++;
    *q = (struct smtp_client_queued){.kind = kind, .phase = expectations[c->expect].phase};
    return q;
}

void smtp_client_push(struct smtp_client *c, enum smtp_client_event_kind kind)
{
    (void)push(c, kind);
}

void smtp_client_tell(struct smtp_client *c, size_t index, const struct verdict *v)
{
    struct smtp_client_queued *q = push(c, SMTP_CLIENT_RECIPIENT);
    q->index = (uint32_t)index;
    q->verdict = *v;
    q->remote = true;
    c->recipients[index] = SMTP_RCPT_TOLD;
}

void smtp_client_tell_all(struct smtp_client *c, unsigned states, const struct verdict *v, bool remote)
{
    struct smtp_client_queued *q = push(c, SMTP_CLIENT_RECIPIENT);
    q->all = true;
    q->states = (uint8_t)states;
    q->verdict = *v;
    q->remote = remote;
}

void smtp_client_fail(struct smtp_client *c, const struct verdict *v, bool remote)
{
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    if (c->message) {
        smtp_client_tell_all(c, 1U << SMTP_RCPT_OPEN | 1U << SMTP_RCPT_ACCEPTED, v, remote);
        smtp_client_push(c, SMTP_CLIENT_MESSAGE_DONE);
        c->message = NULL;
    }
    struct smtp_client_queued *q = push(c, SMTP_CLIENT_FAILED);
    q->verdict = *v;
    q->remote = remote;
    smtp_client_expect(c, SMTP_EXPECT_OVER);
}

void smtp_client_fail_status(struct smtp_client *c, enum status status, slice text)
{
    struct verdict v = text.len > 0 ? status_verdict_text(status, text) : status_verdict(status);
    smtp_client_fail(c, &v, false);
}

void smtp_client_ready(struct smtp_client *c)
{
    smtp_client_expect(c, SMTP_EXPECT_NOTHING);
    smtp_client_push(c, SMTP_CLIENT_READY);
}

void smtp_client_line(struct smtp_client *c, slice verb, slice argument)
{
    buf_append(&c->out, verb);
    buf_append(&c->out, argument);
    buf_append(&c->out, SLICE("\r\n"));
}

void smtp_client_check_output(struct smtp_client *c)
{
    if (buf_ok(&c->out))
        return;
    buf_release(&c->out); /* half a command is not sent */
    c->no_memory = true;
    smtp_client_fail_status(c, STATUS_LOCAL_ERROR, SLICE_NONE);
}

static void take_reply(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code == 421 && c->expect != SMTP_EXPECT_QUIT && c->expect != SMTP_EXPECT_AUTH) {
        struct verdict v = status_verdict_of_reply(r->code, r->text);
        smtp_client_fail(c, &v, true);
        return;
    }
    expectations[c->expect].on_reply(c, r);
}

enum err smtp_client_feed(struct smtp_client *c, int64_t now_ms, slice in, size_t *used_r)
{
    slice rest = in;
    c->now_ms = now_ms;
    if (c->o.implicit_tls && !c->secured)
        smtp_client_fail_status(c, STATUS_TLS_FAILED, SLICE_NONE);
    while (rest.len > 0 && c->queue_count == 0 && c->expect != SMTP_EXPECT_OVER) {
        struct smtp_reply reply;
        if (c->expect == SMTP_EXPECT_HANDSHAKE) {
            smtp_client_fail_early(c);
            break;
        }
        enum smtp_reply_result result = smtp_reply_read(&c->reader, &rest, &reply);
        c->more_input = rest.len > 0;
        if (result == SMTP_REPLY_DONE)
            take_reply(c, &reply);
        else if (result == SMTP_REPLY_BAD)
            smtp_client_fail_status(c, STATUS_PEER_GARBAGE, SLICE_NONE);
        smtp_client_check_output(c);
    }
    *used_r = c->expect == SMTP_EXPECT_OVER ? in.len : in.len - rest.len;
    return c->no_memory ? ERR_NOMEM : ERR_OK;
}

/* The next recipient that an entry for all of them is about, or count. */
static size_t next_of_all(const struct smtp_client *c, const struct smtp_client_queued *q)
{
    size_t i = q->index;
    while (i < c->count && !(q->states >> c->recipients[i] & 1))
        i++;
    return i;
}

static slice event_text(const struct smtp_client *c, enum smtp_client_event_kind kind)
{
    if (kind == SMTP_CLIENT_AUTH)
        return slice_of(c->offer.mechanisms, c->offer.mechanisms_len);
    return kind == SMTP_CLIENT_CHALLENGE ? buf_slice(&c->challenge) : SLICE_NONE;
}

bool smtp_client_next(struct smtp_client *c, struct smtp_client_event *event_r)
{
    while (c->queue_count > 0) {
        struct smtp_client_queued *q = &c->queue[c->queue_head];
        size_t index = q->all ? next_of_all(c, q) : q->index;
        bool told = q->all && index == c->count;
        if (told || !q->all) {
            c->queue_head = (uint8_t)((c->queue_head + 1) % SMTP_CLIENT_QUEUE);
            c->queue_count--;
        }
        if (told)
            continue;
        if (q->all) {
            q->index = (uint32_t)index + 1;
            c->recipients[index] = SMTP_RCPT_TOLD;
        }
        *event_r = (struct smtp_client_event){
            .kind = q->kind, .index = (uint32_t)index, .verdict = q->verdict, .remote = q->remote, .phase = q->phase};
        event_r->text = event_text(c, q->kind);
        event_r->dsn_passed =
            q->kind == SMTP_CLIENT_RECIPIENT && verdict_ok(&q->verdict) && !c->o.lmtp && smtp_client_has(c, SMTP_DSN);
        return true;
    }
    return false;
}

slice smtp_client_output(const struct smtp_client *c)
{
    return buf_slice(&c->out);
}

void smtp_client_sent(struct smtp_client *c, size_t n)
{
    buf_consume(&c->out, n);
    if (c->out.len > 0)
        return;
    if (c->secret_sent)
        wipe_output(c);
    else if (c->out.cap > OUTPUT_KEPT)
        buf_release(&c->out);
}

void smtp_client_quit(struct smtp_client *c, int64_t now_ms)
{
    assert(!c->message);
    c->now_ms = now_ms;
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    smtp_client_line(c, SLICE("QUIT"), SLICE_NONE);
    smtp_client_expect(c, SMTP_EXPECT_QUIT);
}

void smtp_client_secured(struct smtp_client *c, int64_t now_ms, bool verified)
{
    bool asked = c->expect == SMTP_EXPECT_HANDSHAKE;
    assert(asked || c->expect == SMTP_EXPECT_GREETING || c->expect == SMTP_EXPECT_OVER);
    c->now_ms = now_ms;
    c->secured = true;
    c->verified = verified;
    if (asked) /* RFC 3207 section 4.2: what was offered in the clear is forgotten */
        smtp_client_introduce(c);
}

/* Why there was no connection at all; the last two are those of a socket in the file system. */
static slice no_connection(enum err why)
{
    switch (why) {
    case ERR_REFUSED:
        return SLICE("Connection refused");
    case ERR_UNREACHABLE:
        return SLICE("Host is unreachable");
    case ERR_NOTFOUND:
        return SLICE("There is no such socket");
    case ERR_PERMISSION:
        return SLICE("No permission to connect to it");
    default:
        return SLICE_NONE;
    }
}

void smtp_client_lost(struct smtp_client *c, enum err why)
{
    slice words = no_connection(why);
    enum status status = why == ERR_TLS       ? STATUS_TLS_FAILED
                         : why == ERR_TIMEOUT ? STATUS_PEER_TIMEOUT
                                              : STATUS_CONNECTION_LOST;
    if (c->expect == SMTP_EXPECT_GREETING && words.len > 0)
        smtp_client_fail_status(c, STATUS_CONNECT_FAILED, words);
    else if (c->expect == SMTP_EXPECT_QUIT)
        on_quit(c, NULL);
    else if (c->expect == SMTP_EXPECT_END)
        smtp_client_fail_status(c, status, SLICE("No reply to the end of the message; it may arrive twice"));
    else
        smtp_client_fail_status(c, status, SLICE_NONE);
}

int64_t smtp_client_deadline(const struct smtp_client *c)
{
    return c->deadline_ms;
}

void smtp_client_tick(struct smtp_client *c, int64_t now_ms)
{
    c->now_ms = now_ms;
    if (now_ms >= c->deadline_ms)
        smtp_client_lost(c, ERR_TIMEOUT);
}

enum smtp_client_phase smtp_client_phase(const struct smtp_client *c)
{
    return expectations[c->expect].phase;
}

struct smtp_client_offer smtp_client_offered(const struct smtp_client *c)
{
    const struct smtp_offer *o = &c->offer;
    return (struct smtp_client_offer){
        .pipelining = smtp_offer_has(o, SMTP_PIPELINING),
        .eight_bit = smtp_offer_has(o, SMTP_8BITMIME),
        .chunking = smtp_offer_has(o, SMTP_CHUNKING),
        .binary = smtp_offer_has(o, SMTP_BINARYMIME),
        .utf8 = smtp_offer_has(o, SMTP_SMTPUTF8),
        .dsn = smtp_offer_has(o, SMTP_DSN),
        .deliver_by = smtp_offer_has(o, SMTP_DELIVERBY),
        .priority = smtp_offer_has(o, SMTP_MT_PRIORITY),
        .requiretls = smtp_offer_has(o, SMTP_REQUIRETLS),
        .etrn = smtp_offer_has(o, SMTP_ETRN),
        .size = o->size,
        .rcpt_max = o->rcpt_max,
        .mail_max = o->mail_max,
        .rcpt_domain_max = o->rcpt_domain_max,
        .deliver_by_min_s = o->deliver_by_min_s,
    };
}

bool smtp_client_pipelining(const struct smtp_client *c)
{
    return smtp_offer_has(&c->offer, SMTP_PIPELINING);
}
