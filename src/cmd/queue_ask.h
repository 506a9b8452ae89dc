/* SPDX-License-Identifier: ISC */
/* Inside the room only: a request about the queue to the running server, over its control socket, and the answers to it, one after the other. */
#ifndef CMD_QUEUE_ASK_H
#define CMD_QUEUE_ASK_H

#include "child/child.h"
#include "cmd/command.h"

struct queue_line {
    struct ipc_channel *channel;
    uint64_t token;
};

struct queue_request {
    enum queue_verb verb;
    enum queue_filter filter;
    slice value;
    bool dry;         /* only count */
    bool held;        /* of these only what is held */
    int64_t before_s; /* of these only what came before; 0: all */
    uint64_t larger;  /* of these only what has at least so many bytes */
    /* Each queue_item, queue_destination and queue_text; may be NULL. */
    void (*answer)(void *ctx, const struct ipc_message *m);
    void *ctx;
};

/* Says nothing. ERR_NOTFOUND, ERR_REFUSED: no server runs; ERR_PERMISSION; ERR_LIMIT: state_dir is too long for a socket. *a_r is where it was looked for. */
must_check enum err queue_line_connect(const struct conf *conf, struct queue_line *line, struct socket_address *a_r);
/* 0, or what to exit with: then why is on standard error. */
int queue_line_open(const struct command *c, struct queue_line *line);
void queue_line_close(struct queue_line *line);
/* Until the last answer, with progress on standard error when it is a terminal and it takes long: *count_r messages matched. 0, or what to exit with, as above. */
int queue_line_ask(struct queue_line *line, const struct queue_request *request, uint32_t *count_r);
/* The same without a word, and not longer than a person waits before a screen. */
int queue_line_ask_quietly(struct queue_line *line, const struct queue_request *request, uint32_t *count_r);

#endif
