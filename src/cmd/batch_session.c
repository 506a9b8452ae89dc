/* SPDX-License-Identifier: ISC */
#include "cmd/batch_session.h"

#include "cmd/batch_dialogue.h"

#define WHY_MAX 2048

enum err batch_session_open(struct batch_session *s)
{
    buf_init(&s->helo, BATCH_SESSION_COMMAND_MAX);
    buf_init(&s->command, BATCH_SESSION_COMMAND_MAX);
    buf_init(&s->sender, BATCH_SESSION_COMMAND_MAX);
    buf_init(&s->why, WHY_MAX);
    return batch_dialogue_open(s);
}

void batch_session_close(struct batch_session *s)
{
    smtp_server_close(&s->engine);
    buf_deinit(&s->helo);
    buf_deinit(&s->command);
    buf_deinit(&s->sender);
    buf_deinit(&s->why);
}

enum err batch_session_restore(struct batch_session *s, slice helo, bool verbose)
{
    buf_clear(&s->helo);
    buf_append(&s->helo, helo);
    s->verbose = verbose;
    return helo.len > 0 ? batch_dialogue_repeat(s, helo) : ERR_OK;
}

/* --- commands of a job that are not SMTP's, or not here --- */

static void own_reply(struct batch_session *s, struct verdict v)
{
    char memory[1024];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    status_print(&b, &v);
    batch_dialogue_say(s, buf_slice(&b));
    if (!verdict_ok(&v))
        s->ops->refused(s->ops->ctx, s->line, buf_slice(&s->command), buf_slice(&b), true);
}

static void run_verb(struct batch_session *s, slice argument)
{
    bool on = slice_equal_nocase(argument, SLICE("ON")), off = slice_equal_nocase(argument, SLICE("OFF"));
    if (on && !s->verbose) /* the command that switches it on is seen, too */
        batch_dialogue_show(s, buf_slice(&s->command));
    if (on || off)
        s->verbose = on;
    own_reply(s, on    ? status_verdict_text(STATUS_OK, SLICE("Commands and replies are shown"))
                 : off ? status_verdict_text(STATUS_OK, SLICE("Replies are shown"))
                       : status_verdict_text(STATUS_BAD_SYNTAX, SLICE("VERB ON or VERB OFF")));
}

static void run_tick(struct batch_session *s, slice argument)
{
    if (argument.len == 0) {
        own_reply(s, status_verdict_text(STATUS_BAD_SYNTAX, SLICE("TICK needs a word to mark this place with")));
        return;
    }
    if (!s->verbose)
        batch_dialogue_show(s, buf_slice(&s->command));
    own_reply(s, status_verdict(STATUS_OK));
}

static void run_starttls(struct batch_session *s, slice argument)
{
    if (argument.len > 0)
        own_reply(s, status_verdict_text(STATUS_BAD_SYNTAX, SLICE("STARTTLS has no argument")));
    else
        own_reply(s, status_verdict_text(STATUS_OK, SLICE("Nothing to encrypt, this is a file")));
}

static void run_not_here(struct batch_session *s, slice argument)
{
    (void)argument;
    own_reply(s, status_verdict_text(STATUS_NOT_IMPLEMENTED, SLICE("Not a command of a batch job")));
}

static const struct {
    slice name;
    void (*run)(struct batch_session *s, slice argument); /* NULL: the engine's */
} own[] = {
    {{"VERB", 4}, run_verb},        {{"TICK", 4}, run_tick},         {{"STARTTLS", 8}, run_starttls},
    {{"AUTH", 4}, run_not_here},    {{"BDAT", 4}, run_not_here},     {{"BURL", 4}, run_not_here},
    {{"ETRN", 4}, run_not_here},    {{"ATRN", 4}, run_not_here},     {{"LHLO", 4}, run_not_here},
    {{"XCLIENT", 7}, run_not_here}, {{"XFORWARD", 8}, run_not_here}, {{"GET", 3}, run_not_here},
    {{"POST", 4}, run_not_here},    {{"CONNECT", 7}, run_not_here},
};

static bool run_own(struct batch_session *s, slice line)
{
    slice name, argument;
    (void)slice_cut(line, ' ', &name, &argument);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (!slice_equal_nocase(slice_trim(name), own[i].name))
            continue;
        if (s->verbose)
            batch_dialogue_show(s, line);
        own[i].run(s, slice_trim(argument));
        return true;
    }
    return false;
}

/* --- lines --- */

static bool is_verb(slice line, slice verb)
{
    slice name, rest;
    (void)slice_cut(line, ' ', &name, &rest);
    return slice_equal_nocase(slice_trim(name), verb);
}

static void before(struct batch_session *s, slice line)
{
    static const slice fresh[] = {{"MAIL", 4}, {"RSET", 4}, {"HELO", 4}, {"EHLO", 4}, {"QUIT", 4}};
    s->asked = false;
    for (size_t i = 0; i < sizeof fresh / sizeof fresh[0]; i++) {
        if (is_verb(line, fresh[i]))
            s->failed = 0;
    }
    if (s->verbose)
        batch_dialogue_show(s, line);
}

/* What a command's text was never taken for is skipped up to its dot: it is a message, whatever went wrong before. */
static enum err after_data(struct batch_session *s)
{
    s->skip = !s->text;
    s->text = true;
    s->failed = 0;
    if (!s->skip)
        return ERR_OK;
    if (s->mail > 0)
        s->ops->lost(s->ops->ctx, s->mail);
    batch_dialogue_abandon(s);
    return batch_dialogue_repeat(s, SLICE("RSET"));
}

static enum err command(struct batch_session *s, const struct batch_line *line)
{
    bool whole = line->begins && line->ends;
    if (line->begins) {
        s->line = line->number;
        buf_clear(&s->command);
        buf_append(&s->command, slice_sub(line->text, 0, BATCH_SESSION_COMMAND_MAX));
        if (whole && slice_trim(line->text).len == 0)
            return ERR_OK;
        batch_dialogue_reply(s); /* the greeting */
        if (whole && run_own(s, line->text))
            return ERR_OK;
        before(s, buf_slice(&s->command));
    }
    bool data = whole && is_verb(line->text, SLICE("DATA"));
    batch_dialogue_feed(s, line->text);
    if (line->ends)
        batch_dialogue_feed(s, SLICE("\r\n"));
    return data && s->stopped == ERR_OK ? after_data(s) : s->stopped;
}

static enum err text(struct batch_session *s, const struct batch_line *line)
{
    bool last = line->begins && line->ends && slice_equal(line->text, SLICE("."));
    if (!s->skip) {
        batch_dialogue_feed(s, line->text);
        if (line->ends)
            batch_dialogue_feed(s, SLICE("\r\n"));
    }
    if (last)
        s->text = s->skip = false;
    return s->stopped;
}

enum err batch_session_line(struct batch_session *s, const struct batch_line *line)
{
    return s->text ? text(s, line) : command(s, line);
}

bool batch_session_end(struct batch_session *s)
{
    if (!s->text && s->mail == 0)
        return true;
    buf_clear(&s->command);
    buf_append(&s->command, SLICE("(end of file)"));
    own_reply(s, status_verdict_text(STATUS_BAD_SYNTAX, SLICE("The file ends inside a message")));
    if (s->mail > 0)
        s->ops->lost(s->ops->ctx, s->mail);
    batch_dialogue_abandon(s);
    return false;
}
