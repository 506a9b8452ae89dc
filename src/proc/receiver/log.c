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

void log_connect(struct session *s)
{
    /* whoever was refused at once has had its line */
    if (s->connect_logged || s->refusal != STATUS_OK)
        return;
    s->connect_logged = true;
    log_line(LOG_INFO, "connect from %.*s[%.*s]", SLICE_ARG(session_name(s)), SLICE_ARG(session_ip(s)));
}

static void append_count(buf *b, const char *name, uint32_t ok, uint32_t all)
{
    if (all == 0)
        return;
    buf_append_char(b, ' ');
    buf_append(b, slice_str(name));
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
    slice name = session_name(s), ip = session_ip(s);
    char memory[64];
    buf rule;
    buf_init_fixed(&rule, memory, sizeof(memory));
    if (slice_equal(why, SLICE("lost")))
        why = SLICE("lost connection");
    else if (slice_equal(why, SLICE("too many errors")))
        log_rule(&rule, s->r->conf, STATUS_TOO_MANY_ERRORS);
    else if (slice_equal(why, SLICE("too many messages")))
        log_rule(&rule, s->r->conf, STATUS_TOO_MANY_MESSAGES);
    log_line(LOG_INFO, "%.*s after %s from %.*s[%.*s]%.*s", SLICE_ARG(why), s->verb, SLICE_ARG(name), SLICE_ARG(ip),
             SLICE_ARG(buf_slice(&rule)));
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
    char memory[256];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    append_count(&b, "helo", c->helo, c->helo);
    append_count(&b, "ehlo", c->ehlo, c->ehlo);
    append_count(&b, "starttls", c->starttls, c->starttls);
    append_count(&b, "auth", c->auth_ok, c->auth);
    append_count(&b, "mail", c->mail_ok, c->mail);
    append_count(&b, "rcpt", c->rcpt_ok, c->rcpt);
    append_count(&b, "data", c->data_ok, c->data);
    append_count(&b, "vrfy", c->query, c->query);
    append_count(&b, "etrn", c->etrn, c->etrn);
    append_count(&b, "quit", quit, quit);
    uint32_t ok =
        c->helo + c->ehlo + c->starttls + c->auth_ok + c->mail_ok + c->rcpt_ok + c->data_ok + c->query + c->etrn + quit;
    uint32_t all = c->helo + c->ehlo + c->starttls + c->auth + c->mail + c->rcpt + c->data + c->query + c->etrn + quit;
    append_count(&b, "commands", ok, all);
    log_line(LOG_INFO, "disconnect from %.*s[%.*s]%.*s", SLICE_ARG(session_name(s)), SLICE_ARG(session_ip(s)),
             SLICE_ARG(buf_slice(&b)));
}

static void log_line_of_reject(struct session *s, const char *verb, const struct verdict *v, slice from, slice to)
{
    char memory[640];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    struct verdict code = *v;
    code.text = SLICE_NONE;
    status_print(&b, &code);
    if (to.len > 0) {
        buf_append(&b, SLICE(" <"));
        buf_append(&b, to);
        buf_append(&b, SLICE(">:"));
    }
    slice protocol = session_protocol(s), open = to.len > 0 ? SLICE(" to=<") : SLICE_NONE;
    log_line(LOG_INFO, "NOQUEUE: reject: %s from %.*s[%.*s]: %.*s %.*s; from=<%.*s>%.*s%.*s%s proto=%.*s helo=<%.*s>",
             verb, SLICE_ARG(session_name(s)), SLICE_ARG(session_ip(s)), SLICE_ARG(buf_slice(&b)), SLICE_ARG(v->text),
             SLICE_ARG(from), SLICE_ARG(open), SLICE_ARG(to), to.len > 0 ? ">" : "", SLICE_ARG(protocol),
             SLICE_ARG(session_helo(s)));
}

void log_reject(struct session *s, const char *verb, const struct verdict *v, slice to)
{
    log_line_of_reject(s, verb, v, s->transaction ? s->transaction->reverse_path : SLICE_NONE, to);
}

void log_reject_from(struct session *s, const char *verb, const struct verdict *v, slice from)
{
    log_line_of_reject(s, verb, v, from, SLICE_NONE);
}

static slice message_id_of(const struct part *p)
{
    struct header_field f;
    if (!header_find(spool_message_start(p->message), SLICE("Message-ID"), &f))
        return SLICE("<>");
    return slice_trim(f.value);
}

void log_message(struct session *s, const struct part *p)
{
    char id[QUEUE_ID_TEXT_MAX];
    int n = (int)queue_id_write(id, p->id);
    slice name = session_name(s), ip = session_ip(s), message_id = message_id_of(p);
    if (s->route.login.len > 0)
        log_line(LOG_INFO, "%.*s: client=%.*s[%.*s], sasl_method=%s, sasl_username=%.*s", n, id, SLICE_ARG(name),
                 SLICE_ARG(ip), auth_mechanism(s), SLICE_ARG(s->route.login));
    else
        log_line(LOG_INFO, "%.*s: client=%.*s[%.*s]", n, id, SLICE_ARG(name), SLICE_ARG(ip));
    if (s->forward) {
        struct message_origin o = peer_origin(s);
        log_line(LOG_INFO, "%.*s: orig_client=%.*s[%.*s], orig_proto=%.*s, orig_helo=<%.*s>", n, id,
                 SLICE_ARG(o.client_name), SLICE_ARG(o.client_ip), SLICE_ARG(o.protocol), SLICE_ARG(o.helo));
    }
    if (s->transaction->priority != 0) /* RFC 6710 section 4.1 */
        log_line(LOG_INFO, "%.*s: priority=%d", n, id, s->transaction->priority);
    if (p->list)
        log_line(LOG_INFO, "%.*s: list=<%.*s>", n, id, SLICE_ARG(p->list->address));
    log_line(LOG_INFO, "%.*s: message-id=%.*s", n, id, SLICE_ARG(message_id));
}
