/* SPDX-License-Identifier: ISC */
#include "smtp/session.h"

#include "smtp/verbs.h"

static slice trim_end(slice line)
{
    while (line.len > 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
        line.len--;
    return line;
}

static slice trim_start(slice argument)
{
    while (argument.len > 0 && argument.ptr[0] == ' ')
        argument = slice_skip(argument, 1);
    return argument;
}

/* RFC 5321 section 4.1.1: commands are printable ASCII, and with SMTPUTF8 some may be UTF-8. A NUL or a bare CR must never cut what a later
 * reader sees. */
static bool is_printable(slice line, bool utf8)
{
    for (;;) {
        line = slice_skip(line, slice_printable_len(line));
        if (line.len == 0)
            return true;
        unsigned char c = (unsigned char)line.ptr[0];
        size_t len = c >= 0x80 && utf8 ? slice_utf8_len(line) : 0;
        bool c1 = len == 2 && c == 0xc2 && (unsigned char)line.ptr[1] < 0xa0;
        if (len == 0 || c1)
            return false;
        line = slice_skip(line, len);
    }
}

static void refuse_order(struct smtp_server *s, const struct smtp_verb *verb)
{
    bool unknown_client = s->dialogue == SMTP_NEW;
    smtp_session_say(s, STATUS_BAD_SEQUENCE, unknown_client ? smtp_verb_greet_first(s) : verb->out_of_order);
}

static bool login_missing(const struct smtp_server *s, const struct smtp_verb *verb)
{
    return verb->after_login && s->o->auth_required && !s->trusted;
}

/* Replies and returns false when the verb must not run. */
static bool admit(struct smtp_server *s, const struct smtp_verb *verb, slice argument)
{
    bool printable = is_printable(argument, verb->utf8);
    if (!printable && verb->octets)
        smtp_verb_lost_count(s, STATUS_BAD_SYNTAX, SLICE("Control or 8-bit characters in the command"));
    else if (!printable)
        smtp_session_say(s, STATUS_BAD_SYNTAX, SLICE("Control or 8-bit characters in the command"));
    else if (!verb->run)
        smtp_session_status(s, STATUS_NOT_IMPLEMENTED);
    else if (!(verb->states & s->dialogue))
        refuse_order(s, verb);
    else if (verb->argument == SMTP_ARGUMENT_NONE && argument.len > 0)
        smtp_session_say(s, STATUS_BAD_SYNTAX, SLICE("This command takes no argument"));
    else if (verb->argument == SMTP_ARGUMENT_REQUIRED && argument.len == 0)
        smtp_session_say(s, STATUS_BAD_SYNTAX, SLICE("An argument is missing"));
    else if (login_missing(s, verb))
        smtp_session_status(s, s->o->starttls && !s->secured ? STATUS_STARTTLS_FIRST : STATUS_AUTH_REQUIRED);
    else
        return true;
    return false;
}

void smtp_command_run(struct smtp_server *s, slice line)
{
    slice name, argument;
    (void)slice_cut(trim_end(line), ' ', &name, &argument);
    argument = trim_start(argument);
    const struct smtp_verb *verb = smtp_verb_find(name);
    if (verb && verb->known && !verb->known(s))
        verb = NULL;
    s->bare_replies = verb && verb->bare_replies;
    s->utf8_replies = false;
    if (s->scratch.used > 0)
        arena_reset(&s->scratch);
    if (!verb)
        smtp_session_status(s, STATUS_UNKNOWN_COMMAND);
    else if (admit(s, verb, argument))
        verb->run(s, argument);
    if (!s->waits)
        s->bare_replies = false;
}
