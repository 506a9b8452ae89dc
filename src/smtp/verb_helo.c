/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

#include "smtp/extensions.h"

static bool stands_in_comment(char c)
{
    switch (c) {
    case '(':
    case ')':
    case '<':
    case '>':
    case '"':
    case ',':
    case ';':
    case '\\':
        return false;
    default:
        return c > ' ' && c <= '~';
    }
}

/* Clients name themselves with what their users call the machine: "localhost.", "my_pc", "[fe80::1%eth0]". A name is for the log and the trace
 * field, and decides nothing, so all is taken that can stand there as it is. */
static bool identity_valid(slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!stands_in_comment(name.ptr[i]))
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

/* What stands behind a keyword is ours, too: numbers, and words of our tables. */
static void append_offer(const struct smtp_server *s, const struct smtp_extension *x, buf *out)
{
    if (!x->arguments) {
        buf_append(out, x->line);
        return;
    }
    buf_append(out, slice_sub(x->line, 0, x->line.len - 2));
    x->arguments(s, out);
    buf_append(out, SLICE("\r\n"));
}

/* Behind the reply's first line, which begins at `last`; each line that another one follows gets its '-'. */
static void append_offers(const struct smtp_server *s, buf *out, size_t last)
{
    const struct smtp_extension *rows = smtp_extension_at(0);
    for (size_t i = 0; i < SMTP_EXTENSION_COUNT; i++) {
        size_t begin = out->len;
        if (!rows[i].offered(s))
            continue;
        append_offer(s, &rows[i], out);
        if (!buf_ok(out))
            return;
        out->ptr[last + 3] = '-';
        last = begin;
    }
}

void smtp_verb_helo_answer(struct smtp_server *s, const struct verdict *v)
{
    if (!verdict_ok(v)) {
        smtp_session_reply(s, v);
        return;
    }
    char text[2 * SMTP_NAME_MAX + 16];
    buf b;
    size_t begin = s->out.len;
    buf_init_fixed(&b, text, sizeof text);
    buf_append(&b, slice_sub(s->o->hostname, 0, SMTP_NAME_MAX));
    buf_append(&b, SLICE(" Hello "));
    buf_append(&b, s->asked);
    s->dialogue = SMTP_READY;
    smtp_session_ok(s, 250, buf_slice(&b));
    if (!s->esmtp || s->in == SMTP_IN_CLOSED)
        return;
    append_offers(s, &s->out, begin);
    smtp_session_written(s);
}
