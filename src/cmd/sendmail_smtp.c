/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/local_server.h"
#include "cmd/sendmail.h"

#define ARENA_MAX 8192
#define CONNECT_MS 5000
#define PIECE (64u * 1024)
/* What a pipe that is ready takes without making us wait: while we wait nobody reads the other way. */
#define PIPE_TAKES 4096u

/* Bytes on their way in one direction. The session is the server's: nothing of it is looked at here. */
struct way {
    int from, to;
    char memory[PIECE];
    size_t at, len;
    bool ended; /* nothing more comes */
};

static bool is_empty(const struct way *w)
{
    return w->at == w->len;
}

static void take(struct way *w)
{
    ssize_t n = read(w->from, w->memory, PIECE);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    w->at = 0;
    w->len = n > 0 ? (size_t)n : 0;
    w->ended = n <= 0;
}

static enum err give(struct way *w)
{
    size_t len = w->len - w->at < PIPE_TAKES ? w->len - w->at : PIPE_TAKES;
    ssize_t n = write(w->to, w->memory + w->at, len);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? ERR_OK : ERR_CLOSED;
    w->at += (size_t)n;
    return ERR_OK;
}

static enum err move(struct way *w, const struct pollfd *p)
{
    if (p->fd < 0 || p->revents == 0)
        return ERR_OK;
    if (!is_empty(w))
        return give(w);
    take(w);
    return ERR_OK;
}

static struct pollfd wish(const struct way *w)
{
    if (!is_empty(w))
        return (struct pollfd){.fd = w->to, .events = POLLOUT};
    return (struct pollfd){.fd = w->ended ? -1 : w->from, .events = POLLIN};
}

/* Until the server has ended the session, and what it said is out. It bounds the waiting: silence on either side ends a session there. */
static enum err relay(int fd)
{
    static struct way in, out;
    bool closed = false;
    in = (struct way){.from = STDIN_FILENO, .to = fd};
    out = (struct way){.from = fd, .to = STDOUT_FILENO};
    while (!out.ended || !is_empty(&out)) {
        struct pollfd polls[2] = {wish(&in), wish(&out)};
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return ERR_SYSTEM;
        if (move(&in, &polls[0]) != ERR_OK) {
            in.ended = true;
            in.at = in.len;
        }
        if (move(&out, &polls[1]) != ERR_OK)
            return ERR_IO;
        if (in.ended && is_empty(&in) && !closed) {
            (void)shutdown(fd, SHUT_WR);
            closed = true;
        }
    }
    return ERR_OK;
}

int sendmail_smtp(const struct command *c)
{
    struct arena arena;
    struct local_server server;
    int fd = -1;
    arena_init(&arena, ARENA_MAX);
    int status = local_server_find(c, false, &arena, &server);
    if (status == 0) {
        enum err e = socket_connect_wait(&server.address, CONNECT_MS, &fd);
        if (e != ERR_OK) {
            (void)printf("421 4.3.2 %.*s Service not available, try again later\r\n", SLICE_ARG(server.hostname));
            (void)fflush(stdout);
            command_say("%s: %s", server.address.path, err_text(e));
            status = e == ERR_PERMISSION ? EX_NOPERM : EX_TEMPFAIL;
        } else if (fd <= STDOUT_FILENO ||
                   relay(fd) != ERR_OK) { /* the caller has closed one of ours, and this is in its place */
            command_say("standard input or output cannot be used");
            status = EX_IOERR;
        }
    }
    os_close(&fd);
    arena_deinit(&arena);
    return status;
}
