/* SPDX-License-Identifier: ISC */
/* Inside the room only: the way from a subcommand to the control socket of the running server, which is for root and the server's own user. Opens and says nothing
 * else: what is asked there, and how its absence is told, is each subcommand's own. */
#ifndef CMD_CONTROL_H
#define CMD_CONTROL_H

#include "conf/conf.h"

/* *fd_r is the caller's, and non-blocking; *a_r is where it was looked for. Waits for at most 5 s. ERR_NOTFOUND, ERR_REFUSED: no server runs; ERR_PERMISSION; ERR_LIMIT: state_dir is too long for a socket. */
must_check enum err control_connect(const struct conf *conf, struct socket_address *a_r, int *fd_r);
/* Also when we may not talk to it. */
bool control_answers(const struct conf *conf);

#endif
