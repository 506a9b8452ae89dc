/* SPDX-License-Identifier: ISC */
/* Inside the room only: where the running server takes mail of this machine's programs, and what it calls itself, by the configuration or by where `thurn dev` keeps its own. */
#ifndef CMD_LOCAL_SERVER_H
#define CMD_LOCAL_SERVER_H

#include "child/child.h"
#include "cmd/command.h"

struct local_server {
    struct socket_address address;
    slice hostname, origin; /* in the arena */
    uint32_t recipients;    /* of a message, at most; 0: no limit */
    bool development;       /* in the current folder */
};

/* 0, or what to exit with: then why is on standard error. development: without -c and without a configuration it is the `thurn dev` of this folder. */
int local_server_find(const struct command *c, bool development, struct arena *arena, struct local_server *server_r);
/* What stands in the current folder is asked for mail only when nobody else can have put it there: it listens as the caller (or as who called sudo), or the folder is the caller's or root's and only they may write to it;
 * ERR_CORRUPT otherwise. */
must_check enum err local_server_connect(const struct local_server *server, int64_t timeout_ms, int *fd_r);

#endif
