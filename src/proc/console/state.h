/* SPDX-License-Identifier: ISC */
/* Inside the room only: clients of the control socket and their requests. Each request has a token of the console's own towards queue and master, because
 * clients choose theirs freely. */
#ifndef PROC_CONSOLE_STATE_H
#define PROC_CONSOLE_STATE_H

#include "proc/console/console.h"

struct console {
    struct child child;
    struct net_listener *listener;
    struct loop_timer *tick;
    struct list clients;
    size_t client_count;
    uint64_t last_token;
    int64_t stop_at_ms; /* when draining */
    bool queue_paused;
};

struct console_client {
    struct list link;
    struct console *console;
    struct ipc_channel *channel;
    struct loop_watch *watch;
    struct list requests;
    size_t request_count;
    size_t last_pending;
    int64_t moved_ms; /* when something last went either way */
    bool over;        /* to be closed at the turn's end */
};

struct console_request {
    struct list link;
    struct console_client *client;
    uint64_t token, client_token;
    uint32_t queue_process; /* who was asked; 0: the master */
};

/* clients.c */
void console_accepted(void *ctx, int fd, const struct socket_address *peer);
void console_clients_flush(void *ctx);
void console_clients_tick(struct console *k, int64_t now_ms);
void console_client_close(struct console_client *c);
void console_client_send(struct console_client *c, const struct ipc_message *m);

/* requests.c */
void console_client_message(void *ctx, const struct ipc_message *m);
/* From the queue, or from the master (p NULL). */
void console_answer(struct console *k, const struct hub_peer *p, const struct ipc_message *m);
void console_queue_lost(struct console *k, const struct hub_peer *p);
/* The client is gone: nobody waits any more. */
void console_requests_drop(struct console_client *c);

#endif
