/* SPDX-License-Identifier: ISC */
/* Drives a client engine in memory as a sender would, for tests and fuzzers: sends the messages it is given, writes down its bytes (wire) and its
 * events (log). The host is the test's. */
#ifndef SMTP_TALK_TEST_H
#define SMTP_TALK_TEST_H

#include <assert.h>

#include "smtp/smtp.h"

enum { TALK_RECIPIENTS = 8, TALK_RESPONSES = 4 };

/* What a message has beside its envelope's addresses, one for each message; see struct talk. */
struct talk_extra {
    struct envelope envelope;                     /* its addresses, flags and recipients are filled in */
    struct recipient recipients[TALK_RECIPIENTS]; /* their notify and orcpt */
    int64_t now_s;
    bool converted, as_it_is;
};

/* What is said at AUTH, whatever the challenges: PLAIN or LOGIN as alice when no mechanism is named. */
struct talk_login {
    slice password; /* empty: "secret" */
    slice mechanism;
    const slice *initial;
    slice responses[TALK_RESPONSES]; /* then it refuses */
};

struct talk_message {
    slice from;
    slice to[TALK_RECIPIENTS]; /* until the first empty one */
    slice content;
    uint32_t flags;
    size_t piece; /* content is given in pieces of this size; 0: at once */
    bool abort;   /* the content cannot be read */
};

struct talk {
    struct smtp_client *client;
    const struct talk_message *messages;
    const struct talk_extra *extras; /* of the messages, or NULL */
    struct talk_login login;
    size_t responded;
    size_t count, at;
    bool unverified; /* TLS, but the certificate is not */
    int64_t now;
    buf out;  /* to be sent: dialogue and content */
    buf wire; /* all that was sent */
    buf log;
    bool over, handshake, body;
    struct envelope envelope;
    struct recipient recipients[TALK_RECIPIENTS];
    uint32_t indexes[TALK_RECIPIENTS];
    struct smtp_client_message message;
    unsigned told, done;
};

/* t->login and t->extras are the caller's to set before; all else is new. */
static inline void talk_open(struct talk *t, const struct smtp_client_options *o, const struct talk_message *messages,
                             size_t count)
{
    struct smtp_client_options options = *o;
    struct talk_login login = t->login;
    const struct talk_extra *extras = t->extras;
    *t = (struct talk){.messages = messages, .count = count, .login = login, .extras = extras};
    if (options.helo.len == 0)
        options.helo = SLICE("us.example");
    buf_init(&t->out, 64 << 20);
    buf_init(&t->wire, 64 << 20);
    buf_init(&t->log, 16 << 20);
    enum err e = smtp_client_open(&options, 0, &t->client);
    assert(e == ERR_OK);
    (void)e;
    if (options.implicit_tls)
        smtp_client_secured(t->client, 0, true);
}

static inline void talk_close(struct talk *t)
{
    smtp_client_close(&t->client);
    buf_deinit(&t->out);
    buf_deinit(&t->wire);
    buf_deinit(&t->log);
}

static inline void talk_flush(struct talk *t)
{
    slice out = smtp_client_output(t->client);
    buf_append(&t->out, out);
    buf_append(&t->wire, out);
    smtp_client_sent(t->client, out.len);
}

static inline void talk_send(struct talk *t)
{
    const struct talk_extra *x = t->extras ? &t->extras[t->at] : NULL;
    const struct talk_message *m = &t->messages[t->at++];
    struct body_scan scan;
    size_t n = 0;
    for (; n < TALK_RECIPIENTS && m->to[n].len > 0; n++) {
        t->recipients[n] = x ? x->recipients[n] : (struct recipient){0};
        t->recipients[n].address = m->to[n];
        t->indexes[n] = (uint32_t)n;
    }
    t->envelope = x ? x->envelope : (struct envelope){0};
    t->envelope.reverse_path = m->from;
    t->envelope.flags |= m->flags;
    t->envelope.recipient_count = (uint32_t)n;
    t->envelope.recipients = t->recipients;
    body_scan_init(&scan);
    body_scan_feed(&scan, m->content);
    t->message = (struct smtp_client_message){
        .envelope = &t->envelope, .recipients = t->indexes, .recipient_count = n, .facts = body_scan_end(&scan)};
    if (x) {
        t->message.now_s = x->now_s;
        t->message.converted = x->converted;
        t->message.as_it_is = x->as_it_is;
    }
    t->told = 0;
    smtp_client_send(t->client, t->now, &t->message);
}

static inline void talk_content(struct talk *t)
{
    const struct talk_message *m = &t->messages[t->at - 1];
    size_t piece = m->piece ? m->piece : m->content.len + 1, before;
    if (m->abort) {
        struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
        smtp_client_body_abort(t->client, &v);
        return;
    }
    talk_flush(t);
    before = t->out.len;
    for (size_t from = 0; from < m->content.len; from += piece)
        smtp_client_body(t->client, t->now,
                         slice_sub(m->content, from, from + piece < m->content.len ? from + piece : m->content.len),
                         &t->out);
    smtp_client_body_end(t->client, t->now, &t->out);
    buf_append(&t->wire, slice_skip(buf_slice(&t->out), before));
}

static inline void talk_verdict(struct talk *t, const struct smtp_client_event *e)
{
    buf text;
    buf_init(&text, 1 << 20);
    buf_append(&t->log, e->remote ? SLICE(" they: ") : SLICE(" we: "));
    status_print(&text, &e->verdict);
    for (size_t i = 0; i < text.len; i++) /* nothing harmful has come through */
        assert((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
    buf_append(&t->log, buf_slice(&text));
    buf_deinit(&text);
}

static inline void talk_auth(struct talk *t, slice offered)
{
    char memory[64];
    buf plain;
    struct talk_login *l = &t->login;
    slice password = l->password.len > 0 ? l->password : SLICE("secret"), initial;
    t->responded = 0;
    if (l->mechanism.len > 0) {
        smtp_client_auth(t->client, t->now, l->mechanism, l->initial);
        return;
    }
    buf_init_fixed(&plain, memory, sizeof memory);
    buf_append(&plain, slice_of("\0alice\0", 7)); /* RFC 4616 */
    buf_append(&plain, password);
    initial = buf_slice(&plain);
    l->responses[0] = SLICE("alice");
    l->responses[1] = password;
    if (slice_find(offered, SLICE("PLAIN")) >= 0)
        smtp_client_auth(t->client, t->now, SLICE("PLAIN"), &initial);
    else if (slice_find(offered, SLICE("LOGIN")) >= 0)
        smtp_client_auth(t->client, t->now, SLICE("LOGIN"), NULL);
    else
        smtp_client_auth_refuse(t->client, t->now, SLICE("The next host offers no login that we know"));
}

static inline void talk_event(struct talk *t, const struct smtp_client_event *e)
{
    assert(!t->over);
    switch (e->kind) {
    case SMTP_CLIENT_STARTTLS:
        t->handshake = true;
        return;
    case SMTP_CLIENT_AUTH:
        talk_auth(t, e->text);
        return;
    case SMTP_CLIENT_CHALLENGE:
        if (t->responded < TALK_RESPONSES && t->login.responses[t->responded].ptr)
            smtp_client_respond(t->client, t->now, t->login.responses[t->responded++]);
        else
            smtp_client_auth_refuse(t->client, t->now, SLICE("We have nothing to say to that"));
        return;
    case SMTP_CLIENT_READY:
        if (t->at < t->count)
            talk_send(t);
        else
            smtp_client_quit(t->client, t->now);
        return;
    case SMTP_CLIENT_RECIPIENT:
        assert(!(t->told >> e->index & 1)); /* once each */
        t->told |= 1U << e->index;
        buf_append(&t->log, SLICE("rcpt "));
        buf_append_u64(&t->log, e->index);
        if (e->dsn_passed)
            buf_append(&t->log, SLICE(" dsn"));
        talk_verdict(t, e);
        break;
    case SMTP_CLIENT_BODY:
        talk_content(t);
        return;
    case SMTP_CLIENT_MESSAGE_DONE:
        assert(t->told == (1U << t->message.recipient_count) - 1);
        t->done++;
        buf_append(&t->log, SLICE("done"));
        break;
    case SMTP_CLIENT_FAILED:
        t->over = true;
        buf_append(&t->log, SLICE("failed in phase "));
        buf_append_u64(&t->log, e->phase);
        talk_verdict(t, e);
        break;
    case SMTP_CLIENT_CLOSED:
        t->over = true;
        buf_append(&t->log, SLICE("closed"));
        break;
    }
    buf_append_char(&t->log, '\n');
}

static inline void talk_events(struct talk *t)
{
    struct smtp_client_event e;
    while (smtp_client_next(t->client, &e)) {
        talk_event(t, &e);
        talk_flush(t);
    }
    talk_flush(t);
}

/* What the host says. At STARTTLS the handshake is made when nothing more came with it. */
static inline void talk_read(struct talk *t, slice in)
{
    while (in.len > 0) {
        size_t used = 0;
        enum err e = smtp_client_feed(t->client, t->now, in, &used);
        assert(e == ERR_OK);
        (void)e;
        talk_events(t);
        assert(used > 0 || t->handshake);
        in = slice_skip(in, used);
    }
}

static inline void talk_handshake(struct talk *t)
{
    if (!t->handshake || t->over)
        return;
    t->handshake = false;
    buf_append(&t->wire, SLICE("(TLS)\r\n"));
    smtp_client_secured(t->client, t->now, !t->unverified);
    talk_events(t);
}

#endif
