/* SPDX-License-Identifier: ISC */
#include "cmd/cmd.h"

#include <getopt.h>
#include <unistd.h>

#include "child/child.h"

#define EXIT_USAGE 64
#define EXIT_UNAVAILABLE 69
#define EXIT_TRY_LATER 75
#define EXIT_PERMISSION 77
#define EXIT_CONF 78
#define DEFAULT_CONF "/etc/thurn/thurn.toml"
#define MESSAGES_MAX (1u << 20)
#define CONNECT_MS 5000
#define ANSWER_MS 60000

struct answer {
    bool come, ok;
};

static int usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: thurn reload [-c FILE]\n"
                  "Makes the running server read its configuration again; no session is lost. Prints what it\n"
                  "changes for whom. A configuration with an error changes nothing: the errors are printed, and the\n"
                  "exit status is 78.\n");
    return to == stdout ? 0 : EXIT_USAGE;
}

/* The server reads its file itself and says what is wrong with it, so here an error matters only when it hides where the server is. */
static enum err find_socket(const char *path, struct socket_address *a_r, buf *messages)
{
    struct conf *conf = NULL;
    char memory[sizeof a_r->path];
    buf b;
    enum err e = conf_load(path, isatty(2) == 1, messages, &conf);
    if (e != ERR_OK)
        return e;
    buf_init_fixed(&b, memory, sizeof memory - 1);
    e = child_control_socket_path(conf, &b);
    if (e == ERR_OK) {
        *a_r = (struct socket_address){0};
        memcpy(a_r->path, memory, b.len);
    }
    conf_close(&conf);
    return e;
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
        (void)fprintf(stderr, "thurn: nothing has changed\n");
}

static int ask(int fd)
{
    struct ipc_channel *channel = NULL;
    struct answer answer = {false, false};
    enum err e = ipc_channel_open(fd, PROCESS_COMMAND, PROCESS_CONSOLE, &channel);
    if (e != ERR_OK)
        return EXIT_TRY_LATER;
    struct ipc_message reload = {.type = IPC_reload, .fd = -1, .u.reload = {1}};
    ipc_channel_send(channel, &reload);
    e = ipc_channel_flush(channel);
    int64_t end = os_now_ms() + ANSWER_MS;
    while (e == ERR_OK && !answer.come) {
        e = socket_wait(ipc_channel_fd(channel), false, end - os_now_ms());
        if (e == ERR_OK)
            e = ipc_channel_read(channel, on_message, &answer);
        if (e == ERR_AGAIN)
            e = ERR_OK;
    }
    ipc_channel_close(&channel);
    if (!answer.come) {
        (void)fprintf(stderr, "thurn: no answer from the server: %s\n", err_text(e));
        return EXIT_TRY_LATER;
    }
    return answer.ok ? 0 : EXIT_CONF;
}

static int reload(const char *path)
{
    struct socket_address a;
    buf messages;
    int fd = -1;
    buf_init(&messages, MESSAGES_MAX);
    enum err e = find_socket(path, &a, &messages);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
        if (messages.len == 0)
            (void)fprintf(stderr, "thurn: %s: %s\n", path, err_text(e));
    }
    buf_deinit(&messages);
    if (e != ERR_OK)
        return EXIT_CONF;
    e = socket_connect_wait(&a, CONNECT_MS, &fd);
    if (e == ERR_OK)
        return ask(fd);
    if (e == ERR_PERMISSION) {
        (void)fprintf(stderr, "thurn: %s: only root and the server's own user may reload it\n", a.path);
        return EXIT_PERMISSION;
    }
    (void)fprintf(stderr, "thurn: no server runs here (%s: %s)\n", a.path, err_text(e));
    return EXIT_UNAVAILABLE;
}

int cmd_reload(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *path = DEFAULT_CONF;
    int c;
    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (c == 'c')
            path = optarg;
        else
            return usage(c == 'h' ? stdout : stderr);
    }
    if (optind < argc)
        return usage(stderr);
    return reload(path);
}
