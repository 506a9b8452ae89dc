/* SPDX-License-Identifier: ISC */
/* The console process: serves the control socket. A client is a subcommand of thurn, known by its uid: root, the user that the server runs as, and, when it
 * runs unprivileged, the caller. It speaks frames of ipc as PROCESS_COMMAND. Questions about the queue go to the queue and answers come back to the client that asked; reload and
 * stop go to the master. Clients, their requests and what waits for them are bounded; garbage, slowness or silence ends that client only. Reads no mail. */
#ifndef PROC_CONSOLE_CONSOLE_H
#define PROC_CONSOLE_CONSOLE_H

#include "child/child.h"

/* The process's whole life; its exit status. */
int console_main(const struct child_start *start);

/* What the console may do: accept connections. */
void console_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);

#endif
