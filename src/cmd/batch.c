/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/batch_direct.h"
#include "cmd/batch_watch.h"

struct batch {
    struct command command;
    struct batch_order order;
    bool watch, once;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn batch [--replies FILE] [--json] [-c FILE] JOBFILE|-\n"
                      "       thurn batch --resume JOB [--json] [-c FILE] [JOBFILE]\n"
                      "       thurn batch --watch [--once] [-c FILE]\n"
                      "Hands the mails of a file of SMTP commands (HELO, MAIL, RCPT, DATA, ...) to the\n"
                      "running server, each exactly once, whatever is interrupted: the same command\n"
                      "again goes on. The dialogue is in JOBFILE.replies, or on standard output for\n"
                      "`-`; the report is on standard output and goes to [batch] administrators.\n"
                      "--resume goes on with a job that was held or interrupted. --watch serves the\n"
                      "folder [batch] folder, --once until it is empty. Who may not run jobs has the\n"
                      "file put into that folder.\n"
                      "Exit status: 0 all mails are in the queue; 65 lines were not understood, 69\n"
                      "something was refused, 75 the job waits for the server, 77 not permitted.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static bool take_option(struct batch *b, int option, const char *value)
{
    switch (option) {
    case 'r':
        b->order.replies = value;
        return true;
    case 'R':
        b->order.resume = value;
        return true;
    case 'j':
        b->order.json = true;
        return true;
    case 'w':
        b->watch = true;
        return true;
    case 'o':
        b->once = true;
        return true;
    default:
        return command_option(&b->command, option, value);
    }
}

static const char *wrong_watch_words(const struct batch *b)
{
    bool more = b->order.resume || b->order.file || b->order.replies || b->order.json;
    return more ? "--watch stands alone, or with --once" : NULL;
}

static const char *wrong_words(const struct batch *b)
{
    bool resume = b->order.resume != NULL;
    if (b->watch)
        return wrong_watch_words(b);
    if (b->once)
        return "--once goes with --watch";
    if (!resume && !b->order.file)
        return "which job? Give a file of SMTP commands, or - for standard input";
    if (resume && b->order.replies)
        return "a job that is resumed has its reply file";
    if (resume && b->order.file && strcmp(b->order.file, "-") == 0)
        return "a job is resumed from a file";
    return NULL;
}

static int run(struct batch *b)
{
    struct conf *conf = NULL;
    struct batch_place place;
    int status = command_load(&b->command, &conf);
    if (status != 0)
        return status;
    status = batch_place_open(&place, &b->command, conf);
    if (status == 0) {
        status = b->watch ? batch_watch(&place, b->once) : batch_direct(&place, &b->order);
        batch_place_close(&place);
    } else if (status == EX_NOPERM && b->order.file && !b->order.resume && conf->batch.folder.len > 0) {
        status = batch_drop(conf, b->order.file);
    } else if (status == EX_NOPERM) {
        command_say("only root and the server's own user run jobs here%s",
                    conf->batch.folder.len > 0 ? "" : "; [batch] folder makes a drop box for others");
    } else if (status == EX_TEMPFAIL) {
        command_say("no server has run here yet");
    }
    conf_close(&conf);
    return status;
}

int cmd_batch(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS,
                                            {"replies", required_argument, NULL, 'r'},
                                            {"resume", required_argument, NULL, 'R'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"watch", no_argument, NULL, 'w'},
                                            {"once", no_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    struct batch b = {.watch = false};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!take_option(&b, o, optarg))
            return usage(stderr);
    }
    if (b.command.help)
        return usage(stdout);
    b.order.file = optind < argc ? argv[optind] : NULL;
    const char *wrong = wrong_words(&b);
    if (optind + 1 < argc)
        command_say_extra(argv[optind + 1]);
    else if (wrong)
        command_say("%s", wrong);
    if (optind + 1 < argc || wrong)
        return usage(stderr);
    return run(&b);
}
