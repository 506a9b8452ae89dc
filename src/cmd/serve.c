/* SPDX-License-Identifier: ISC */
#include "cmd/cmd.h"

#include <assert.h>
#include <getopt.h>
#include <unistd.h>

#define EXIT_USAGE 64
#define DEFAULT_CONF "/etc/thurn/thurn.toml"

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
    const char *path = ctx;
    return conf_load(path, false, messages, conf_r);
}

static void say_ready(void *ctx)
{
    (void)ctx;
    (void)puts("thurn: ready");
    (void)fflush(stdout);
}

static int usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: thurn serve [-c FILE]\n"
                  "Runs the mail server in the foreground, with its log on standard error. It prints `thurn: ready`\n"
                  "on standard output when it accepts connections. SIGHUP reloads FILE (default " DEFAULT_CONF "),\n"
                  "SIGTERM ends it when what is under way has ended.\n");
    return to == stdout ? 0 : EXIT_USAGE;
}

int cmd_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    char *path = (char *)(uintptr_t)DEFAULT_CONF;
    int c;
    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (c == 'c')
            path = optarg;
        else
            return usage(c == 'h' ? stdout : stderr);
    }
    if (optind < argc)
        return usage(stderr);
    struct cmd_server server = {load, say_ready, path};
    return cmd_server_run(&server);
}
