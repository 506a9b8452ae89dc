/* SPDX-License-Identifier: ISC */
#include "cmd/queue_ask.h"

#include <stdio.h>
#include <unistd.h>

#include "cmd/control.h"

#define SILENCE_MS 60000
#define SILENCE_QUIET_MS 3000 /* somebody looks at the screen */

struct answers {
    const struct queue_request *request;
    uint64_t token;
    bool ended;
    int status;
    uint32_t count;
    bool quiet, told; /* told: that it takes long */
    bool progress_shown;
};

/* On a terminal only, in a line that the next one overwrites. */
static void progress_show(struct answers *a, const struct ipc_queue_progress *p)
{
    if (a->quiet || isatty(STDERR_FILENO) != 1)
        return;
    a->progress_shown = true;
    (void)fprintf(stderr, "\r%u of %u messages looked at, %u match \033[K", p->done, p->all, p->count);
    (void)fflush(stderr);
}

static void progress_clear(struct answers *a)
{
    if (a->progress_shown)
        (void)fputs("\r\033[K", stderr);
    a->progress_shown = false;
}

static int no_server(const struct socket_address *a, enum err e)
{
    if (e == ERR_PERMISSION) {
        command_say("%s: only root and the server's own user may see the queue", a->path);
        return EX_NOPERM;
    }
    command_say("no server runs here (%s: %s); `systemctl start thurn` or `thurn serve` starts it", a->path,
                err_text(e));
    return EX_UNAVAILABLE;
}

enum err queue_line_connect(const struct conf *conf, struct queue_line *line, struct socket_address *a_r)
{
    int fd = -1;
    enum err e = control_connect(conf, a_r, &fd);
    return e == ERR_OK ? ipc_channel_open(fd, PROCESS_COMMAND, PROCESS_CONSOLE, &line->channel) : e;
}

int queue_line_open(const struct command *c, struct queue_line *line)
{
    struct conf *conf = NULL;
    struct socket_address a = {.ip_len = 0};
    int status = command_load(c, &conf);
    if (status != 0)
        return status;
    enum err e = queue_line_connect(conf, line, &a);
    conf_close(&conf);
    if (e == ERR_LIMIT) {
        command_say("state_dir: its path is too long for a socket");
        return EX_CONFIG;
    }
    return e == ERR_OK ? 0 : no_server(&a, e);
}

void queue_line_close(struct queue_line *line)
{
    if (line->channel)
        ipc_channel_close(&line->channel);
}

/* Every answer begins with the token of its question. */
static bool is_ours(const struct answers *a, const struct ipc_message *m)
{
    switch (m->type) {
    case IPC_queue_item:
        return m->u.queue_item.token == a->token;
    case IPC_queue_destination:
        return m->u.queue_destination.token == a->token;
    case IPC_queue_text:
        return m->u.queue_text.token == a->token;
    case IPC_queue_end:
        return m->u.queue_end.token == a->token;
    case IPC_queue_progress:
        return m->u.queue_progress.token == a->token;
    default:
        return false;
    }
}

static void on_message(void *ctx, const struct ipc_message *m)
{
    struct answers *a = ctx;
    if (!is_ours(a, m) || a->ended)
        return;
    if (m->type == IPC_queue_progress) {
        progress_show(a, &m->u.queue_progress);
        return;
    }
    progress_clear(a);
    if (m->type != IPC_queue_end) {
        if (a->request->answer)
            a->request->answer(a->request->ctx, m);
        return;
    }
    a->ended = true;
    a->status = m->u.queue_end.exit;
    a->count = m->u.queue_end.count;
    if (m->u.queue_end.text.len > 0 && !a->quiet)
        command_say("%.*s", SLICE_ARG(m->u.queue_end.text));
}

/* ERR_OK: answered. */
static enum err ask(struct queue_line *line, struct answers *answers)
{
    const struct queue_request *request = answers->request;
    struct ipc_message m = {.type = IPC_queue_request, .fd = -1};
    m.u.queue_request.token = answers->token;
    m.u.queue_request.verb = (uint8_t)request->verb;
    m.u.queue_request.filter = (uint8_t)request->filter;
    m.u.queue_request.value = request->value;
    m.u.queue_request.dry = request->dry;
    m.u.queue_request.held = request->held;
    m.u.queue_request.before_s = request->before_s;
    m.u.queue_request.larger = request->larger;
    ipc_channel_send(line->channel, &m);
    enum err e = ipc_channel_flush(line->channel);
    while (e == ERR_OK && !answers->ended) {
        e = command_await(ipc_channel_fd(line->channel), answers->quiet ? SILENCE_QUIET_MS : SILENCE_MS,
                          &answers->told);
        if (e == ERR_OK)
            e = ipc_channel_read(line->channel, on_message, answers);
        if (e == ERR_AGAIN)
            e = ERR_OK;
    }
    progress_clear(answers);
    return answers->ended ? ERR_OK : e;
}

int queue_line_ask(struct queue_line *line, const struct queue_request *request, uint32_t *count_r)
{
    struct answers answers = {.request = request, .token = ++line->token};
    enum err e = ask(line, &answers);
    if (e != ERR_OK) {
        command_say("no answer from the server: %s%s", err_text(e),
                    e == ERR_CLOSED || e == ERR_SYNTAX ? " (it was stopped, or is of another version)" : "");
        return EX_TEMPFAIL;
    }
    *count_r = answers.count;
    return answers.status;
}

int queue_line_ask_quietly(struct queue_line *line, const struct queue_request *request, uint32_t *count_r)
{
    struct answers answers = {.request = request, .token = ++line->token, .quiet = true, .told = true};
    if (ask(line, &answers) != ERR_OK)
        return EX_TEMPFAIL;
    *count_r = answers.count;
    return answers.status;
}
