/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#define TEXT_MAX (1u << 20)

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn config --defaults | --mdoc\n"
                      "--defaults prints every key of the configuration with its default, as TOML;\n"
                      "--mdoc prints them as the list in thurn.toml(5).\n");
    return to == stdout ? 0 : EX_USAGE;
}

int cmd_config(int argc, char **argv)
{
    static const struct option options[] = {
        COMMAND_OPTIONS, {"defaults", no_argument, NULL, 'd'}, {"mdoc", no_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
    struct command c = {.help = false};
    void (*print)(buf * out) = NULL;
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (o == 'd')
            print = conf_print_defaults;
        else if (o == 'm')
            print = conf_print_mdoc;
        else if (!command_option(&c, o, optarg))
            return usage(stderr);
    }
    if (c.help)
        return usage(stdout);
    if (optind < argc)
        command_say_extra(argv[optind]);
    if (optind < argc || !print)
        return usage(stderr);
    buf out;
    buf_init(&out, TEXT_MAX);
    print(&out);
    int status = command_print(&out);
    buf_deinit(&out);
    return status;
}
