/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

static void run_rset(struct smtp_server *s, slice argument)
{
    (void)argument;
    smtp_session_forget(s);
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

static void run_http(struct smtp_server *s, slice argument)
{
    (void)argument;
    smtp_verb_refuse_http(s);
}

#define S(text)                                                                                                        \
    {                                                                                                                  \
        "" text, sizeof(text) - 1                                                                                      \
    }
#define ROW(verb, where, what, code) .name = S(verb), .states = (where), .argument = (what), .run = (code)
/* Known, and not implemented. */
#define ABSENT(verb)                                                                                                   \
    {                                                                                                                  \
        ROW(verb, SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, NULL)                                                              \
    }
#define HTTP(verb)                                                                                                     \
    {                                                                                                                  \
        ROW(verb, SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, run_http)                                                          \
    }

static bool is_lmtp(const struct smtp_server *s)
{
    return s->o->lmtp;
}

static bool is_smtp(const struct smtp_server *s)
{
    return !s->o->lmtp;
}

static const struct smtp_verb verbs[] = {
    {ROW("MAIL", SMTP_READY, SMTP_ARGUMENT_REQUIRED, smtp_verb_mail), .after_login = true, .utf8 = true,
     .out_of_order = S("Sender already specified"),
     .help = S("MAIL FROM:<sender> [parameters]\nBegins a message. <> is the null sender of bounces.\n"
               "Parameters, where EHLO lists their extension: SIZE= BODY= SMTPUTF8 RET= ENVID= AUTH=\n"
               "BY= HOLDFOR= HOLDUNTIL= MT-PRIORITY= REQUIRETLS")},
    {ROW("RCPT", SMTP_TRANSACTION, SMTP_ARGUMENT_REQUIRED, smtp_verb_rcpt), .utf8 = true,
     .out_of_order = S("Need MAIL command first"),
     .help = S("RCPT TO:<recipient> [NOTIFY=when] [ORCPT=type;address]\n"
               "Names a recipient of the message; give one command for each.")},
    {ROW("DATA", SMTP_TRANSACTION, SMTP_ARGUMENT_NONE, smtp_verb_data), .out_of_order = S("Need MAIL command first"),
     .help =
         S("DATA\nThe message itself follows after the 354 reply.\nIt ends with a line that has nothing but a \".\";\n"
           "a line that begins with a dot gets one more in front.")},
    {ROW("BDAT", SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, smtp_verb_bdat), .octets = true,
     .help = S("BDAT size [LAST]\nAs many octets of the message follow at once (RFC 3030); LAST ends it.\n"
               "It stands in place of DATA, and nothing in it is stuffed.")},
    {ROW("EHLO", SMTP_ANY, SMTP_ARGUMENT_REQUIRED, smtp_verb_ehlo), .bare_replies = true, .known = is_smtp,
     .help = S("EHLO hostname\nIntroduces the client; the reply lists the extensions that are offered.")},
    {ROW("HELO", SMTP_ANY, SMTP_ARGUMENT_REQUIRED, smtp_verb_helo), .bare_replies = true, .known = is_smtp,
     .help = S("HELO hostname\nIntroduces the client, without extensions.")},
    {ROW("LHLO", SMTP_ANY, SMTP_ARGUMENT_REQUIRED, smtp_verb_ehlo), .bare_replies = true, .known = is_lmtp,
     .help = S("LHLO hostname\nIntroduces the client (RFC 2033); the reply lists the extensions that are offered.\n"
               "After the message comes a reply for each recipient that was taken.")},
    {ROW("QUIT", SMTP_ANY, SMTP_ARGUMENT_NONE, run_quit), .help = S("QUIT\nEnds the session.")},
    {ROW("RSET", SMTP_ANY, SMTP_ARGUMENT_NONE, run_rset),
     .help = S("RSET\nForgets the message that was begun, and keeps the session.")},
    {ROW("NOOP", SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, run_noop), .help = S("NOOP\nDoes nothing.")},
    {ROW("AUTH", SMTP_READY, SMTP_ARGUMENT_REQUIRED, smtp_verb_auth),
     .out_of_order = S("AUTH is not possible during a mail transaction"),
     .help = S("AUTH mechanism [initial-response]\nSigns in (RFC 4954). EHLO lists the mechanisms.")},
    {ROW("STARTTLS", SMTP_ANY, SMTP_ARGUMENT_NONE, smtp_verb_starttls),
     .help = S("STARTTLS\nBegins encryption (RFC 3207). Everything said before it is forgotten: send EHLO again.")},
    {ROW("VRFY", SMTP_ANY, SMTP_ARGUMENT_REQUIRED, smtp_verb_vrfy), .after_login = true, .utf8 = true,
     .help = S("VRFY user [SMTPUTF8]\n"
               "Asks whether there is such a user. Where that is not told, 252 is the reply for all.")},
    {ROW("EXPN", SMTP_ANY, SMTP_ARGUMENT_REQUIRED, smtp_verb_expn), .after_login = true, .utf8 = true,
     .help = S("EXPN list [SMTPUTF8]\n"
               "Asks for the members of a mailing list. Where that is not told, 252 is the reply for all.")},
    {ROW("ETRN", SMTP_READY, SMTP_ARGUMENT_REQUIRED, smtp_verb_etrn), .after_login = true,
     .out_of_order = S("ETRN is not possible during a mail transaction"),
     .help = S("ETRN domain, ETRN @domain, ETRN #queue\n"
               "Starts the delivery of what waits for a domain, with those below it, or in a queue (RFC 1985).")},
    {ROW("XCLIENT", SMTP_NEW | SMTP_READY, SMTP_ARGUMENT_REQUIRED, smtp_verb_xclient),
     .out_of_order = S("XCLIENT is not possible during a mail transaction"),
     .help = S("XCLIENT attribute=value...\nSays for whom the client speaks; the session begins anew.\n"
               "Attributes: NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT")},
    {ROW("XFORWARD", SMTP_READY, SMTP_ARGUMENT_REQUIRED, smtp_verb_xforward),
     .out_of_order = S("XFORWARD is not possible during a mail transaction"),
     .help = S("XFORWARD attribute=value...\nSays where the next message has come from, for the log.\n"
               "Attributes: NAME ADDR PORT PROTO HELO IDENT SOURCE")},
    {ROW("HELP", SMTP_ANY, SMTP_ARGUMENT_OPTIONAL, smtp_verb_help),
     .help = S("HELP [command or extension]\nExplains it.")},
    ABSENT("SEND"),
    ABSENT("SOML"),
    ABSENT("SAML"),
    ABSENT("TURN"),
    ABSENT("ATRN"),
    ABSENT("BURL"),
    HTTP("GET"),
    HTTP("POST"),
    HTTP("CONNECT"),
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

void smtp_verb_refuse_http(struct smtp_server *s)
{
    struct verdict v = status_verdict_text(STATUS_TRANSACTION_FAILED, SLICE("This is a mail server, not a web server"));
    v.enhanced[1] = 5;
    v.enhanced[2] = 1;
    smtp_session_reply(s, &v);
    smtp_session_end(s, SLICE("HTTP instead of SMTP"));
}

bool smtp_verb_refuse_unread(struct smtp_server *s, slice beginning)
{
    slice name, rest;
    const struct smtp_verb *verb = slice_cut(beginning, ' ', &name, &rest) ? smtp_verb_find(name) : NULL;
    if (verb && verb->run == run_http)
        smtp_verb_refuse_http(s);
    else if (verb && verb->octets)
        smtp_verb_lost_count(s, STATUS_LINE_TOO_LONG, status_verdict(STATUS_LINE_TOO_LONG).text);
    else
        return false;
    return true;
}
