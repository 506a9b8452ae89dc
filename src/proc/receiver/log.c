/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

slice session_protocol(const struct session *s)
{
    /* RFC 3848, RFC 6531 section 4.3 */
    static const slice names[4][4] = {
        {SLICE("ESMTP"), SLICE("ESMTPA"), SLICE("ESMTPS"), SLICE("ESMTPSA")},
        {SLICE("UTF8SMTP"), SLICE("UTF8SMTPA"), SLICE("UTF8SMTPS"), SLICE("UTF8SMTPSA")},
        {SLICE("LMTP"), SLICE("LMTPA"), SLICE("LMTPS"), SLICE("LMTPSA")},
        {SLICE("UTF8LMTP"), SLICE("UTF8LMTPA"), SLICE("UTF8LMTPS"), SLICE("UTF8LMTPSA")},
    };
    bool lmtp = s->listener->options.lmtp;
    bool utf8 = s->transaction && (s->transaction->flags & ENVELOPE_SMTPUTF8);
    bool tls = s->listener->conf && smtp_server_is_secured(s->smtp);
    if (!s->esmtp && !lmtp)
        return SLICE("SMTP");
    return names[(lmtp ? 2 : 0) + (utf8 ? 1 : 0)][(tls ? 2 : 0) + (s->route.login.len > 0 ? 1 : 0)];
}

#define LINE_MAX_BYTES 4096 /* what does not fit is cut by the log, too */

static slice listener_name(const struct session *s)
{
    static const slice names[] = {[CONF_LISTEN_MX] = SLICE("mx"),
                                  [CONF_LISTEN_SUBMISSION] = SLICE("submission"),
                                  [CONF_LISTEN_LMTP] = SLICE("lmtp")};
    return s->listener->conf ? names[s->listener->conf->role] : SLICE("local");
}

void log_event_begin(struct trace_event *e, const struct session *s, enum trace_kind kind, enum log_level level)
{
    trace_event_init(e, kind, level);
    trace_add(e, TRACE_KEY_CLIENT, session_ip(s));
    trace_add(e, TRACE_KEY_CLIENT_NAME, session_name(s));
    trace_add(e, TRACE_KEY_HELO, session_helo(s));
    trace_add(e, TRACE_KEY_LISTENER, listener_name(s));
    if (s->listener->conf && s->listener->conf->port > 0)
        trace_add_number(e, TRACE_KEY_PORT, s->listener->conf->port);
    trace_add(e, TRACE_KEY_LOGIN, s->route.login);
}

void log_print_client(buf *b, slice name, slice ip)
{
    buf_append(b, name);
    buf_append_char(b, '[');
    buf_append(b, ip);
    buf_append_char(b, ']');
}

void log_connect(struct session *s)
{
    /* whoever was refused at once has had its line */
    if (s->connect_logged || s->refusal != STATUS_OK)
        return;
    s->connect_logged = true;
    struct trace_event e;
    char memory[512];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    buf_append(&b, SLICE("connect from "));
    log_print_client(&b, session_name(s), session_ip(s));
    log_event_begin(&e, s, TRACE_CONNECT, LOG_INFO);
    trace_emit(&e, buf_slice(&b));
}

static void append_count(buf *b, slice name, uint32_t ok, uint32_t all)
{
    if (all == 0)
        return;
    buf_append_char(b, ' ');
    buf_append(b, name);
    buf_append_char(b, '=');
    buf_append_u64(b, ok);
    if (ok != all) {
        buf_append_char(b, '/');
        buf_append_u64(b, all);
    }
}

void log_rule(buf *b, const struct conf *conf, enum status status)
{
    const struct conf_limits *l = &conf->limits;
    if (status == STATUS_TOO_MANY_HOPS)
        buf_printf(b, " ([limits] hops = %u)", l->hops);
    else if (status == STATUS_MESSAGE_TOO_BIG)
        buf_printf(b, " ([limits] max_size = %llu)", (unsigned long long)l->max_size);
    else if (status == STATUS_TOO_MANY_RECIPIENTS)
        buf_printf(b, " ([limits] recipients = %u)", l->recipients);
    else if (status == STATUS_BARE_NEWLINE)
        buf_printf(b, " ([limits] bare_newline = \"reject\")");
    else if (status == STATUS_TOO_MANY_ERRORS)
        buf_printf(b, " ([limits] errors = %u)", l->errors);
    else if (status == STATUS_USER_RATE)
        buf_printf(b, " ([limits] user_messages_per_hour = %u, user_recipients_per_hour = %u)",
                   l->user_messages_per_hour, l->user_recipients_per_hour);
    else if (status == STATUS_NULL_MX_SENDER)
        buf_printf(b, " ([limits] refuse_null_mx)");
    else if (status == STATUS_TOO_MANY_MESSAGES)
        buf_printf(b, " ([limits] messages_per_session = %u)", l->messages_per_session);
}

static void log_why(const struct session *s, slice why)
{
    char memory[64];
    buf rule;
    buf_init_fixed(&rule, memory, sizeof(memory));
    if (slice_equal(why, SLICE("lost")))
        why = SLICE("lost connection");
    else if (slice_equal(why, SLICE("too many errors")))
        log_rule(&rule, s->r->conf, STATUS_TOO_MANY_ERRORS);
    else if (slice_equal(why, SLICE("too many messages")))
        log_rule(&rule, s->r->conf, STATUS_TOO_MANY_MESSAGES);
    struct trace_event e;
    char line[LINE_MAX_BYTES];
    buf b;
    buf_init_fixed(&b, line, sizeof(line));
    buf_append(&b, why);
    buf_append(&b, SLICE(" after "));
    buf_append(&b, slice_str(s->verb));
    buf_append(&b, SLICE(" from "));
    log_print_client(&b, session_name(s), session_ip(s));
    buf_append(&b, buf_slice(&rule));
    log_event_begin(&e, s, TRACE_NOTE, LOG_INFO);
    trace_add(&e, TRACE_KEY_COMMAND, slice_str(s->verb));
    trace_add(&e, TRACE_KEY_REASON, why);
    trace_emit(&e, buf_slice(&b));
}

void log_disconnect(struct session *s, slice why)
{
    const struct session_counts *c = &s->counts;
    bool quit = slice_equal(why, SLICE("quit"));
    if (s->refusal != STATUS_OK)
        return;
    log_connect(s);
    if (!quit)
        log_why(s, why);
    char memory[1024];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    buf_append(&b, SLICE("disconnect from "));
    log_print_client(&b, session_name(s), session_ip(s));
    append_count(&b, SLICE("helo"), c->helo, c->helo);
    append_count(&b, SLICE("ehlo"), c->ehlo, c->ehlo);
    append_count(&b, SLICE("starttls"), c->starttls, c->starttls);
    append_count(&b, SLICE("auth"), c->auth_ok, c->auth);
    append_count(&b, SLICE("mail"), c->mail_ok, c->mail);
    append_count(&b, SLICE("rcpt"), c->rcpt_ok, c->rcpt);
    append_count(&b, SLICE("data"), c->data_ok, c->data);
    append_count(&b, SLICE("vrfy"), c->query, c->query);
    append_count(&b, SLICE("etrn"), c->etrn, c->etrn);
    append_count(&b, SLICE("quit"), quit, quit);
    uint32_t ok =
        c->helo + c->ehlo + c->starttls + c->auth_ok + c->mail_ok + c->rcpt_ok + c->data_ok + c->query + c->etrn + quit;
    uint32_t all = c->helo + c->ehlo + c->starttls + c->auth + c->mail + c->rcpt + c->data + c->query + c->etrn + quit;
    append_count(&b, SLICE("commands"), ok, all);
    struct trace_event e;
    log_event_begin(&e, s, TRACE_DISCONNECT, LOG_INFO);
    trace_emit(&e, buf_slice(&b));
}

/* "554 5.7.1 <a@b>: text", or without an address. */
static void print_reply(buf *b, const struct verdict *v, slice to)
{
    struct verdict code = *v;
    code.text = SLICE_NONE;
    status_print(b, &code);
    if (to.len > 0) {
        buf_append(b, SLICE(" <"));
        buf_append(b, to);
        buf_append(b, SLICE(">:"));
    }
    buf_append_char(b, ' ');
    buf_append(b, v->text);
}

static void log_line_of_reject(struct session *s, const char *verb, const struct verdict *v, slice from, slice to)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], memory[16];
    buf b, dsn;
    buf_init_fixed(&b, line, sizeof(line));
    buf_append(&b, SLICE("NOQUEUE: reject: "));
    buf_append(&b, slice_str(verb));
    buf_append(&b, SLICE(" from "));
    log_print_client(&b, session_name(s), session_ip(s));
    buf_append(&b, SLICE(": "));
    print_reply(&b, v, to);
    buf_append(&b, SLICE("; from=<"));
    buf_append(&b, from);
    if (to.len > 0) {
        buf_append(&b, SLICE("> to=<"));
        buf_append(&b, to);
    }
    buf_append(&b, SLICE("> proto="));
    buf_append(&b, session_protocol(s));
    buf_append(&b, SLICE(" helo=<"));
    buf_append(&b, session_helo(s));
    buf_append_char(&b, '>');
    buf_init_fixed(&dsn, memory, sizeof(memory));
    status_print_enhanced(&dsn, v);
    log_event_begin(&e, s, TRACE_REJECT, LOG_INFO);
    trace_add(&e, TRACE_KEY_COMMAND, slice_str(verb));
    trace_add(&e, TRACE_KEY_FROM, from);
    trace_add(&e, TRACE_KEY_TO, to);
    trace_add_number(&e, TRACE_KEY_CODE, v->code);
    trace_add(&e, TRACE_KEY_DSN, buf_slice(&dsn));
    trace_add(&e, TRACE_KEY_REASON, v->text);
    trace_emit(&e, buf_slice(&b));
}

void log_reject(struct session *s, const char *verb, const struct verdict *v, slice to)
{
    log_line_of_reject(s, verb, v, s->transaction ? s->transaction->reverse_path : SLICE_NONE, to);
}

void log_reject_from(struct session *s, const char *verb, const struct verdict *v, slice from)
{
    log_line_of_reject(s, verb, v, from, SLICE_NONE);
}

void log_pregreet(struct session *s)
{
    struct trace_event e;
    char line[1024];
    buf b;
    slice why = SLICE("the client spoke before the greeting");
    buf_init_fixed(&b, line, sizeof(line));
    buf_append(&b, SLICE("NOQUEUE: reject: CONNECT from "));
    log_print_client(&b, session_name(s), session_ip(s));
    buf_append(&b, SLICE(": "));
    buf_append(&b, why);
    log_event_begin(&e, s, TRACE_REJECT, LOG_INFO);
    trace_add(&e, TRACE_KEY_COMMAND, SLICE("CONNECT"));
    trace_add(&e, TRACE_KEY_REASON, why);
    trace_emit(&e, buf_slice(&b));
}

void log_refused(slice ip, const char *what, slice why)
{
    struct trace_event e;
    char line[512];
    buf b;
    buf_init_fixed(&b, line, sizeof(line));
    buf_append(&b, slice_str(what));
    buf_append(&b, SLICE(" unknown["));
    buf_append(&b, ip);
    buf_append(&b, SLICE("]: "));
    buf_append(&b, why);
    trace_event_init(&e, TRACE_REJECT, LOG_WARNING);
    trace_add(&e, TRACE_KEY_CLIENT, ip);
    trace_add(&e, TRACE_KEY_COMMAND, SLICE("CONNECT"));
    trace_add(&e, TRACE_KEY_REASON, why);
    trace_emit(&e, buf_slice(&b));
}

void log_tls_failed(struct session *s, slice why)
{
    struct trace_event e;
    char line[1024];
    buf b;
    buf_init_fixed(&b, line, sizeof(line));
    buf_append(&b, SLICE("TLS failed with "));
    log_print_client(&b, session_name(s), session_ip(s));
    buf_append(&b, SLICE(": "));
    buf_append(&b, why);
    log_event_begin(&e, s, TRACE_NOTE, LOG_INFO);
    trace_add(&e, TRACE_KEY_COMMAND, SLICE("STARTTLS"));
    trace_add(&e, TRACE_KEY_REASON, why);
    trace_emit(&e, buf_slice(&b));
}

void log_login(struct session *s, enum trace_kind kind, slice what, slice user)
{
    struct trace_event e;
    char line[2048];
    buf b;
    slice mechanism = slice_str(auth_mechanism(s));
    buf_init_fixed(&b, line, sizeof(line));
    log_print_client(&b, session_name(s), session_ip(s));
    buf_append(&b, SLICE(": SASL "));
    buf_append(&b, mechanism);
    buf_append_char(&b, ' ');
    buf_append(&b, what);
    buf_append(&b, SLICE(": sasl_username="));
    buf_append(&b, user);
    log_event_begin(&e, s, kind, kind == TRACE_LOGIN ? LOG_DEBUG : LOG_WARNING);
    if (s->route.login.len == 0)
        trace_add(&e, TRACE_KEY_LOGIN, user);
    trace_add(&e, TRACE_KEY_MECHANISM, mechanism);
    if (kind == TRACE_LOGIN_FAILED)
        trace_add(&e, TRACE_KEY_REASON, what);
    trace_emit(&e, buf_slice(&b));
}
