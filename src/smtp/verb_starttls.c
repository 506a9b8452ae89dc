/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

void smtp_verb_starttls(struct smtp_server *s, slice argument)
{
    (void)argument;
    if (s->secured) {
        smtp_session_say(s, STATUS_BAD_SEQUENCE, SLICE("TLS is active already"));
        return;
    }
    if (!s->o->starttls) {
        smtp_session_status(s, STATUS_NOT_IMPLEMENTED);
        return;
    }
    if (s->o->tls_away) {
        smtp_session_status(s, STATUS_TLS_UNAVAILABLE);
        return;
    }
    smtp_session_ok(s, 220, SLICE("Ready to start TLS"));
    smtp_session_forget(s);
    s->in = SMTP_IN_TLS;
    smtp_session_push(s, SMTP_SERVER_STARTTLS, SLICE_NONE);
}

void smtp_server_secured(struct smtp_server *s, int64_t now_ms)
{
    s->now_ms = now_ms;
    s->since_ms = now_ms;
    s->secured = true;
    if (s->in != SMTP_IN_TLS)
        return;
    /* RFC 3207 section 4.2: what was said in the clear could have been said by anybody */
    s->in = SMTP_IN_COMMAND;
    s->dialogue = SMTP_NEW;
    s->trusted = false;
    s->authenticated = false;
    s->esmtp = false;
    smtp_session_boundary(s);
}
