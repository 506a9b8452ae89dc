/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <string.h>
#include <unistd.h>

#include "cmd/queue_ask.h"
#include "cmd/queue_print.h"
#include "cmd/terminal.h"

#define OUT_MAX (64u << 20)
#define OUT_BATCH (256u * 1024)

enum { HELD = 256, OLDER, LARGER }; /* options, beside those that are a letter */

struct queue_command {
    struct command command;
    enum queue_filter filter; /* as the options say */
    slice value;
    unsigned filters; /* given */
    bool held;        /* these narrow what it means */
    int64_t older_s;
    uint64_t larger;
    bool json, yes;
    struct queue_line line;
    int64_t now_s;
    struct columns table;
    buf out;
    int status; /* of writing */
};

struct queue_verb_row {
    const char *name;
    enum queue_verb verb;
    int (*run)(struct queue_command *q, const struct queue_verb_row *v, char **operands, int count);
    const char *done; /* what has become of the messages */
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn queue [--json]                      all destinations\n"
                      "       thurn queue list [DESTINATION] [FILTER ...] [--json]\n"
                      "                                                 the messages\n"
                      "       thurn queue show ID ... [--json]          all that is known of one\n"
                      "       thurn queue retry|hold|release|remove ID ...\n"
                      "       thurn queue retry|hold|release|remove FILTER ... [--yes]\n"
                      "FILTER is one of --destination NAME, --from ADDRESS, --to ADDRESS (or @DOMAIN),\n"
                      "--reason TEXT; --held, --older AGE (1h) and --larger SIZE (10M) narrow it, or\n"
                      "stand alone. With a filter the number of matching messages is told, and nothing\n"
                      "is done without --yes. `remove` sends no bounce. For root and the server's own\n"
                      "user. Also: -c FILE, --color=auto|always|never.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static void write_out(struct queue_command *q)
{
    if ((q->out.len > 0 || !buf_ok(&q->out)) && q->status == 0)
        q->status = command_print(&q->out);
    buf_clear(&q->out);
}

/* What is wrong with the queue itself, beside what is in it. */
static void say_lines(slice text)
{
    slice line;
    while (text.len > 0) {
        (void)slice_cut(text, '\n', &line, &text);
        command_say("%.*s", SLICE_ARG(line));
    }
}

static void on_destination(void *ctx, const struct ipc_message *m)
{
    struct queue_command *q = ctx;
    if (m->type == IPC_queue_text)
        say_lines(m->u.queue_text.text);
    if (m->type != IPC_queue_destination)
        return;
    if (q->json)
        queue_print_destination_json(&q->out, &m->u.queue_destination, q->now_s);
    else
        queue_print_destination_row(&q->table, &m->u.queue_destination, q->now_s);
}

static void on_item(void *ctx, const struct ipc_message *m)
{
    struct queue_command *q = ctx;
    if (m->type != IPC_queue_item)
        return;
    if (q->json)
        queue_print_item_json(&q->out, &m->u.queue_item, q->now_s);
    else
        queue_print_item_row(&q->table, &m->u.queue_item, q->now_s);
    if (columns_full(&q->table))
        columns_print(&q->table, &q->out);
    if (q->out.len > OUT_BATCH)
        write_out(q);
}

static void on_page(void *ctx, const struct ipc_message *m)
{
    struct queue_command *q = ctx;
    if (q->json) {
        on_item(ctx, m);
        return;
    }
    if (m->type == IPC_queue_item)
        queue_print_item_page(&q->out, &m->u.queue_item, q->now_s);
    if (m->type == IPC_queue_text)
        queue_print_lines(&q->out, m->u.queue_text.text);
}

static bool is_narrowed(const struct queue_command *q)
{
    return q->held || q->older_s > 0 || q->larger > 0;
}

static int print_table(struct queue_command *q, const struct queue_request *request, const struct column *columns,
                       size_t count)
{
    uint32_t matched = 0;
    columns_init(&q->table, columns, count, terminal_width());
    q->table.color = command_colored(&q->command, STDOUT_FILENO);
    int status = queue_line_ask(&q->line, request, &matched);
    if (!q->json && !columns_empty(&q->table))
        columns_print(&q->table, &q->out);
    if (!q->json && status == 0 && matched == 0)
        command_say(request->filter == QUEUE_FILTER_ALL && !is_narrowed(q) ? "the queue is empty"
                                                                           : "no message matches");
    write_out(q);
    columns_deinit(&q->table);
    return status == 0 ? q->status : status;
}

static int summary(struct queue_command *q)
{
    struct queue_request request = {.verb = QUEUE_VERB_SUMMARY, .answer = on_destination, .ctx = q};
    return print_table(q, &request, queue_summary_columns, QUEUE_SUMMARY_COLUMNS);
}

/* 0 would mean all: what is older than the epoch is older than all mail. */
static int64_t before_of(const struct queue_command *q)
{
    if (q->older_s == 0)
        return 0;
    return q->older_s < q->now_s ? q->now_s - q->older_s : 1;
}

static struct queue_request request_of(const struct queue_command *q, const struct queue_verb_row *v)
{
    return (struct queue_request){.verb = v->verb,
                                  .filter = q->filter,
                                  .value = q->value,
                                  .held = q->held,
                                  .before_s = before_of(q),
                                  .larger = q->larger};
}

static int list(struct queue_command *q, const struct queue_verb_row *v, char **operands, int count)
{
    struct queue_request request = request_of(q, v);
    request.answer = on_item;
    request.ctx = q;
    if (count > 0 && !*operands[0]) {
        command_say("a destination has a name");
        return EX_USAGE;
    }
    if (count > 0) {
        request.filter = QUEUE_FILTER_DESTINATION;
        request.value = slice_str(operands[0]);
    }
    return print_table(q, &request, queue_list_columns, QUEUE_LIST_COLUMNS);
}

static bool known_id(const char *text)
{
    uint64_t id;
    if (queue_id_read(slice_str(text), &id) == ERR_OK)
        return true;
    command_say("\"%s\" is no queue id", text);
    return false;
}

/* One request an id; the first failure is what we exit with, but all are tried. */
static int each_id(struct queue_command *q, struct queue_request *request, char **operands, int count)
{
    int status = 0;
    for (int i = 0; i < count; i++) {
        uint32_t matched = 0;
        request->filter = QUEUE_FILTER_ID;
        request->value = slice_str(operands[i]);
        int one = known_id(operands[i]) ? queue_line_ask(&q->line, request, &matched) : EX_DATAERR;
        if (one == 0 && matched == 0) {
            command_say("there is no message %s in the queue; `thurn trace %s` tells what became of it", operands[i],
                        operands[i]);
            one = EX_DATAERR;
        }
        status = status == 0 ? one : status;
    }
    return status;
}

static int show(struct queue_command *q, const struct queue_verb_row *v, char **operands, int count)
{
    struct queue_request request = {.verb = v->verb, .answer = on_page, .ctx = q};
    columns_init(&q->table, queue_list_columns, QUEUE_LIST_COLUMNS, 0);
    int status = each_id(q, &request, operands, count);
    columns_deinit(&q->table);
    write_out(q);
    return status == 0 ? q->status : status;
}

static void say_count(uint32_t count, const char *what)
{
    command_say("%u %s %s", count, count == 1 ? "message" : "messages", what);
}

static int bulk(struct queue_command *q, struct queue_request *request, const struct queue_verb_row *v)
{
    uint32_t count = 0;
    request->dry = true;
    int status = queue_line_ask(&q->line, request, &count);
    if (status != 0)
        return status;
    if (count == 0 || !q->yes) {
        say_count(count, count == 1 ? "matches" : "match");
        if (count > 0)
            command_say("nothing is done without --yes");
        return count == 0 ? 0 : EX_USAGE;
    }
    request->dry = false;
    status = queue_line_ask(&q->line, request, &count);
    if (status == 0)
        say_count(count, v->done);
    return status;
}

static int act(struct queue_command *q, const struct queue_verb_row *v, char **operands, int count)
{
    struct queue_request request = request_of(q, v);
    return count > 0 ? each_id(q, &request, operands, count) : bulk(q, &request, v);
}

static const struct queue_verb_row verbs[] = {
    {"list", QUEUE_VERB_LIST, list, NULL},
    {"show", QUEUE_VERB_SHOW, show, NULL},
    {"retry", QUEUE_VERB_RETRY, act, "tried again now"},
    {"hold", QUEUE_VERB_HOLD, act, "held"},
    {"release", QUEUE_VERB_RELEASE, act, "released"},
    {"remove", QUEUE_VERB_REMOVE, act, "removed"},
};

static const struct queue_verb_row *verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static bool take_bound(struct queue_command *q, int option, const char *value)
{
    if (option == HELD)
        q->held = true;
    else if (option == OLDER && (units_parse_duration(slice_str(value), &q->older_s) != ERR_OK || q->older_s == 0)) {
        command_say("--older is an age like 30m, 1h or 2d, not \"%s\"", value);
        return false;
    } else if (option == LARGER && (units_parse_size(slice_str(value), &q->larger) != ERR_OK || q->larger == 0)) {
        command_say("--larger is a size like 100K or 10M, not \"%s\"", value);
        return false;
    }
    return true;
}

/* An empty value is a script's variable that was not set, and would mean all mail. */
static bool take_filter(struct queue_command *q, enum queue_filter filter, slice value)
{
    bool address = filter == QUEUE_FILTER_FROM || filter == QUEUE_FILTER_TO;
    q->filter = filter;
    q->filters++;
    if (value.len == 0) {
        command_say("a filter needs a value%s", filter == QUEUE_FILTER_FROM ? "; the sender of bounces is \"<>\"" : "");
        return false;
    }
    if (address && value.len >= 2 && value.ptr[0] == '<' && value.ptr[value.len - 1] == '>')
        value = slice_sub(value, 1, value.len - 1);
    q->value = value;
    if (filter == QUEUE_FILTER_TO && value.len == 0)
        command_say("no mail is for <>");
    return filter != QUEUE_FILTER_TO || value.len > 0;
}

static bool take_option(struct queue_command *q, int option, const char *value)
{
    static const struct {
        int option;
        enum queue_filter filter;
    } filters[] = {
        {'t', QUEUE_FILTER_TO}, {'f', QUEUE_FILTER_FROM}, {'d', QUEUE_FILTER_DESTINATION}, {'r', QUEUE_FILTER_REASON}};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (filters[i].option == option)
            return take_filter(q, filters[i].filter, slice_str(value));
    }
    if (option == HELD || option == OLDER || option == LARGER)
        return take_bound(q, option, value);
    if (option == 'j')
        q->json = true;
    else if (option == 'y')
        q->yes = true;
    else
        return command_option(&q->command, option, value);
    return true;
}

static int run(struct queue_command *q, const struct queue_verb_row *v, char **operands, int count)
{
    int status = queue_line_open(&q->command, &q->line);
    if (status != 0)
        return status;
    q->now_s = os_wall_s();
    buf_init(&q->out, OUT_MAX);
    status = v ? v->run(q, v, operands, count) : summary(q);
    buf_deinit(&q->out);
    queue_line_close(&q->line);
    return status;
}

/* For a verb that acts. */
static const char *wrong_choice(const struct queue_command *q, int operands, bool narrowed)
{
    if (operands > 0)
        return q->filters > 0 || narrowed ? "either ids or one filter" : NULL;
    if (q->filters == 0 && !narrowed)
        return "which messages? Give their ids, or a filter";
    return q->filters > 1 ? "one filter at a time" : NULL;
}

/* What can be seen to be wrong before a server is asked, or NULL. */
static const char *wrong_words(const struct queue_command *q, const struct queue_verb_row *v, int operands)
{
    bool narrowed = is_narrowed(q);
    unsigned named = (unsigned)operands + q->filters;
    if (!v)
        return q->filters > 0 || narrowed ? "a filter needs a verb, like `thurn queue list`" : NULL;
    if (v->verb == QUEUE_VERB_LIST)
        return named > 1 ? "one destination or one filter at a time" : NULL;
    if (v->verb == QUEUE_VERB_SHOW)
        return operands == 0 || q->filters > 0 || narrowed
                   ? "`show` needs the ids of messages; `thurn queue list` prints them"
                   : NULL;
    return wrong_choice(q, operands, narrowed);
}

int cmd_queue(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS,
                                            {"to", required_argument, NULL, 't'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"destination", required_argument, NULL, 'd'},
                                            {"reason", required_argument, NULL, 'r'},
                                            {"held", no_argument, NULL, HELD},
                                            {"older", required_argument, NULL, OLDER},
                                            {"larger", required_argument, NULL, LARGER},
                                            {"json", no_argument, NULL, 'j'},
                                            {"yes", no_argument, NULL, 'y'},
                                            {NULL, 0, NULL, 0}};
    struct queue_command q = {.filter = QUEUE_FILTER_ALL};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!take_option(&q, o, optarg))
            return usage(stderr);
    }
    if (q.command.help)
        return usage(stdout);
    const struct queue_verb_row *v = optind < argc ? verb_find(argv[optind]) : NULL;
    int operands = argc - optind - (v != NULL);
    bool unknown = !v && optind < argc;
    const char *wrong = unknown ? NULL : wrong_words(&q, v, operands);
    if (unknown)
        command_say("`thurn queue` has no verb \"%s\"", argv[optind]);
    else if (wrong)
        command_say("%s", wrong);
    if (unknown || wrong)
        return usage(stderr);
    return run(&q, v, argv + optind + 1, operands);
}
