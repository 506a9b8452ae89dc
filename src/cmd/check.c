/* SPDX-License-Identifier: ISC */
#include "cmd/check.h"

#include <unistd.h>

#include "child/child.h"

#define MESSAGES_MAX (1u << 20)
#define POLICY_MAX (4u << 20)
#define WORDS_MAX 1024

struct check {
    struct command command;
    struct check_report report;
    bool offline;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn check [-c FILE] [--offline] [--json] [--color=auto|always|never]\n"
                      "Reads the configuration FILE (default " COMMAND_CONF ") as the server\n"
                      "would, tells every error and warning on standard error, and says on standard\n"
                      "output who may send where and how each domain's mail is delivered. Also looks\n"
                      "whether users may write to their mailboxes, other programs have the ports, and\n"
                      "the DNS leads here (5 seconds at most).\n"
                      "  --offline   asks no name server\n"
                      "  --json      one object a finding, and one with the summary, on standard\n"
                      "              output\n"
                      "Exit status 0: it can be used, whatever the warnings; 78: it cannot.\n");
    return to == stdout ? 0 : EX_USAGE;
}

/* Who can speak in any client's and any user's name is said beside who may send where. */
static void describe_trust(const struct conf_peers *xclient, buf *out)
{
    for (size_t i = 0; i < xclient->count; i++)
        buf_printf(out, "%.*s may say with XCLIENT for whom it speaks, and so send as any client and any user.\n",
                   SLICE_ARG(xclient->networks[i].text));
}

static void describe_certificates(const struct conf *conf, buf *out)
{
    for (size_t i = 0; i < conf->tls_count; i++) {
        char memory[WORDS_MAX], why_memory[WORDS_MAX];
        buf text, why;
        const struct tls_pair pair = {.cert = conf->tls[i].cert, .key = conf->tls[i].key};
        buf_init_fixed(&text, memory, sizeof memory);
        buf_init_fixed(&why, why_memory, sizeof why_memory);
        if (tls_pair_describe(&pair, os_wall_s(), &text, &why) == ERR_OK)
            buf_printf(out, "Certificate %.*s: %.*s.\n", SLICE_ARG(pair.cert), SLICE_ARG(buf_slice(&text)));
    }
}

static void describe_listeners(const struct conf *conf, buf *out)
{
    static const char *const roles[] = {
        [CONF_LISTEN_MX] = "mx", [CONF_LISTEN_SUBMISSION] = "submission", [CONF_LISTEN_LMTP] = "lmtp"};
    if (conf->listener_count == 0)
        buf_append(out, SLICE("No port is open: only programs on this host bring mail.\n"));
    for (size_t i = 0; i < conf->listener_count; i++)
        buf_printf(out, "%s%.*s (%s)%s", i == 0 ? "Listens on " : "", SLICE_ARG(conf->listeners[i].text),
                   roles[conf->listeners[i].role], i + 1 < conf->listener_count ? ", " : ".\n");
}

static enum err describe(const struct conf *conf, buf *out)
{
    struct route_index *index = NULL;
    enum err e = route_index_open(&conf->route, os_random_key(), &index);
    if (e != ERR_OK)
        return e;
    describe_listeners(conf, out);
    route_policy_describe(index, out);
    route_index_close(&index);
    describe_trust(&conf->trust.xclient, out);
    describe_certificates(conf, out);
    buf_append(out, SLICE("Tried as strangers from many networks, with forged senders: nobody of them may relay.\n"));
    return ERR_OK;
}

/* {"severity": "summary", ...}: the policy is a list of the lines that people read. */
static void print_summary(const struct check *c, slice policy, buf *out)
{
    slice line;
    const char *comma = "";
    const struct check_report *r = &c->report;
    buf_append(out, SLICE("{\"severity\": \"summary\", \"file\": "));
    buf_append_json(out, slice_str(r->path));
    buf_printf(out, ", \"usable\": %s, \"errors\": %zu, \"warnings\": %zu, \"policy\": [",
               r->errors == 0 ? "true" : "false", r->errors, r->warnings);
    while (policy.len > 0) {
        (void)slice_cut(policy, '\n', &line, &policy);
        buf_append(out, slice_str(comma));
        buf_append_json(out, line);
        comma = ", ";
    }
    buf_append(out, SLICE("]}\n"));
}

static int finish(const struct check *c, const struct conf *conf)
{
    buf policy, out;
    enum err e = ERR_OK;
    bool good = c->report.errors == 0;
    buf_init(&policy, POLICY_MAX);
    buf_init(&out, 2 * POLICY_MAX);
    if (good)
        e = describe(conf, &policy);
    if (c->report.json)
        print_summary(c, buf_slice(&policy), &out);
    else
        buf_append(&out, buf_slice(&policy));
    int status = command_print(&out);
    if (e != ERR_OK)
        command_say("%s", err_text(e));
    buf_deinit(&policy);
    buf_deinit(&out);
    return !good ? EX_CONFIG : e != ERR_OK ? EX_OSERR : status;
}

/* For people each message with its line and a caret. */
static enum err load(struct check *c, const struct conf_sink *sink, struct conf **conf_r)
{
    buf messages;
    if (c->report.json)
        return conf_load_told(c->command.conf_path, sink, conf_r);
    buf_init(&messages, MESSAGES_MAX);
    enum err e = conf_load(c->command.conf_path, c->report.color, &messages, conf_r);
    (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    if (e != ERR_OK && messages.len == 0)
        command_say("%s: %s", c->command.conf_path, err_text(e));
    c->report.errors += e != ERR_OK;
    buf_deinit(&messages);
    return e;
}

static int check(struct check *c)
{
    struct conf *conf = NULL;
    const struct conf_sink sink = {check_report_take, &c->report};
    enum err e = load(c, &sink, &conf);
    if (e != ERR_OK && c->report.errors == 0)
        check_report_say(&c->report, CONF_ERROR, "", "%s", err_text(e));
    if (e == ERR_OK && child_check(conf, CHILD_CHECK_ALL, &sink)) {
        check_ports(&c->report, conf);
        if (!c->offline)
            check_dns(&c->report, conf);
    }
    int status = finish(c, conf);
    if (conf)
        conf_close(&conf);
    return status;
}

int cmd_check(int argc, char **argv)
{
    static const struct option options[] = {
        COMMAND_OPTIONS, {"offline", no_argument, NULL, 'o'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct check c = {.command.conf_path = COMMAND_CONF};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (o == 'o')
            c.offline = true;
        else if (o == 'j')
            c.report.json = true;
        else if (!command_option(&c.command, o, optarg))
            return usage(stderr);
    }
    if (c.command.help)
        return usage(stdout);
    if (optind < argc) {
        command_say_extra(argv[optind]);
        return usage(stderr);
    }
    c.report.path = c.command.conf_path;
    c.report.color = command_colored(&c.command, STDERR_FILENO);
    c.report.progress = isatty(STDERR_FILENO) == 1;
    return check(&c);
}
