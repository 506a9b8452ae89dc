/* SPDX-License-Identifier: ISC */
/* Inside the room only: the terminal of whoever called us: how wide it is, and how a password is asked for. A password that was typed is in the
 * caller's buffer alone; the caller wipes it. */
#ifndef CMD_TERMINAL_H
#define CMD_TERMINAL_H

#include "base/base.h"

/* Characters in a line of standard output: at least 80. Where it is no terminal, as COLUMNS in the environment says, or 80. */
size_t terminal_width(void);
/* Asks for a password: twice, unseen, when standard input is a terminal; else one line of it. `what` stands in the prompt. ERR_SYNTAX: the two differ;
 * ERR_CLOSED: nothing came; ERR_LIMIT. */
must_check enum err terminal_read_password(slice what, buf *password);
/* The same for a password that is known already: asked for once. */
must_check enum err terminal_ask_password(slice what, buf *password);

#endif
