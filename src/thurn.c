/* SPDX-License-Identifier: ISC */
/* The one program: `thurn SUBCOMMAND`, and what only this place may know: which function each subcommand and each kind of process is. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cmd/cmd.h"
#include "os/os.h"
#include "proc/console/console.h"
#include "proc/deliver/deliver.h"
#include "proc/keys/keys.h"
#include "proc/lookup/lookup.h"
#include "proc/master/master.h"
#include "proc/queue/queue.h"
#include "proc/receiver/receiver.h"
#include "proc/sender/sender.h"
#include "sched/sched.h"

#define EXIT_USAGE 64
#define EXIT_TRY_LATER 75
#define NAME_MAX_BYTES 32

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct subcommand subcommands[] = {
    {"serve", cmd_serve, "run the mail server in the foreground"},
    {"init", cmd_init, "make a working configuration for a domain, with its first account"},
    {"dev", cmd_dev, "run a server to develop with: takes any mail, sends none out"},
    {"check", cmd_check, "tell what is wrong with the configuration, and what it permits"},
    {"explain", cmd_explain, "tell what would become of a mail, step by step"},
    {"reload", cmd_reload, "make the running server read its configuration again"},
    {"queue", cmd_queue, "look at the mail that waits, and retry, hold, release or remove it"},
    {"trace", cmd_trace, "tell what happened to a mail, or what a client did"},
    {"top", cmd_top, "show what the server does now"},
    {"send", cmd_send, "hand a message to the running server"},
    {"sendmail", cmd_sendmail, "the same, as other programs expect it of a sendmail"},
    {"mailq", cmd_mailq, "print the queue as Postfix's mailq does"},
    {"newaliases", cmd_newaliases, "check the aliases and make the running server take them"},
    {"probe", cmd_probe, "speak with a mail server, show what it says, look for weaknesses"},
    {"batch", cmd_batch, "hand the mails of a file of SMTP commands to the running server"},
    {"user", cmd_user, "add, list and remove accounts, and set their passwords"},
    {"config", cmd_config, "print the keys of the configuration with their defaults"},
};
#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof subcommands[0])

/* Memory that is short now would be short for TLS as long as the processes live. */
static bool prepare_tls(void)
{
    char memory[256];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    if (tls_prepare(&why) == ERR_OK)
        return true;
    (void)fprintf(stderr, "thurn: cannot start: %.*s; is there memory enough?\n", SLICE_ARG(buf_slice(&why)));
    return false;
}

static int start_server(const struct cmd_server *server)
{
    if (!prepare_tls())
        return EXIT_TRY_LATER;
    struct master_options options = {
        .load = server->load,
        .ready = server->ready,
        .ctx = server->ctx,
        .shared = {limits_region_size(), LIMITS_COLUMNS, limits_region_init, limits_column_clear},
        .entries = {[PROCESS_RECEIVER] = receiver_main,
                    [PROCESS_QUEUE] = queue_main,
                    [PROCESS_SENDER] = sender_main,
                    [PROCESS_DELIVER] = deliver_main,
                    [PROCESS_LOOKUP] = lookup_main,
                    [PROCESS_CONSOLE] = console_main,
                    [PROCESS_KEYS] = keys_main},
    };
    return master_run(&options);
}

static void print_help(FILE *to)
{
    (void)fprintf(to, "usage: thurn SUBCOMMAND [-c FILE] ...\n\n");
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        (void)fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    (void)fprintf(to, "\n`thurn SUBCOMMAND --help` says more. FILE is /etc/thurn/thurn.toml unless -c\n"
                      "names another.\n");
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance; large when a is too long to be a slip of the hand. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_BYTES + 1], a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_BYTES || b_len > NAME_MAX_BYTES)
        return NAME_MAX_BYTES;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t before = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = smallest(row[j] + 1, row[j - 1] + 1, before + (a[i - 1] != b[j - 1]));
            before = above;
        }
    }
    return row[b_len];
}

static int unknown(const char *name)
{
    const char *best = NULL;
    size_t least = 3;
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        size_t d = distance(name, subcommands[i].name);
        if (d < least) {
            least = d;
            best = subcommands[i].name;
        }
    }
    (void)fprintf(stderr, "thurn: unknown subcommand \"%s\"", name);
    if (best)
        (void)fprintf(stderr, "; did you mean \"%s\"?", best);
    (void)fprintf(stderr, "\n`thurn --help` lists them.\n");
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    process_streams_init();
    process_title_init(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    cmd_server_by(start_server);
    int status = 0;
    if (cmd_by_name(argc, argv, &status))
        return status;
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("thurn " THURN_VERSION);
        return 0;
    }
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            static char program[] = "thurn"; /* how getopt's messages begin, like all others */
            argv[0] = argv[1];               /* process_title_init has allocated it */
            argv[1] = program;
            return subcommands[i].run(argc - 1, argv + 1);
        }
    }
    return unknown(argv[1]);
}
