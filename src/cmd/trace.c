/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <string.h>
#include <unistd.h>

#include "cmd/queue_ask.h"
#include "cmd/queue_print.h"
#include "cmd/trace_follow.h"
#include "cmd/trace_screen.h"
#include "cmd/trace_words.h"

#define OUT_MAX (256u << 20)
#define OUT_BATCH (256u * 1024)
#define LIMIT 20u
#define PATH_MAX_BYTES 4096

struct trace_command {
    struct command command;
    struct trace_query query;
    const char *what, *client;
    bool live, json, unlimited;
    size_t limit;
    int64_t begin_us;
    struct conf *conf;
    char folder[PATH_MAX_BYTES];
    buf out;
    int status; /* of writing */
};

static int usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: thurn trace [ID | <MESSAGE-ID> | ADDRESS | @DOMAIN] [--since AGE]\n"
                  "                   [--limit N] [--live] [--json]\n"
                  "       thurn trace --client ADDRESS|NETWORK|local ...\n"
                  "What happened to a mail: by its queue id, its Message-ID (in quotes, with its\n"
                  "brackets), or by sender or recipient; or what a client did. Without one, the\n"
                  "last mails. --since 1h leaves out what is older, --limit 0 shows all mails and\n"
                  "not the last %u. --live goes on with what happens from now on. Works while no\n"
                  "server runs, too. For root and the server's own user. Exits with %d when\n"
                  "nothing is found.\n",
                  LIMIT, EX_NOUSER);
    return to == stdout ? 0 : EX_USAGE;
}

static void write_out(struct trace_command *t)
{
    if (t->out.len > 0 && t->status == 0)
        t->status = command_print(&t->out);
    buf_clear(&t->out);
}

static void on_item(void *ctx, const struct ipc_message *m)
{
    struct trace_command *t = ctx;
    if (m->type == IPC_queue_item && t->json)
        queue_print_item_json(&t->out, &m->u.queue_item, os_wall_s());
    else if (m->type == IPC_queue_item)
        queue_print_item_page(&t->out, &m->u.queue_item, os_wall_s());
    else if (m->type == IPC_queue_text && !t->json)
        queue_print_lines(&t->out, m->u.queue_text.text);
}

/* A mail may wait for longer than the rings reach back. */
static bool find_in_queue(struct trace_command *t)
{
    struct queue_line line = {0};
    struct socket_address a = {.ip_len = 0};
    uint32_t matched = 0;
    if (t->query.kind != TRACE_QUERY_ID || queue_line_connect(t->conf, &line, &a) != ERR_OK)
        return false;
    struct queue_request request = {
        .verb = QUEUE_VERB_SHOW, .filter = QUEUE_FILTER_ID, .value = t->query.text, .answer = on_item, .ctx = t};
    int status = queue_line_ask(&line, &request, &matched);
    queue_line_close(&line);
    if (status != 0 || matched == 0)
        return false;
    command_say("%.*s is in the queue; what happened to it is not known any more", SLICE_ARG(t->query.text));
    write_out(t);
    return true;
}

static void say_time(buf *out, int64_t time_us)
{
    trace_words_day(out, time_us);
    buf_append_char(out, ' ');
    trace_words_clock(out, time_us);
}

/* All of what is asked for may not be there. */
static void say_older_gone(const struct trace_command *t, const struct trace_mails *m)
{
    char memory[64];
    buf since;
    bool whole = t->query.kind == TRACE_QUERY_ID && m->count > 0 && trace_mails_first(m)->has_begin;
    if (!m->older_gone || whole || t->query.since_us >= m->since_us)
        return;
    buf_init_fixed(&since, memory, sizeof memory);
    say_time(&since, m->since_us);
    command_say("older events are gone; all are there from %.*s on", SLICE_ARG(buf_slice(&since)));
}

static int nothing_found(const struct trace_command *t, int64_t since_us)
{
    char memory[64];
    buf since;
    buf_init_fixed(&since, memory, sizeof memory);
    say_time(&since, since_us);
    const char *what = t->client ? t->client : t->what ? t->what : "any mail";
    if (since_us == 0)
        command_say("nothing is known of %s: %s has no events yet", what, t->folder);
    else
        command_say("nothing is known of %s: the events of all processes in %s were searched, which reach back to %.*s",
                    what, t->folder, SLICE_ARG(buf_slice(&since)));
    return EX_NOUSER;
}

static void print_mails(struct trace_command *t, const struct trace_mails *m)
{
    struct trace_screen s = {.out = &t->out, .now_us = t->begin_us, .json = t->json};
    bool first = true;
    s.heads = t->query.kind != TRACE_QUERY_ID;
    if (t->query.kind != TRACE_QUERY_ALL && m->loose.count > 0) {
        trace_screen_loose(&s, &m->loose);
        first = false;
    }
    LIST_FOREACH(at, &m->mails) {
        if (!first && !t->json)
            buf_append_char(&t->out, '\n');
        first = false;
        trace_screen_mail(&s, LIST_ENTRY(at, struct trace_mail, link));
        if (t->out.len > OUT_BATCH)
            write_out(t);
    }
    write_out(t);
    if (m->left_out)
        command_say("more mails match: --limit 0 shows all, --since 1h those of the last hour");
    say_older_gone(t, m);
}

static int cannot_read(const struct trace_command *t, enum err e)
{
    if (e == ERR_NOTFOUND) {
        command_say("%s is not there: no server has run here, or [log] trace is 0", t->folder);
        return EX_UNAVAILABLE;
    }
    if (e == ERR_PERMISSION) {
        command_say("%s: only root and the server's own user may see what happened", t->folder);
        return EX_NOPERM;
    }
    command_say("%s: %s", t->folder, err_text(e));
    return e == ERR_NOMEM ? EX_OSERR : EX_UNAVAILABLE;
}

/* What is in it may be what was asked for. */
static void say_flaw(const struct trace_command *t, const struct trace_mails *m)
{
    if (m->flaw.len == 0)
        return;
    const char *why = m->flaw_why == ERR_CORRUPT ? "damaged, or none of this version's" : err_text(m->flaw_why);
    command_say("%s/%.*s: left out: %s", t->folder, SLICE_ARG(buf_slice(&m->flaw)), why);
}

static int search(struct trace_command *t)
{
    struct trace_mails m;
    enum err e = trace_mails_open(&m, t->folder, &t->query, t->unlimited ? SIZE_MAX : t->limit);
    if (e != ERR_OK)
        return cannot_read(t, e);
    bool found = m.count > 0 || (t->query.kind != TRACE_QUERY_ALL && m.loose.count > 0);
    int64_t since_us = m.since_us;
    say_flaw(t, &m);
    if (found)
        print_mails(t, &m);
    trace_mails_close(&m);
    if (found || find_in_queue(t))
        return t->status;
    return t->live ? 0 : nothing_found(t, since_us);
}

static int run(struct trace_command *t)
{
    buf folder;
    int status = command_load(&t->command, &t->conf);
    if (status != 0)
        return status;
    buf_init_fixed(&folder, t->folder, sizeof t->folder);
    buf_printf(&folder, "%.*s/trace%c", SLICE_ARG(t->conf->state_dir), 0);
    buf_init(&t->out, OUT_MAX);
    t->begin_us = os_wall_us();
    if (!t->live || t->query.kind != TRACE_QUERY_ALL)
        status = search(t);
    if (status == 0 && t->live)
        status = trace_follow(t->folder, &t->query, t->begin_us, t->json);
    buf_deinit(&t->out);
    conf_close(&t->conf);
    return status;
}

static bool take_number(struct trace_command *t, const char *value)
{
    uint64_t n;
    if (slice_to_u64(slice_str(value), 1000000, &n) != ERR_OK) {
        command_say("--limit is a number of mails, not \"%s\"", value);
        return false;
    }
    t->unlimited = n == 0;
    t->limit = (size_t)n;
    return true;
}

static bool take_since(struct trace_command *t, const char *value)
{
    int64_t age_s;
    if (units_parse_duration(slice_str(value), &age_s) != ERR_OK) {
        command_say("--since is an age like 30m, 1h or 2d, not \"%s\"", value);
        return false;
    }
    t->query.since_us = os_wall_us() - age_s * 1000000;
    return true;
}

static bool take_option(struct trace_command *t, int option, const char *value)
{
    switch (option) {
    case 'n':
        t->client = value;
        return true;
    case 's':
        return take_since(t, value);
    case 'm':
        return take_number(t, value);
    case 'l':
        t->live = true;
        return true;
    case 'j':
        t->json = true;
        return true;
    default:
        return command_option(&t->command, option, value);
    }
}

/* 0, or what to exit with. */
static int read_query(struct trace_command *t)
{
    if (t->client && t->what) {
        command_say("either a mail or a client");
        return usage(stderr);
    }
    if (t->client && trace_query_read_client(slice_str(t->client), &t->query) != ERR_OK) {
        command_say("\"%s\" is no address, no network like 192.0.2.0/24, and not \"local\"", t->client);
        return EX_DATAERR;
    }
    if (t->what && trace_query_read(slice_str(t->what), &t->query) != ERR_OK) {
        command_say("\"%s\" is no queue id, no <Message-ID> and no address", t->what);
        return EX_DATAERR;
    }
    return 0;
}

int cmd_trace(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS,
                                            {"client", required_argument, NULL, 'n'},
                                            {"since", required_argument, NULL, 's'},
                                            {"limit", required_argument, NULL, 'm'},
                                            {"live", no_argument, NULL, 'l'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    struct trace_command t = {.limit = LIMIT};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!take_option(&t, o, optarg))
            return usage(stderr);
    }
    if (t.command.help)
        return usage(stdout);
    if (argc - optind > 1) {
        command_say_extra(argv[optind + 1]);
        return usage(stderr);
    }
    t.what = optind < argc ? argv[optind] : NULL;
    int status = read_query(&t);
    return status == 0 ? run(&t) : status;
}
