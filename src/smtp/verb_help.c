/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

#include "smtp/extensions.h"

enum { HELP_MAX = 2048 };

/* A verb that belongs to an extension is there when that is; but EXPN, which always answers, at least with 252. */
static bool is_listed(const struct smtp_server *s, const struct smtp_verb *verb)
{
    const struct smtp_extension *x = smtp_extension_find(verb->name);
    bool there = !x || x == smtp_extension_at(SMTP_EXPN) || x->offered(s);
    return verb->help.len > 0 && (!verb->known || verb->known(s)) && there;
}

static void append_overview(const struct smtp_server *s, buf *b)
{
    const struct smtp_verb *verb;
    buf_append(b, SLICE("Commands:"));
    for (size_t i = 0; (verb = smtp_verb_at(i)) != NULL; i++) {
        if (!is_listed(s, verb))
            continue;
        buf_append_char(b, ' ');
        buf_append(b, verb->name);
    }
    buf_append(b, SLICE("\nExtensions:"));
    for (size_t i = 0; i < SMTP_EXTENSION_COUNT; i++) {
        const struct smtp_extension *x = smtp_extension_at((enum smtp_extension_id)i);
        if (!x->offered(s))
            continue;
        buf_append_char(b, ' ');
        buf_append(b, x->keyword);
    }
    buf_append(b, SLICE("\nHELP followed by one of them explains it"));
    if (s->o->help_url.len > 0) {
        buf_append_char(b, '\n');
        buf_append(b, slice_sub(s->o->help_url, 0, HELP_MAX / 4));
    }
}

void smtp_verb_help(struct smtp_server *s, slice argument)
{
    char text[HELP_MAX];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    const struct smtp_verb *verb = smtp_verb_find(argument);
    const struct smtp_extension *x = smtp_extension_find(argument);
    if (argument.len == 0)
        append_overview(s, &b);
    else if (verb && verb->help.len > 0 && (!verb->known || verb->known(s)))
        buf_append(&b, verb->help);
    else if (x)
        buf_append(&b, x->help);
    if (b.len > 0)
        smtp_session_ok(s, 214, buf_slice(&b));
    else
        smtp_session_say(s, STATUS_MECHANISM_UNKNOWN, SLICE("There is no help about that"));
}
