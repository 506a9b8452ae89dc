/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES_MAX (1u << 20)
#define WORDS_MAX 8192
#define PATIENCE_MS 3000

bool command_option(struct command *c, int option, const char *value)
{
    static const char *const colors[] = {"auto", "always", "never"};
    if (option == 'c')
        c->conf_path = value;
    else if (option == 'h')
        c->help = true;
    else if (option != 'C')
        return false;
    for (size_t i = 0; option == 'C'; i++) {
        if (i == sizeof colors / sizeof colors[0]) {
            command_say("--color is auto, always or never, not \"%s\"", value);
            return false;
        }
        if (strcmp(value, colors[i]) == 0) {
            c->color = (enum command_color)i;
            break;
        }
    }
    return true;
}

bool command_options_only(struct command *c, int argc, char **argv, int (*usage)(FILE *to), int *status_r)
{
    static const struct option options[] = {COMMAND_OPTIONS, {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!command_option(c, o, optarg)) {
            *status_r = usage(stderr);
            return false;
        }
    }
    if (!c->help && optind == argc)
        return true;
    if (!c->help)
        command_say_extra(argv[optind]);
    *status_r = usage(c->help ? stdout : stderr);
    return false;
}

bool command_colored(const struct command *c, int fd)
{
    if (c->color != COMMAND_COLOR_AUTO)
        return c->color == COMMAND_COLOR_ALWAYS;
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fd) == 1 && !(no_color && *no_color) && terminal && strcmp(terminal, "dumb") != 0;
}

static int load_by(enum err (*by)(const char *path, bool color, buf *messages, struct conf **conf_r),
                   const struct command *c, struct conf **conf_r)
{
    const char *path = c->conf_path ? c->conf_path : COMMAND_CONF;
    buf messages;
    buf_init(&messages, MESSAGES_MAX);
    enum err e = by(path, command_colored(c, STDERR_FILENO), &messages, conf_r);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
        if (messages.len == 0)
            command_say("%s: %s", path, err_text(e));
    }
    buf_deinit(&messages);
    return e == ERR_OK ? 0 : EX_CONFIG;
}

int command_load(const struct command *c, struct conf **conf_r)
{
    return load_by(conf_load_alone, c, conf_r);
}

int command_load_whole(const struct command *c, struct conf **conf_r)
{
    return load_by(conf_load, c, conf_r);
}

void command_say_extra(const char *word)
{
    command_say("\"%s\" is one word too many", word);
}

void command_say(const char *format, ...)
{
    char memory[WORDS_MAX], line_memory[2 * WORDS_MAX];
    buf words, line;
    va_list args;
    buf_init_fixed(&words, memory, sizeof memory);
    buf_init_fixed(&line, line_memory, sizeof line_memory);
    va_start(args, format);
    buf_vprintf(&words, format, args);
    va_end(args);
    buf_append_escaped(&line, buf_slice(&words));
    (void)fprintf(stderr, "thurn: %.*s\n", SLICE_ARG(buf_slice(&line)));
}

enum err command_await(int fd, int64_t limit_ms, bool *told)
{
    if (*told || limit_ms <= PATIENCE_MS)
        return socket_wait(fd, false, limit_ms);
    enum err e = socket_wait(fd, false, PATIENCE_MS);
    if (e != ERR_TIMEOUT)
        return e;
    *told = true;
    command_say("the server does not answer yet; waiting for it, %lld s at most",
                (long long)((limit_ms - PATIENCE_MS) / 1000));
    return socket_wait(fd, false, limit_ms - PATIENCE_MS);
}

int command_print(const buf *b)
{
    size_t written = fwrite(b->ptr, 1, b->len, stdout);
    bool done = written == b->len && fflush(stdout) == 0;
    if (done && buf_ok(b))
        return 0;
    if (done) {
        command_say("out of memory: not all of it could be printed");
        return EX_IOERR;
    }
    /* A reader that has seen enough (`| head`) needs no words. */
    if (errno != EPIPE)
        command_say("cannot write to standard output");
    return EX_IOERR;
}
