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
    return ADDRESS_NO_DOMAIN | ADDRESS_UTF8 | (s->o->strict_paths ? 0U : ADDRESS_BARE_PATH);
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
    hold_path(s, path);
    if (!smtp_parameters_take(s, rest, rcpt))
        return false;
    /* RFC 6531 section 3.5; the parameter of MAIL comes behind the path, and counts for all its recipients */
    s->utf8_replies = (s->envelope_flags & ENVELOPE_SMTPUTF8) != 0;
    if (!s->utf8_replies && !(slice_is_ascii(path.local) && slice_is_ascii(path.domain))) {
        smtp_session_status(s, STATUS_NEEDS_SMTPUTF8);
        return false;
    }
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
    s->mail = NULL;
    if (!take_path(s, argument, false))
        return;
    if (s->o->max_messages > 0 && s->messages >= s->o->max_messages) {
        smtp_session_fail(s, STATUS_TOO_MANY_MESSAGES, SLICE_NONE, SLICE("too many messages"));
        return;
    }
    s->chunking = false;
    s->chunks_failed = false;
    s->recipients = 0;
    s->recipients_refused = 0;
    s->limit_told = false;
    smtp_session_ask(s, SMTP_SERVER_MAIL, SLICE_NONE);
}

void smtp_verb_mail_answer(struct smtp_server *s, const struct verdict *v)
{
    s->mail = NULL;
    if (!verdict_ok(v)) {
        smtp_session_reply(s, v);
        return;
    }
    s->dialogue = SMTP_TRANSACTION;
    reply_ok(s, v, STATUS_SENDER_OK);
}

uint32_t smtp_session_max_recipients(const struct smtp_server *s)
{
    uint32_t max = s->o->max_recipients;
    if (!s->o->lmtp)
        return max;
    return max > 0 && max < SMTP_LMTP_RECIPIENTS_MAX ? max : SMTP_LMTP_RECIPIENTS_MAX;
}

void smtp_verb_rcpt(struct smtp_server *s, slice argument)
{
    uint32_t max = smtp_session_max_recipients(s);
    s->rcpt = NULL;
    if (s->chunking) {
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("The message has begun"));
        return;
    }
    if (!take_path(s, argument, true)) {
        s->recipients_refused++;
        return;
    }
    if (max > 0 && s->recipients >= max) {
        s->recipients_refused++;
        if (!s->limit_told)
            smtp_session_tell(s, STATUS_TOO_MANY_RECIPIENTS, SLICE_NONE);
        s->limit_told = true;
        smtp_session_status(s, STATUS_TOO_MANY_RECIPIENTS);
        return;
    }
    smtp_session_ask(s, SMTP_SERVER_RCPT, SLICE_NONE);
}

void smtp_verb_rcpt_answer(struct smtp_server *s, const struct verdict *v)
{
    s->rcpt = NULL;
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
    if (s->chunking)
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("The message has begun with BDAT"));
    else if (s->envelope_flags & ENVELOPE_BODY_BINARY) /* RFC 3030 section 3 */
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("BINARYMIME needs BDAT"));
    else if (s->recipients > 0)
        smtp_session_ask(s, SMTP_SERVER_DATA, SLICE_NONE);
    else if (s->recipients_refused > 0 && !s->o->lmtp)
        smtp_session_status(s, STATUS_NO_VALID_RECIPIENTS);
    else /* RFC 2033 section 4.2: in LMTP also when some were refused */
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("Need RCPT command first"));
}

void smtp_verb_data_answer(struct smtp_server *s, const struct verdict *v)
{
    if (s->chunking) {
        smtp_verb_bdat_answer(s, v);
        return;
    }
    if (!verdict_ok(v)) {
        s->dialogue = SMTP_READY;
        smtp_session_reply(s, v);
        return;
    }
    smtp_session_ok(s, 354, SLICE("Enter mail, end with \".\" on a line by itself"));
    smtp_content_begin(s);
}
