/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

#include "smtp/extensions.h"

/* Clients name themselves with what their users call the machine: "localhost.", "my_pc", "[fe80::1%eth0]". A name is for the log and the trace
 * field, and decides nothing, so all is taken that can stand there as it is. */
static bool identity_valid(slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || slice_find_char(SLICE("()<>\",;\\"), name.ptr[i]) >= 0)
            return false;
    return name.len <= SMTP_NAME_MAX;
}

/* RFC 5321 section 4.1.4: again at any time, and the same as RSET when it is. */
static void introduce(struct smtp_server *s, slice argument, bool esmtp)
{
    if (!identity_valid(argument)) {
        smtp_session_say(s, STATUS_BAD_SYNTAX, SLICE("Bad hostname"));
        return;
    }
    smtp_session_forget(s);
    s->esmtp = esmtp;
    s->asked = smtp_session_hold(s, argument);
    smtp_session_ask(s, SMTP_SERVER_HELO, s->asked);
}

void smtp_verb_helo(struct smtp_server *s, slice argument)
{
    introduce(s, argument, false);
}

void smtp_verb_ehlo(struct smtp_server *s, slice argument)
{
    introduce(s, argument, true);
}

slice smtp_verb_greet_first(const struct smtp_server *s)
{
    return s->o->lmtp ? SLICE("Send LHLO first") : SLICE("Send HELO or EHLO first");
}

static void append_offer(const struct smtp_server *s, buf *b)
{
    for (size_t i = 0; i < SMTP_EXTENSION_COUNT; i++) {
        const struct smtp_extension *x = smtp_extension_at((enum smtp_extension_id)i);
        if (!x->offered(s))
            continue;
        buf_append_char(b, '\n');
        buf_append(b, x->keyword);
        if (x->arguments)
            x->arguments(s, b);
    }
}

void smtp_verb_helo_answer(struct smtp_server *s, const struct verdict *v)
{
    if (!verdict_ok(v)) {
        smtp_session_reply(s, v);
        return;
    }
    char text[4096];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    buf_append(&b, slice_sub(s->o->hostname, 0, SMTP_NAME_MAX));
    buf_append(&b, SLICE(" Hello "));
    buf_append(&b, s->asked);
    if (s->esmtp)
        append_offer(s, &b);
    s->dialogue = SMTP_READY;
    smtp_session_ok(s, 250, buf_slice(&b));
}
