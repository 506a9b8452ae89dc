/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

#include "smtp/extensions.h"

/* RFC 4954 section 4: each reason to say no, in the order in which a client can mend them. */
static bool admit(struct smtp_server *s)
{
    if (smtp_session_mechanisms(s).len == 0)
        smtp_session_status(s, STATUS_NOT_IMPLEMENTED);
    else if (s->authenticated)
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("Already authenticated"));
    else if (!s->secured && !s->o->auth_plaintext_ok)
        smtp_session_status(s, s->o->auth_required && s->o->starttls ? STATUS_STARTTLS_FIRST : STATUS_AUTH_NEEDS_TLS);
    else
        return true;
    return false;
}

static bool decode(struct smtp_server *s, slice text)
{
    smtp_session_wipe(&s->secret);
    return text.len == 0 || buf_append_base64_decoded(&s->secret, text) == ERR_OK;
}

void smtp_verb_auth(struct smtp_server *s, slice argument)
{
    slice mechanism, initial;
    bool has_initial = slice_cut(argument, ' ', &mechanism, &initial);
    if (!admit(s))
        return;
    if (!smtp_word_in(smtp_session_mechanisms(s), mechanism) || mechanism.len > 20) {
        smtp_session_status(s, STATUS_MECHANISM_UNKNOWN);
        return;
    }
    /* RFC 4954 section 4: "=" is the empty initial response, and nothing anywhere else */
    if (!decode(s, slice_equal(initial, SLICE("=")) ? SLICE_NONE : initial)) {
        smtp_session_status(s, STATUS_AUTH_BAD_BASE64);
        return;
    }
    s->asked = smtp_session_hold(s, mechanism);
    for (size_t i = 0; i < s->asked.len; i++)
        if (s->held[i] >= 'a' && s->held[i] <= 'z')
            s->held[i] = (char)(s->held[i] - 32);
    s->initial = has_initial;
    smtp_session_ask(s, SMTP_SERVER_AUTH, buf_slice(&s->secret));
}

void smtp_verb_auth_response(struct smtp_server *s, slice line)
{
    s->in = SMTP_IN_COMMAND;
    if (slice_equal(line, SLICE("*")))
        smtp_session_status(s, STATUS_AUTH_CANCELLED);
    else if (!decode(s, line))
        smtp_session_status(s, STATUS_AUTH_BAD_BASE64);
    else
        smtp_session_ask(s, SMTP_SERVER_AUTH_RESPONSE, buf_slice(&s->secret));
}

void smtp_verb_auth_answer(struct smtp_server *s, const struct verdict *v)
{
    smtp_session_wipe(&s->secret);
    if (verdict_ok(v)) {
        s->authenticated = true;
        s->trusted = true;
    }
    smtp_session_reply(s, v);
}

void smtp_server_challenge(struct smtp_server *s, int64_t now_ms, slice challenge)
{
    if (!s->waits)
        return;
    char text[SMTP_AUTH_LINE_MAX];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    buf_append_base64(&b, challenge);
    s->now_ms = now_ms;
    s->waits = false;
    smtp_session_wipe(&s->secret);
    s->in = SMTP_IN_AUTH; /* unless the reply ends the session */
    smtp_session_ok(s, 334, buf_slice(&b));
}
