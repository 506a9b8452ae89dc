/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

/* RFC 6531 section 3.1 item 3: "VRFY someone SMTPUTF8". A name in UTF-8 needs it, and so does a reply that has some. */
static void ask(struct smtp_server *s, enum smtp_server_event_kind kind, slice argument)
{
    if (slice_ends_nocase(argument, SLICE(" SMTPUTF8"))) {
        argument = slice_trim(slice_sub(argument, 0, argument.len - 9));
        s->utf8_replies = true;
    }
    bool ascii = true;
    for (size_t i = 0; i < argument.len; i++)
        ascii = ascii && (unsigned char)argument.ptr[i] < 0x80;
    if (ascii || s->utf8_replies)
        smtp_session_ask(s, kind, smtp_session_hold(s, argument));
    else
        smtp_session_status(s, STATUS_NEEDS_SMTPUTF8);
}

void smtp_verb_vrfy(struct smtp_server *s, slice argument)
{
    ask(s, SMTP_SERVER_VRFY, argument);
}

void smtp_verb_expn(struct smtp_server *s, slice argument)
{
    ask(s, SMTP_SERVER_EXPN, argument);
}

/* RFC 1985 section 5: a domain, "@domain" with those below it, "#queue". */
static bool etrn_valid(slice argument)
{
    if (argument.len == 0 || argument.len > SMTP_NAME_MAX || slice_find_char(argument, ' ') >= 0)
        return false;
    if (argument.ptr[0] == '#')
        return argument.len > 1;
    return address_domain_valid(slice_skip(argument, argument.ptr[0] == '@'), false);
}

void smtp_verb_etrn(struct smtp_server *s, slice argument)
{
    if (!s->o->etrn)
        smtp_session_status(s, STATUS_NOT_IMPLEMENTED);
    else if (!etrn_valid(argument))
        smtp_session_say(s, STATUS_BAD_SYNTAX, SLICE("Syntax: ETRN domain, @domain or #queue"));
    else
        smtp_session_ask(s, SMTP_SERVER_ETRN, smtp_session_hold(s, argument));
}
