/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

static void run_rset(struct smtp_server *s, slice argument)
{
    (void)argument;
    smtp_session_reset(s);
    smtp_session_ok(s, 250, SLICE("Reset state"));
}

static void run_noop(struct smtp_server *s, slice argument)
{
    (void)argument;
    smtp_session_ok(s, 250, SLICE("Ok"));
}

static void run_quit(struct smtp_server *s, slice argument)
{
    (void)argument;
    char text[SMTP_NAME_MAX + 32];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    buf_append(&b, slice_sub(s->o->hostname, 0, SMTP_NAME_MAX));
    buf_append(&b, SLICE(" closing connection"));
    smtp_session_ok(s, 221, buf_slice(&b));
    smtp_session_end(s, SLICE("quit"));
}

static void run_vrfy(struct smtp_server *s, slice argument)
{
    smtp_session_ask(s, SMTP_SERVER_VRFY, smtp_session_hold(s, argument));
}

static void run_expn(struct smtp_server *s, slice argument)
{
    smtp_session_ask(s, SMTP_SERVER_EXPN, smtp_session_hold(s, argument));
}

static void run_http(struct smtp_server *s, slice argument)
{
    (void)argument;
    smtp_verb_refuse_http(s);
}

#define S(text)                                                                                                        \
    {                                                                                                                  \
        "" text, sizeof(text) - 1                                                                                      \
    }
#define NOTHING                                                                                                        \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }

static const struct smtp_verb verbs[] = {
    {S("MAIL"), SMTP_READY, SMTP_ARGUMENT_REQUIRED, false, true, S("Sender already specified"), smtp_verb_mail,
     S("MAIL FROM:<sender> [SIZE=bytes] [BODY=7BIT|8BITMIME]\nBegins a message. <> is the null sender of bounces.")},
    {S("RCPT"), SMTP_TRANSACTION, SMTP_ARGUMENT_REQUIRED, false, false, S("Need MAIL command first"), smtp_verb_rcpt,
     S("RCPT TO:<recipient>\nNames a recipient of the message; give one command for each.")},
    {S("DATA"), SMTP_TRANSACTION, SMTP_ARGUMENT_NONE, false, false, S("Need MAIL command first"), smtp_verb_data,
     S("DATA\nThe message itself follows after the 354 reply.\nIt ends with a line that has nothing but a \".\";\n"
       "a line that begins with a dot gets one more in front.")},
    {S("EHLO"), SMTP_ANY, SMTP_ARGUMENT_REQUIRED, true, false, NOTHING, smtp_verb_ehlo,
     S("EHLO hostname\nIntroduces the client; the reply lists the extensions that are offered.")},
    {S("HELO"), SMTP_ANY, SMTP_ARGUMENT_REQUIRED, true, false, NOTHING, smtp_verb_helo,
     S("HELO hostname\nIntroduces the client, without extensions.")},
    {S("QUIT"), SMTP_ANY, SMTP_ARGUMENT_NONE, false, false, NOTHING, run_quit, S("QUIT\nEnds the session.")},
    {S("RSET"), SMTP_ANY, SMTP_ARGUMENT_NONE, false, false, NOTHING, run_rset,
     S("RSET\nForgets the message that was begun, and keeps the session.")},
    {S("NOOP"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, run_noop, S("NOOP\nDoes nothing.")},
    {S("AUTH"), SMTP_READY, SMTP_ARGUMENT_REQUIRED, false, false, S("AUTH is not possible during a mail transaction"),
     smtp_verb_auth, S("AUTH mechanism [initial-response]\nSigns in (RFC 4954). EHLO lists the mechanisms.")},
    {S("STARTTLS"), SMTP_ANY, SMTP_ARGUMENT_NONE, false, false, NOTHING, smtp_verb_starttls,
     S("STARTTLS\nBegins encryption (RFC 3207). Everything said before it is forgotten: send EHLO again.")},
    {S("VRFY"), SMTP_ANY, SMTP_ARGUMENT_REQUIRED, false, true, NOTHING, run_vrfy,
     S("VRFY user\nAsks whether there is such a user. Where that is not told, 252 is the reply for all.")},
    {S("EXPN"), SMTP_ANY, SMTP_ARGUMENT_REQUIRED, false, true, NOTHING, run_expn,
     S("EXPN list\nAsks for the members of a mailing list. Where that is not told, 252 is the reply for all.")},
    {S("HELP"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, smtp_verb_help,
     S("HELP [command or extension]\nExplains it.")},
    {S("SEND"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("SOML"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("SAML"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("TURN"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("ATRN"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("ETRN"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("BDAT"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("BURL"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, NULL, NOTHING},
    {S("GET"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, run_http, NOTHING},
    {S("POST"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, run_http, NOTHING},
    {S("CONNECT"), SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, false, false, NOTHING, run_http, NOTHING},
};

const struct smtp_verb *smtp_verb_at(size_t i)
{
    return i < sizeof verbs / sizeof verbs[0] ? &verbs[i] : NULL;
}

const struct smtp_verb *smtp_verb_find(slice name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (slice_equal_nocase(name, verbs[i].name))
            return &verbs[i];
    return NULL;
}

bool smtp_verb_closes(slice line)
{
    slice name, rest;
    const struct smtp_verb *verb = slice_cut(line, ' ', &name, &rest) ? smtp_verb_find(name) : NULL;
    return verb && verb->run == run_http;
}

void smtp_verb_refuse_http(struct smtp_server *s)
{
    struct verdict v = status_verdict_text(STATUS_TRANSACTION_FAILED, SLICE("This is a mail server, not a web server"));
    v.enhanced[1] = 5;
    v.enhanced[2] = 1;
    smtp_session_reply(s, &v);
    smtp_session_end(s, SLICE("HTTP instead of SMTP"));
}
