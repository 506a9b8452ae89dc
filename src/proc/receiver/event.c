/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

static void take_connect(struct session *s, const struct smtp_server_event *e)
{
    int64_t pregreet_ms = s->r->conf->limits.pregreet_ms;
    (void)e;
    if (s->refusal == STATUS_OK && pregreet_ms > 0 && s->listener->conf &&
        s->listener->conf->tls != CONF_TLS_IMPLICIT && s->listener->conf->role != CONF_LISTEN_LMTP)
        session_wait(s, WAIT_PREGREET, pregreet_ms);
    else
        session_answer_status(s, s->refusal);
}

static void take_helo(struct session *s, const struct smtp_server_event *e)
{
    s->verb = e->esmtp ? "EHLO" : "HELO";
    s->counts.ehlo += e->esmtp;
    s->counts.helo += !e->esmtp;
    session_text_set(&s->helo, e->text);
    s->esmtp = e->esmtp;
    log_connect(s);
    session_answer_status(s, STATUS_OK);
}

static void take_mail(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "MAIL";
    s->counts.mail++;
    log_connect(s);
    transaction_mail(s, e);
}

static void take_rcpt(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "RCPT";
    s->counts.rcpt++;
    transaction_rcpt(s, e);
}

static void take_data(struct session *s, const struct smtp_server_event *e)
{
    (void)e;
    s->verb = "DATA";
    s->counts.data++;
    content_data(s);
}

static void take_body(struct session *s, const struct smtp_server_event *e)
{
    content_piece(s, e->text);
}

static void take_body_end(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "END-OF-MESSAGE";
    store_message(s, e->facts);
}

static void take_reset(struct session *s, const struct smtp_server_event *e)
{
    (void)e;
    /* what lookup says about a recipient of it interests nobody any more */
    if (s->wait == WAIT_RESOLVE || s->wait == WAIT_SENDER || s->wait == WAIT_SLOW) {
        ask_cancel(s);
        s->wait = WAIT_NONE;
    }
    transaction_abort(s);
    peer_forget(s);
}

static void take_xclient(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "XCLIENT";
    peer_xclient(s, e->peer);
}

static void take_xforward(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "XFORWARD";
    peer_xforward(s, e->peer);
}

static void take_starttls(struct session *s, const struct smtp_server_event *e)
{
    (void)e;
    s->verb = "STARTTLS";
    s->counts.starttls++;
    transaction_abort(s);
    auth_forget(s);
    peer_forget(s);
    session_text_set(&s->helo, SLICE_NONE);
    session_start_tls(s);
}

static void take_auth(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "AUTH";
    s->counts.auth++;
    auth_begin(s, e);
}

static void take_auth_response(struct session *s, const struct smtp_server_event *e)
{
    auth_response(s, e->text);
}

static void take_vrfy(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "VRFY";
    s->counts.query++;
    verify_begin(s, e->text, false);
}

static void take_expn(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "EXPN";
    s->counts.query++;
    verify_begin(s, e->text, true);
}

static void take_etrn(struct session *s, const struct smtp_server_event *e)
{
    s->verb = "ETRN";
    s->counts.etrn++;
    etrn_begin(s, e->text);
}

/* XCLIENT or XFORWARD of somebody whom the configuration does not trust with it. */
static void take_denied(struct session *s, const struct smtp_server_event *e)
{
    bool xclient = slice_equal(e->text, SLICE("XCLIENT"));
    struct verdict v = status_verdict(STATUS_COMMAND_DENIED);
    v.text = xclient ? SLICE("Insufficient authorization ([trust] xclient)")
                     : SLICE("Insufficient authorization ([trust] xforward)");
    log_reject(s, xclient ? "XCLIENT" : "XFORWARD", &v, SLICE_NONE);
}

/* What the engine refused by itself, before it forgets the transaction. */
static void take_refused(struct session *s, const struct smtp_server_event *e)
{
    if (e->status == STATUS_COMMAND_DENIED) {
        take_denied(s, e);
        return;
    }
    char memory[128];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    struct verdict v = status_verdict(e->status);
    buf_append(&b, v.text);
    log_rule(&b, s->r->conf, e->status);
    v.text = buf_slice(&b);
    bool at_rcpt = e->status == STATUS_TOO_MANY_RECIPIENTS;
    /* the recipient in hand is the last that was taken, not the one too many */
    slice to = s->transaction && !at_rcpt ? s->transaction->rcpt : SLICE_NONE;
    const char *verb = at_rcpt ? "RCPT" : s->transaction ? "END-OF-MESSAGE" : "MAIL";
    if (s->transaction) {
        log_reject(s, verb, &v, to);
        return;
    }
    /* MAIL with a SIZE that is too big: there is no transaction to tell whose it was */
    char path[1024];
    buf from;
    buf_init_fixed(&from, path, sizeof(path));
    address_print(&from, e->path);
    log_reject_from(s, verb, &v, buf_slice(&from));
}

static void take_close(struct session *s, const struct smtp_server_event *e)
{
    s->over = true;
    s->quits = slice_equal(e->text, SLICE("quit"));
    log_disconnect(s, e->text);
}

static void (*const takers[])(struct session *s, const struct smtp_server_event *e) = {
    [SMTP_SERVER_CONNECT] = take_connect,
    [SMTP_SERVER_HELO] = take_helo,
    [SMTP_SERVER_MAIL] = take_mail,
    [SMTP_SERVER_RCPT] = take_rcpt,
    [SMTP_SERVER_DATA] = take_data,
    [SMTP_SERVER_BODY] = take_body,
    [SMTP_SERVER_BODY_END] = take_body_end,
    [SMTP_SERVER_RESET] = take_reset,
    [SMTP_SERVER_STARTTLS] = take_starttls,
    [SMTP_SERVER_AUTH] = take_auth,
    [SMTP_SERVER_AUTH_RESPONSE] = take_auth_response,
    [SMTP_SERVER_VRFY] = take_vrfy,
    [SMTP_SERVER_EXPN] = take_expn,
    [SMTP_SERVER_ETRN] = take_etrn,
    [SMTP_SERVER_XCLIENT] = take_xclient,
    [SMTP_SERVER_XFORWARD] = take_xforward,
    [SMTP_SERVER_REFUSED] = take_refused,
    [SMTP_SERVER_CLOSE] = take_close,
};

void event_take(struct session *s, const struct smtp_server_event *e)
{
    if (takers[e->kind])
        takers[e->kind](s, e);
    else /* nothing offers it */
        session_answer_status(s, STATUS_NOT_IMPLEMENTED);
}
