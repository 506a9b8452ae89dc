/* SPDX-License-Identifier: ISC */
#include "load.h"
#include "load_channel.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GREETING_MS 3000

/* Waits for a whole reply; its code, or 0 when none comes. */
static int reply_code(struct load_channel *c)
{
    char text[4096];
    for (size_t have = 0; have < sizeof text - 1;) {
        struct pollfd wait = {.fd = c->fd, .events = POLLIN};
        bool ready = (c->ssl && SSL_pending(c->ssl) > 0) || poll(&wait, 1, GREETING_MS) == 1;
        ssize_t n = ready ? load_channel_recv(c, text + have, sizeof text - 1 - have) : 0;
        if (n < 0 && ready && errno == EAGAIN)
            continue;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        text[have] = '\0';
        const char *last = text;
        for (const char *p = text; (p = strchr(p, '\n')) && p[1]; p++)
            last = p + 1;
        if (text[have - 1] == '\n' && strlen(last) > 4 && last[3] == ' ')
            return (last[0] - '0') * 100 + (last[1] - '0') * 10 + last[2] - '0';
    }
    return 0;
}

static bool ask(struct load_channel *c, const char *command, int code)
{
    return load_channel_send(c, command, strlen(command)) > 0 && reply_code(c) == code;
}

static bool secure(struct load_channel *c)
{
    if (!ask(c, "STARTTLS\r\n", 220))
        return false;
    load_channel_secure(c);
    int done;
    while ((done = load_channel_handshake(c)) == 0) {
        struct pollfd wait = {.fd = c->fd, .events = POLLIN};
        if (poll(&wait, 1, GREETING_MS) != 1)
            return false;
    }
    return done > 0 && ask(c, "EHLO client.test\r\n", 250);
}

/* Connections are opened one after the other, each after the EHLO of the one before, so that no listen queue
 * overflows. A server that is full answers something else, closes, or says nothing. */
static bool open_one(const struct load_options *options, struct load_channel *c)
{
    *c = (struct load_channel){.fd = load_connect(options->port)};
    if (reply_code(c) == 220 && ask(c, "EHLO client.test\r\n", 250) && (!options->tls || secure(c)))
        return true;
    load_channel_close(c);
    return false;
}

void load_idle(const struct load_options *options)
{
    struct load_channel *all = calloc((size_t)options->count, sizeof *all);
    if (!all)
        load_die("memory");
    double start = load_now();
    int greeted = 0, refused = 0;
    while (greeted < options->count && refused < 3 && load_now() - start < options->limit_s) {
        if (open_one(options, &all[greeted]))
            greeted++;
        else
            refused++;
    }
    printf("{\"wanted\":%d,\"greeted\":%d}\n", options->count, greeted);
    fflush(stdout);
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    poll(&end, 1, options->limit_s * 1000);
    free(all);
}
