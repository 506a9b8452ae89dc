/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/terminal.h"
#include "cmd/terminal_screen.h"
#include "cmd/top_page.h"

#define OUT_MAX (4u << 20)
#define INTERVAL_MS 2000
#define ONCE_MS 1000
#define INTERVAL_MAX_S 3600
#define PATH_MAX_BYTES 4096

struct top_command {
    struct command command;
    bool once, json;
    int64_t interval_ms; /* 0: not given */
    struct conf *conf;
    char folder[PATH_MAX_BYTES];
    struct top_state *state;
    buf out;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn top [--interval SECONDS] [--once] [--json] [-c FILE]\n"
                      "What the server does now: rates, sessions, the queue by destination, its\n"
                      "processes, the last problems. q ends it. --once prints it once, for which it\n"
                      "looks for one second (or the interval); so does it where standard output is no\n"
                      "terminal. --json prints one object a process and one of all, at once. For root\n"
                      "and the server's own user.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static int once(struct top_command *t)
{
    top_state_look(t->state);
    if (t->json) {
        top_page_json(&t->out, t->state);
        return command_print(&t->out);
    }
    os_sleep_ms(t->interval_ms ? t->interval_ms : ONCE_MS);
    top_state_look(t->state);
    top_page_print(&t->out, t->state, os_wall_us(), (struct top_size){terminal_width(), 0});
    return command_print(&t->out);
}

static enum err draw(struct top_command *t)
{
    struct top_size size;
    terminal_screen_size(&size.width, &size.height);
    buf_clear(&t->out);
    top_page_print(&t->out, t->state, os_wall_us(), size);
    return terminal_screen_draw(buf_slice(&t->out));
}

/* A terminal that can be drawn on. */
static bool is_screen(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && kind && *kind && strcmp(kind, "dumb") != 0;
}

/* Until q, a signal, or the end of the terminal. */
static void live(struct top_command *t)
{
    int64_t interval = t->interval_ms ? t->interval_ms : INTERVAL_MS, next = 0;
    for (;;) {
        char key = 0;
        int64_t now = os_now_ms();
        if (now >= next) {
            top_state_look(t->state);
            next = now + interval;
        }
        if (draw(t) != ERR_OK)
            return;
        enum terminal_event event = terminal_screen_wait(next - os_now_ms(), &key);
        if (event == TERMINAL_ENDED || (event == TERMINAL_KEY && (key == 'q' || key == 'Q')))
            return;
    }
}

static int watch(struct top_command *t)
{
    enum err e = terminal_screen_open();
    if (e == ERR_OK)
        live(t);
    terminal_screen_close();
    if (e != ERR_OK) {
        command_say("standard input is no terminal; `thurn top --once` needs none");
        return EX_USAGE;
    }
    int number = terminal_screen_signal();
    return number == 0 || number == SIGINT ? 0 : 128 + number;
}

static int cannot_read(const struct top_command *t, enum err e)
{
    if (e == ERR_NOTFOUND) {
        command_say("%s is not there: no server has run here, or [log] trace is 0", t->folder);
        return EX_UNAVAILABLE;
    }
    if (e == ERR_PERMISSION) {
        command_say("%s: only root and the server's own user may see what happens", t->folder);
        return EX_NOPERM;
    }
    command_say("%s: %s", t->folder, err_text(e));
    return EX_UNAVAILABLE;
}

static int run(struct top_command *t)
{
    buf folder;
    int status = command_load(&t->command, &t->conf);
    if (status != 0)
        return status;
    buf_init_fixed(&folder, t->folder, sizeof t->folder);
    buf_printf(&folder, "%.*s/trace%c", SLICE_ARG(t->conf->state_dir), 0);
    t->state = calloc(1, sizeof *t->state);
    enum err e = t->state ? top_state_open(t->state, t->folder, t->conf) : ERR_NOMEM;
    if (e == ERR_OK) {
        buf_init(&t->out, OUT_MAX);
        bool plain = t->once || t->json || !is_screen();
        status = plain ? once(t) : watch(t);
        buf_deinit(&t->out);
        top_state_close(t->state);
    } else {
        status = cannot_read(t, e);
    }
    free(t->state);
    conf_close(&t->conf);
    return status;
}

static bool take_option(struct top_command *t, int option, const char *value)
{
    uint64_t seconds;
    switch (option) {
    case 'o':
        t->once = true;
        return true;
    case 'j':
        t->json = true;
        return true;
    case 'i':
        if (slice_to_u64(slice_str(value), INTERVAL_MAX_S, &seconds) != ERR_OK || seconds == 0) {
            command_say("--interval is a number of seconds from 1 to %d, not \"%s\"", INTERVAL_MAX_S, value);
            return false;
        }
        t->interval_ms = (int64_t)seconds * 1000;
        return true;
    default:
        return command_option(&t->command, option, value);
    }
}

int cmd_top(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS,
                                            {"once", no_argument, NULL, 'o'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {NULL, 0, NULL, 0}};
    struct top_command t = {.interval_ms = 0};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!take_option(&t, o, optarg))
            return usage(stderr);
    }
    if (t.command.help)
        return usage(stdout);
    if (optind < argc) {
        command_say_extra(argv[optind]);
        return usage(stderr);
    }
    return run(&t);
}
