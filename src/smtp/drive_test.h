/* SPDX-License-Identifier: ISC */
/* Drives a server engine in memory as a receiver would, for tests and fuzzers: answers each event by a small policy, and writes down
 * what a receiver and a client would notice: events as lines "event ...", replies as they are, messages that were taken. Input may be cut
 * anywhere. Time is the caller's. */
#ifndef SMTP_DRIVE_TEST_H
#define SMTP_DRIVE_TEST_H

#include <assert.h>

#include "smtp/smtp.h"

struct drive {
    struct smtp_server *server;
    struct smtp_server_options options;
    int64_t now;
    buf log; /* events */
    buf replies;
    buf told;          /* what MAIL and RCPT said, by drive_print_mail and drive_print_rcpt */
    buf body;          /* of the transaction in hand */
    buf taken;         /* each message taken: its content, then "\n--\n" */
    unsigned bodies;   /* BODY events */
    unsigned messages; /* taken */
    unsigned resets, refused;
    bool closed; /* CLOSE was seen */
    bool tls;    /* STARTTLS was seen: stop feeding, then drive_secured */
    char why[64];
    struct body_facts facts;
    uint32_t permits;     /* given again after XCLIENT */
    bool refuse_data;     /* the transaction has a recipient "nodata" */
    slice challenge_name; /* LOGIN: which question is open */
};

/* All of *d but the engine is new. */
static inline void drive_begin(struct drive *d, const struct smtp_server_options *o)
{
    *d = (struct drive){.options = *o};
    if (d->options.hostname.len == 0)
        d->options.hostname = SLICE("mx.example.org");
    buf_init(&d->log, 64 << 20);
    buf_init(&d->replies, 64 << 20);
    buf_init(&d->told, 64 << 20);
    buf_init(&d->body, 64 << 20);
    buf_init(&d->taken, 64 << 20);
}

static inline void drive_open(struct drive *d, const struct smtp_server_options *o)
{
    drive_begin(d, o);
    enum err e = smtp_server_open(&d->options, 0, &d->server);
    assert(e == ERR_OK);
    (void)e;
}

static inline void drive_close(struct drive *d)
{
    smtp_server_close(&d->server);
    buf_deinit(&d->log);
    buf_deinit(&d->replies);
    buf_deinit(&d->told);
    buf_deinit(&d->body);
    buf_deinit(&d->taken);
}

/* Wherever the session is, it is over; another one begins on the same engine. */
static inline void drive_again(struct drive *d, const struct smtp_server_options *o)
{
    struct smtp_server *server = d->server;
    d->server = NULL;
    smtp_server_rest(server);
    drive_close(d);
    drive_begin(d, o);
    smtp_server_renew(server, &d->options, 0);
    d->server = server;
}

static inline void drive_note(struct drive *d, const char *what, slice a, slice b)
{
    buf_append(&d->log, SLICE("event "));
    buf_append(&d->log, slice_str(what));
    buf_append_char(&d->log, ' ');
    buf_append_escaped(&d->log, a);
    buf_append_char(&d->log, ' ');
    buf_append_escaped(&d->log, b);
    buf_append_char(&d->log, '\n');
}

/* Sends all output. */
static inline void drive_flush(struct drive *d)
{
    slice out = smtp_server_output(d->server);
    buf_append(&d->replies, out);
    smtp_server_sent(d->server, out.len);
}

static inline void drive_answer(struct drive *d, struct verdict v)
{
    smtp_server_answer(d->server, d->now, &v);
}

static inline void drive_login(struct drive *d, const struct smtp_server_event *e)
{
    bool good = false;
    if (slice_equal(e->mechanism, SLICE("LOGIN"))) {
        if (e->kind == SMTP_SERVER_AUTH && !e->initial) {
            d->challenge_name = SLICE("name");
            smtp_server_challenge(d->server, d->now, SLICE("Username:"));
            return;
        }
        if (e->kind == SMTP_SERVER_AUTH || d->challenge_name.len > 0) {
            d->challenge_name = SLICE_NONE;
            smtp_server_challenge(d->server, d->now, SLICE("Password:"));
            return;
        }
        good = slice_equal_secret(e->text, SLICE("secret"));
    } else if (e->kind == SMTP_SERVER_AUTH && !e->initial) {
        smtp_server_challenge(d->server, d->now, SLICE_NONE);
        return;
    } else {
        good = slice_equal(e->text, slice_of("\0alice\0secret", 13));
    }
    drive_answer(d, status_verdict(good ? STATUS_AUTH_OK : STATUS_AUTH_FAILED));
}

static inline void drive_say(buf *b, const char *name, slice value)
{
    if (value.len == 0)
        return;
    if (b->len > 0)
        buf_append_char(b, ' ');
    buf_append(b, slice_str(name));
    buf_append(b, value);
}

static inline void drive_say_flags(buf *b, uint32_t flags)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {ENVELOPE_BODY_8BIT, "8bit"},      {ENVELOPE_BODY_BINARY, "binary"},  {ENVELOPE_SMTPUTF8, "utf8"},
        {ENVELOPE_RET_FULL, "full"},       {ENVELOPE_RET_HDRS, "hdrs"},       {ENVELOPE_REQUIRETLS, "requiretls"},
        {ENVELOPE_BY_NOTIFY, "by-notify"}, {ENVELOPE_BY_RETURN, "by-return"}, {ENVELOPE_BY_TRACE, "by-trace"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (flags & names[i].bit)
            drive_say(b, "", slice_str(names[i].name));
}

static inline void drive_say_mail(buf *b, const struct smtp_mail_parameters *m)
{
    drive_say(b, "envid=", m->envid);
    drive_say(b, "auth=", m->auth);
    drive_say(b, "tag=", m->tag);
    if (m->hold_s)
        buf_printf(b, " hold=%lld", (long long)m->hold_s);
    if (m->release_s)
        buf_printf(b, " release=%lld", (long long)m->release_s);
    if (m->by)
        buf_printf(b, " by=%lld", (long long)m->by_s);
    if (m->priority)
        buf_printf(b, " priority=%d", m->priority);
}

static inline void drive_say_rcpt(buf *b, const struct smtp_rcpt_parameters *r)
{
    static const char *const names[] = {"never", "success", "failure", "delay"};
    for (size_t i = 0; i < 4; i++)
        if (r->notify >> i & 1)
            drive_say(b, "", slice_str(names[i]));
    drive_say(b, "orcpt=", r->orcpt);
}

/* An envelope's own words, to be compared with what the other side's envelope says. by_s: 0 none. */
static inline void drive_print_mail(buf *b, uint32_t flags, slice envid, int64_t by_s, int priority)
{
    buf_printf(b, "MAIL flags %u envid ", flags & ~(unsigned)ENVELOPE_TRUSTED);
    buf_append_escaped(b, envid);
    buf_printf(b, " by %lld priority %d\n", (long long)by_s, priority);
}

static inline void drive_print_rcpt(buf *b, unsigned notify, slice orcpt)
{
    buf_printf(b, "RCPT notify %u orcpt ", notify);
    buf_append_escaped(b, orcpt);
    buf_append_char(b, '\n');
}

static inline void drive_tell(struct drive *d, const struct smtp_server_event *e)
{
    static const struct smtp_mail_parameters no_mail;
    static const struct smtp_rcpt_parameters no_rcpt;
    const struct smtp_mail_parameters *m = e->mail ? e->mail : &no_mail;
    const struct smtp_rcpt_parameters *r = e->rcpt ? e->rcpt : &no_rcpt;
    if (e->kind == SMTP_SERVER_MAIL)
        drive_print_mail(&d->told, e->envelope_flags, m->envid, m->by ? m->by_s : 0, m->priority);
    else
        drive_print_rcpt(&d->told, r->notify, r->orcpt);
}

static inline void drive_path(struct drive *d, const char *what, const struct smtp_server_event *e)
{
    char text[600], said[2000];
    buf b, more;
    buf_init_fixed(&b, text, sizeof text);
    buf_init_fixed(&more, said, sizeof said);
    address_print(&b, e->path);
    if (e->kind == SMTP_SERVER_MAIL) {
        d->refuse_data = false;
        drive_say_flags(&more, e->envelope_flags);
        drive_say_mail(&more, e->mail);
    } else {
        d->refuse_data = d->refuse_data || slice_starts(e->path.local, SLICE("nodata"));
        drive_say_rcpt(&more, e->rcpt);
    }
    drive_note(d, what, buf_slice(&b), buf_slice(&more));
    drive_tell(d, e);
    struct verdict v = {.code = 250, .enhanced = {2, 0, 0}};
    if (slice_starts(e->path.local, SLICE("bad")))
        v = status_verdict(STATUS_USER_UNKNOWN);
    if (slice_starts(e->path.local, SLICE("later")))
        v = status_verdict(STATUS_LOCAL_ERROR);
    if (slice_starts(e->path.local, SLICE("full")))
        v = status_verdict(STATUS_MAILBOX_FULL);
    drive_answer(d, v);
}

static inline void drive_peer(struct drive *d, const char *what, const struct smtp_server_event *e)
{
    static const char *const names[] = {"name",  "addr",     "port",     "proto", "helo",
                                        "login", "destaddr", "destport", "ident", "source"};
    char text[3000];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    for (size_t i = 0; i < SMTP_PEER_ATTRIBUTES; i++)
        if (e->peer->given >> i & 1)
            buf_printf(&b, "%s%s=%.*s", b.len > 0 ? " " : "", names[i], SLICE_ARG(e->peer->value[i]));
    drive_note(d, what, buf_slice(&b), SLICE_NONE);
    bool refused = slice_equal(e->peer->value[SMTP_PEER_NAME], SLICE("bad.example"));
    drive_answer(d, status_verdict(refused ? STATUS_TRANSACTION_FAILED : STATUS_OK));
    if (e->kind == SMTP_SERVER_XCLIENT && !refused)
        smtp_server_permit(d->server, d->permits);
}

static inline void drive_end(struct drive *d, const struct smtp_server_event *e)
{
    d->facts = *e->facts;
    assert(d->facts.size == d->body.len);
    drive_note(d, "BODY", buf_slice(&d->body), SLICE_NONE);
    bool refused = slice_find(buf_slice(&d->body), SLICE("refuse me")) >= 0;
    if (!refused) {
        d->messages++;
        buf_append(&d->taken, buf_slice(&d->body));
        buf_append(&d->taken, SLICE("\n--\n"));
    }
    buf_clear(&d->body);
    drive_answer(d, refused ? status_verdict(STATUS_TRANSACTION_FAILED)
                            : status_verdict_text(STATUS_QUEUED, SLICE("Ok: queued as 7K3QX2M9")));
}

static inline void drive_closed(struct drive *d, slice why)
{
    assert(!d->closed);
    d->closed = true;
    drive_note(d, "CLOSE", why, SLICE_NONE);
    size_t n = why.len < sizeof d->why - 1 ? why.len : sizeof d->why - 1;
    memcpy(d->why, why.ptr, n);
    d->why[n] = '\0';
}

static inline void drive_event(struct drive *d, const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SMTP_SERVER_CONNECT:
        drive_answer(d, status_verdict(STATUS_OK));
        break;
    case SMTP_SERVER_HELO:
        drive_note(d, e->esmtp ? "EHLO" : "HELO", e->text, SLICE_NONE);
        drive_answer(d, status_verdict(slice_starts(e->text, SLICE("bad")) ? STATUS_TRANSACTION_FAILED : STATUS_OK));
        break;
    case SMTP_SERVER_MAIL:
        drive_path(d, "MAIL", e);
        break;
    case SMTP_SERVER_RCPT:
        drive_path(d, "RCPT", e);
        break;
    case SMTP_SERVER_DATA:
        drive_note(d, "DATA", e->chunking ? SLICE("chunks") : SLICE_NONE, SLICE_NONE);
        drive_answer(d, status_verdict(d->refuse_data ? STATUS_QUEUE_BUSY : STATUS_OK));
        break;
    case SMTP_SERVER_BODY:
        assert(e->text.len > 0);
        d->bodies++;
        buf_append(&d->body, e->text);
        break;
    case SMTP_SERVER_BODY_END:
        drive_end(d, e);
        break;
    case SMTP_SERVER_RESET:
        d->resets++;
        drive_note(d, "RESET", SLICE_NONE, SLICE_NONE);
        buf_clear(&d->body);
        break;
    case SMTP_SERVER_STARTTLS:
        drive_note(d, "STARTTLS", SLICE_NONE, SLICE_NONE);
        d->tls = true;
        break;
    case SMTP_SERVER_AUTH:
    case SMTP_SERVER_AUTH_RESPONSE:
        drive_note(d, "AUTH", e->mechanism, e->text);
        drive_login(d, e);
        break;
    case SMTP_SERVER_VRFY:
        drive_note(d, "VRFY", e->text, e->envelope_flags & ENVELOPE_SMTPUTF8 ? SLICE("utf8") : SLICE_NONE);
        if (slice_starts(e->text, SLICE("utf8")))
            drive_answer(d, status_verdict_text(STATUS_OK, SLICE("Jos\xc3\xa9 <jos\xc3\xa9@example.org>\xc2\x85")));
        else
            drive_answer(d, status_verdict(STATUS_CANNOT_VRFY));
        break;
    case SMTP_SERVER_EXPN:
        drive_note(d, "EXPN", e->text, SLICE_NONE);
        drive_answer(d, status_verdict_text(STATUS_OK, SLICE("Alice <alice@example.org>\n<bob@example.org>")));
        break;
    case SMTP_SERVER_ETRN:
        drive_note(d, "ETRN", e->text, SLICE_NONE);
        drive_answer(d,
                     status_verdict(slice_starts(e->text, SLICE("bad")) ? STATUS_ETRN_REFUSED : STATUS_ETRN_STARTED));
        break;
    case SMTP_SERVER_XCLIENT:
        drive_peer(d, "XCLIENT", e);
        break;
    case SMTP_SERVER_XFORWARD:
        drive_peer(d, "XFORWARD", e);
        break;
    case SMTP_SERVER_REFUSED:
        drive_note(d, "REFUSED", status_verdict(e->status).text, SLICE_NONE);
        d->refused++;
        break;
    case SMTP_SERVER_CLOSE:
        drive_closed(d, e->text);
        break;
    }
}

static inline void drive_events(struct drive *d)
{
    struct smtp_server_event e;
    while (smtp_server_next(d->server, &e)) {
        assert(!d->closed); /* CLOSE is the last event */
        drive_event(d, &e);
        drive_flush(d);
    }
    drive_flush(d);
}

/* One read of the connection; stops at STARTTLS. */
static inline void drive_read(struct drive *d, slice in)
{
    unsigned idle = 0;
    drive_events(d);
    while (in.len > 0 && !d->tls) {
        size_t used = 0;
        enum err e = smtp_server_feed(d->server, d->now, in, &used);
        assert(e == ERR_OK);
        (void)e;
        drive_events(d);
        in = slice_skip(in, used);
        idle = used > 0 ? 0 : idle + 1;
        assert(idle < 3); /* it goes on */
    }
}

/* The same in pieces of `piece` bytes. */
static inline void drive_read_cut(struct drive *d, slice in, size_t piece)
{
    drive_events(d);
    while (in.len > 0 && !d->tls) {
        drive_read(d, slice_sub(in, 0, piece));
        in = slice_skip(in, piece);
    }
}

static inline void drive_secured(struct drive *d)
{
    assert(d->tls);
    d->tls = false;
    smtp_server_secured(d->server, d->now);
    drive_events(d);
}

#endif
