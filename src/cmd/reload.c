/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <string.h>

#include "cmd/control.h"
#include "ipc/ipc.h"

#define ANSWER_MS 60000

struct answer {
    bool come, ok;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn reload [-c FILE] [--dry-run]\n"
                      "Makes the running server read its configuration again; no session is lost.\n"
                      "Prints what it changes for whom; with --dry-run it only prints what it would\n"
                      "change. A configuration with an error changes nothing: the errors are printed,\n"
                      "and the exit status is 78.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static void on_message(void *ctx, const struct ipc_message *m)
{
    struct answer *a = ctx;
    if (m->type != IPC_reload_done)
        return;
    slice text = m->u.reload_done.text;
    a->come = true;
    a->ok = m->u.reload_done.ok != 0;
    (void)fprintf(a->ok ? stdout : stderr, "%.*s", SLICE_ARG(text));
    if (!a->ok)
        command_say("nothing has changed");
}

static int ask(int fd, bool dry_run)
{
    struct ipc_channel *channel = NULL;
    struct answer answer = {false, false};
    bool told = false;
    enum err e = ipc_channel_open(fd, PROCESS_COMMAND, PROCESS_CONSOLE, &channel);
    if (e != ERR_OK)
        return EX_TEMPFAIL;
    struct ipc_message reload = {.type = IPC_reload, .fd = -1, .u.reload = {1, dry_run}};
    ipc_channel_send(channel, &reload);
    e = ipc_channel_flush(channel);
    int64_t end = os_now_ms() + ANSWER_MS;
    while (e == ERR_OK && !answer.come) {
        e = command_await(ipc_channel_fd(channel), end - os_now_ms(), &told);
        if (e == ERR_OK)
            e = ipc_channel_read(channel, on_message, &answer);
        if (e == ERR_AGAIN)
            e = ERR_OK;
    }
    ipc_channel_close(&channel);
    if (!answer.come) {
        command_say("no answer from the server: %s", err_text(e));
        return EX_TEMPFAIL;
    }
    return answer.ok ? 0 : EX_CONFIG;
}

static int reload(const struct command *c, bool dry_run)
{
    struct conf *conf = NULL;
    struct socket_address a;
    int fd = -1;
    /* The server reads its file itself and says what is wrong with it, so here an error matters only when it hides where the server is. */
    int status = command_load(c, &conf);
    if (status != 0) {
        command_say("nothing has changed");
        return status;
    }
    enum err e = control_connect(conf, &a, &fd);
    conf_close(&conf);
    if (e == ERR_OK)
        return ask(fd, dry_run);
    if (e == ERR_LIMIT) {
        command_say("state_dir: its path is too long for a socket");
        return EX_CONFIG;
    }
    if (e == ERR_PERMISSION) {
        command_say("%s: only root and the server's own user may reload it", a.path);
        return EX_NOPERM;
    }
    command_say("no server runs here (%s: %s); it reads its configuration when it starts", a.path, err_text(e));
    return EX_UNAVAILABLE;
}

int cmd_reload(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS, {"dry-run", no_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    struct command c = {.help = false};
    bool dry_run = false;
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        dry_run = dry_run || o == 'n';
        if (o != 'n' && !command_option(&c, o, optarg))
            return usage(stderr);
    }
    if (c.help)
        return usage(stdout);
    if (optind < argc) {
        command_say_extra(argv[optind]);
        return usage(stderr);
    }
    return reload(&c, dry_run);
}
