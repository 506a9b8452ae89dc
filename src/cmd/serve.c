/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <assert.h>

static int (*start_server)(const struct cmd_server *server);

void cmd_server_by(int (*start)(const struct cmd_server *server))
{
    start_server = start;
}

int cmd_server_run(const struct cmd_server *server)
{
    assert(start_server);
    return start_server(server);
}

static enum err load(void *ctx, buf *messages, struct conf **conf_r)
{
    const struct command *c = ctx;
    return conf_load(c->conf_path, false, messages, conf_r); /* a reload's go to the log */
}

static void say_ready(void *ctx)
{
    (void)ctx;
    (void)puts("thurn: ready");
    (void)fflush(stdout);
    enum err e = os_notify(SLICE("READY=1"));
    if (e != ERR_OK)
        log_line(LOG_WARNING, "the service manager cannot be told: %s", err_text(e));
}

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn serve [-c FILE]\n"
                      "Runs the mail server in the foreground, with its log on standard error. It\n"
                      "prints `thurn: ready` on standard output when it accepts connections. SIGHUP\n"
                      "reloads FILE (default " COMMAND_CONF "), SIGTERM ends it when what is\n"
                      "under way has ended.\n");
    return to == stdout ? 0 : EX_USAGE;
}

int cmd_serve(int argc, char **argv)
{
    struct command c = {.conf_path = COMMAND_CONF};
    int status = 0;
    if (!command_options_only(&c, argc, argv, usage, &status))
        return status;
    struct cmd_server server = {load, say_ready, &c};
    return cmd_server_run(&server);
}
