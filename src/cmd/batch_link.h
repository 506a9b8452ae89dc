/* SPDX-License-Identifier: ISC */
/* Inside the room only: the running server as a job needs it (batch_server.h): one SMTP connection to its local socket, a command at a time, and its control socket for
 * the queue. Connects when it is first needed, and again after the other side has closed between two mails. */
#ifndef CMD_BATCH_LINK_H
#define CMD_BATCH_LINK_H

#include "cmd/batch_server.h"
#include "cmd/queue_ask.h"

struct batch_link {
    const struct command *command;
    slice hostname;
    struct socket_address smtp;
    char control[sizeof((struct socket_address *)0)->path]; /* the control socket's */
    struct queue_line queue;
    int fd;        /* -1: not connected */
    bool asked;    /* the queue line is open */
    bool open;     /* a transaction */
    bool content;  /* its DATA was said */
    bool line_end; /* content so far ends in CRLF */
    buf in, out, reply;
};

/* command and hostname outlive it. ERR_LIMIT: state_dir's path is too long for a socket. */
must_check enum err batch_link_init(struct batch_link *l, const struct command *command, const struct conf *conf);
void batch_link_deinit(struct batch_link *l);
struct batch_server batch_link_server(struct batch_link *l);

#endif
