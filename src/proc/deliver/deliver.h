/* SPDX-License-Identifier: ISC */
/* The process deliver: mailboxes and pipe commands. The parent reads the spool and keeps only CAP_SETUID, CAP_SETGID and CAP_KILL; its workers run as the recipients' users, get a
 * message's bytes through a socket, and never see a descriptor of the spool. Never touches the network. */
#ifndef PROC_DELIVER_DELIVER_H
#define PROC_DELIVER_DELIVER_H

#include "child/child.h"

/* The child's life; the exit status. */
int deliver_main(const struct child_start *start);

/* What deliver may do, and with it the workers that it forks: become the recipient and write mailboxes; with commands in the configuration, run them. */
void deliver_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);
/* What is left of it to a worker that writes mailboxes, once it is the recipient. */
void deliver_worker_sandbox(struct sandbox_profile *profile_r);

#endif
