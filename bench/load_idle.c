/* SPDX-License-Identifier: ISC */
#include "load.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING_MS 3000

/* Connections are opened one after the other, each after the greeting of the one before, so that no listen queue
 * overflows. A server that is full answers something else, closes, or says nothing. */
static bool open_one(int port, int *fd_r)
{
    int fd = load_connect(port);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char code[256];
    if (poll(&wait, 1, GREETING_MS) == 1 && recv(fd, code, sizeof code, 0) >= 3 && code[0] == '2') {
        *fd_r = fd;
        return true;
    }
    close(fd);
    return false;
}

void load_idle(const struct load_options *options)
{
    int *fds = calloc((size_t)options->count, sizeof *fds);
    if (!fds)
        load_die("memory");
    double start = load_now();
    int greeted = 0, refused = 0;
    while (greeted < options->count && refused < 3 && load_now() - start < options->limit_s) {
        if (open_one(options->port, &fds[greeted]))
            greeted++;
        else
            refused++;
    }
    printf("{\"wanted\":%d,\"greeted\":%d}\n", options->count, greeted);
    fflush(stdout);
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    poll(&end, 1, options->limit_s * 1000);
    free(fds);
}
