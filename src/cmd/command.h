/* SPDX-License-Identifier: ISC */
/* Inside the room only: what subcommands have in common. Where the configuration is and how its faults are told, colours, words on standard
 * error. Exit statuses are those of sysexits.h. Nothing here writes to standard output. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "cmd/cmd.h"

#define COMMAND_CONF "/etc/thurn/thurn.toml"
/* Rows of a struct option: every subcommand has these. --color's value is read by command_option. */
#define COMMAND_OPTIONS                                                                                                \
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'},                                        \
    {                                                                                                                  \
        "color", required_argument, NULL, 'C'                                                                          \
    }
#define COMMAND_OPTIONS_SHORT "c:h"

enum command_color { COMMAND_COLOR_AUTO, COMMAND_COLOR_ALWAYS, COMMAND_COLOR_NEVER };

struct command {
    const char *conf_path; /* NULL: not given */
    enum command_color color;
    bool help;
};

/* Takes what getopt_long returned, when it is one of COMMAND_OPTIONS and its value is good; else false, and what is wrong is on standard error
 * (getopt_long's own words about an option that it does not know). */
bool command_option(struct command *c, int option, const char *value);
/* The whole command line of a subcommand that has these options alone and no words besides. False: exit with *status_r, what there was to say is said. */
bool command_options_only(struct command *c, int argc, char **argv, int (*usage)(FILE *to), int *status_r);
/* May what goes to this descriptor be coloured? Not on what is no terminal, nor with NO_COLOR, unless asked for. */
bool command_colored(const struct command *c, int fd);
/* 0, or what to exit with: then why is on standard error. Warnings are left to `thurn check`. */
int command_load(const struct command *c, struct conf **conf_r);
/* The same with the files that the configuration names: aliases, members. */
int command_load_whole(const struct command *c, struct conf **conf_r);
/* Says that this word of the command line is one too many. */
void command_say_extra(const char *word);
/* One line "thurn: ..." on standard error, escaped. */
void command_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Waits until the server's answer can be read. Who waits for more than 3 s is told so, once: *told is true from then on, or to begin with where
 * nothing is to be said. ERR_TIMEOUT after limit_ms. */
must_check enum err command_await(int fd, int64_t limit_ms, bool *told);
/* All of b on standard output; EX_IOERR when that failed, else 0. */
int command_print(const buf *b);

#endif
