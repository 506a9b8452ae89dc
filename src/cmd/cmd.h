/* SPDX-License-Identifier: ISC */
/* The face of the room cmd: one function a subcommand, in a file of its own. argv[0] is the subcommand's name; the exit status is one of sysexits.h. Data goes to
 * standard output, words to standard error. A subcommand opens what it needs itself and talks to a running server over its control socket. `serve` and `dev` start one: the
 * processes are another room's, so src/thurn.c says what starts them. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "conf/conf.h"

/* A server to start: what thurn serve and thurn dev differ in. */
struct cmd_server {
    /* The configuration, at start and at each reload: as conf_load. */
    enum err (*load)(void *ctx, buf *messages, struct conf **conf_r);
    /* Accepts connections now; called once. */
    void (*ready)(void *ctx);
    void *ctx;
};

/* Called once by main before any subcommand: start runs a server to its end and returns its exit status. */
void cmd_server_by(int (*start)(const struct cmd_server *server));
/* Runs a server in this process, to its end. */
int cmd_server_run(const struct cmd_server *server);

int cmd_serve(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_batch(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_dev(int argc, char **argv);
int cmd_mailq(int argc, char **argv);
int cmd_newaliases(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_queue(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_sendmail(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_user(int argc, char **argv);
/* When the program was called as sendmail, mailq or newaliases: runs that, all of argv being its command line. */
bool cmd_by_name(int argc, char **argv, int *status_r);

#endif
