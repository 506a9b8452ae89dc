/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

/* Keeps the path beyond the input's life: the answer may be late. */
static void hold_path(struct smtp_server *s, struct address path)
{
    size_t local = path.local.len < SMTP_HELD / 2 ? path.local.len : SMTP_HELD / 2;
    size_t domain = path.domain.len < SMTP_HELD / 2 ? path.domain.len : SMTP_HELD / 2;
    if (local > 0)
        memcpy(s->held, path.local.ptr, local);
    if (domain > 0)
        memcpy(s->held + local, path.domain.ptr, domain);
    s->path = (struct address){slice_of(s->held, local), slice_of(s->held + local, domain)};
}

static unsigned path_rules(const struct smtp_server *s)
{
    return ADDRESS_NO_DOMAIN | (s->o->strict_paths ? 0U : ADDRESS_BARE_PATH);
}

/* Reads keyword, path and parameters; replies and returns false when they are wrong. */
static bool take_path(struct smtp_server *s, slice argument, bool rcpt)
{
    slice keyword = rcpt ? SLICE("TO:") : SLICE("FROM:"), rest;
    if (!slice_starts_nocase(argument, keyword)) {
        smtp_session_say(s, STATUS_BAD_SYNTAX,
                         rcpt ? SLICE("Syntax: RCPT TO:<address>") : SLICE("Syntax: MAIL FROM:<address>"));
        return false;
    }
    struct address path;
    unsigned rules = path_rules(s) | (rcpt ? 0U : ADDRESS_NULL);
    enum err e = address_parse_path(slice_skip(argument, keyword.len), rules, &s->scratch, &path, &rest);
    if (e == ERR_NOMEM) {
        smtp_session_status(s, STATUS_LOCAL_ERROR);
        return false;
    }
    if (e != ERR_OK) {
        smtp_session_status(s, rcpt ? STATUS_BAD_PATH_RECIPIENT : STATUS_BAD_PATH_SENDER);
        return false;
    }
    if (!smtp_parameters_take(s, rest, rcpt))
        return false;
    hold_path(s, path);
    return true;
}

/* "<a@b>... Sender ok" where the caller has no words of its own. */
static void reply_ok(struct smtp_server *s, const struct verdict *v, enum status status)
{
    slice usual = status_verdict(status).text;
    if (v->text.len > 0 && !slice_equal(v->text, usual) && !slice_equal(v->text, status_verdict(STATUS_OK).text)) {
        smtp_session_reply(s, v);
        return;
    }
    char text[SMTP_HELD + 64];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    buf_append_char(&b, '<');
    address_print(&b, s->path);
    buf_append(&b, SLICE(">... "));
    buf_append(&b, usual);
    smtp_session_say(s, status, buf_slice(&b));
}

void smtp_verb_mail(struct smtp_server *s, slice argument)
{
    s->size = 0;
    s->envelope_flags = 0;
    if (!take_path(s, argument, false))
        return;
    if (s->o->max_messages > 0 && s->messages >= s->o->max_messages) {
        smtp_session_fail(s, STATUS_TOO_MANY_MESSAGES, SLICE_NONE, SLICE("too many messages"));
        return;
    }
    s->recipients = 0;
    s->recipients_refused = 0;
    s->limit_told = false;
    smtp_session_ask(s, SMTP_SERVER_MAIL, SLICE_NONE);
}

void smtp_verb_mail_answer(struct smtp_server *s, const struct verdict *v)
{
    if (!verdict_ok(v)) {
        smtp_session_reply(s, v);
        return;
    }
    s->dialogue = SMTP_TRANSACTION;
    reply_ok(s, v, STATUS_SENDER_OK);
}

void smtp_verb_rcpt(struct smtp_server *s, slice argument)
{
    if (!take_path(s, argument, true)) {
        s->recipients_refused++;
        return;
    }
    if (s->o->max_recipients > 0 && s->recipients >= s->o->max_recipients) {
        s->recipients_refused++;
        if (!s->limit_told)
            smtp_session_tell(s, STATUS_TOO_MANY_RECIPIENTS);
        s->limit_told = true;
        smtp_session_status(s, STATUS_TOO_MANY_RECIPIENTS);
        return;
    }
    smtp_session_ask(s, SMTP_SERVER_RCPT, SLICE_NONE);
}

void smtp_verb_rcpt_answer(struct smtp_server *s, const struct verdict *v)
{
    if (!verdict_ok(v)) {
        s->recipients_refused++;
        smtp_session_reply(s, v);
        return;
    }
    s->recipients++;
    reply_ok(s, v, STATUS_RECIPIENT_OK);
}

void smtp_verb_data(struct smtp_server *s, slice argument)
{
    (void)argument;
    if (s->recipients > 0)
        smtp_session_ask(s, SMTP_SERVER_DATA, SLICE_NONE);
    else if (s->recipients_refused > 0)
        smtp_session_status(s, STATUS_NO_VALID_RECIPIENTS);
    else
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("Need RCPT command first"));
}

void smtp_verb_data_answer(struct smtp_server *s, const struct verdict *v)
{
    if (!verdict_ok(v)) {
        s->dialogue = SMTP_READY;
        smtp_session_reply(s, v);
        return;
    }
    smtp_session_ok(s, 354, SLICE("Enter mail, end with \".\" on a line by itself"));
    smtp_content_begin(s);
}
