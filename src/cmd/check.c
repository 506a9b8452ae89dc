/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <unistd.h>

#include "child/child.h"

#define MESSAGES_MAX (1u << 20)
#define POLICY_MAX (4u << 20)

static int usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: thurn check [-c FILE] [--color=auto|always|never]\n"
                  "Reads the configuration FILE (default " COMMAND_CONF ") as the server would, tells every error and\n"
                  "warning on standard error, and says on standard output who may send where and how each\n"
                  "domain's mail is delivered. Exit status 0: it can be used; 78: it cannot.\n");
    return to == stdout ? 0 : EX_USAGE;
}

/* Who can speak in any client's and any user's name is said beside who may send where. */
static void describe_trust(const struct conf_peers *xclient, buf *out)
{
    for (size_t i = 0; i < xclient->count; i++)
        buf_printf(out, "%.*s may say with XCLIENT for whom it speaks, and so send as any client and any user.\n",
                   SLICE_ARG(xclient->networks[i].text));
}

static int describe(const struct conf *conf)
{
    struct route_index *index = NULL;
    buf out;
    enum err e = route_index_open(&conf->route, os_random_key(), &index);
    if (e != ERR_OK) {
        command_say("%s", err_text(e));
        return EX_OSERR;
    }
    buf_init(&out, POLICY_MAX);
    route_policy_describe(index, &out);
    describe_trust(&conf->trust.xclient, &out);
    int status = command_print(&out);
    buf_deinit(&out);
    route_index_close(&index);
    return status;
}

static int check(const char *path, bool color)
{
    struct conf *conf = NULL;
    buf messages;
    buf_init(&messages, MESSAGES_MAX);
    enum err e = conf_load(path, color, &messages, &conf);
    if (e == ERR_OK)
        e = child_check_conf(conf, &messages);
    (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    if (e != ERR_OK && messages.len == 0)
        command_say("%s: %s", path, err_text(e));
    int status = e == ERR_OK ? describe(conf) : EX_CONFIG;
    buf_deinit(&messages);
    if (conf)
        conf_close(&conf);
    return status;
}

int cmd_check(int argc, char **argv)
{
    struct command c = {.conf_path = COMMAND_CONF};
    int status = 0;
    if (!command_options_only(&c, argc, argv, usage, &status))
        return status;
    return check(c.conf_path, command_colored(&c, STDERR_FILENO));
}
