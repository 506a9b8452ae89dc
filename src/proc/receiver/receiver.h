/* SPDX-License-Identifier: ISC */
/* The process receiver: takes mail in by SMTP. It accepts on the listeners that the master bound, speaks SMTP and TLS, decides by the policy of its configuration, writes
 * messages to spool segments of its own and tells the queue of each. A 250 after DATA is sent only when the message is on stable storage. It never
 * connects anywhere, opens no mailbox, resolves no name and checks no password: those are questions to the process lookup. */
#ifndef PROC_RECEIVER_RECEIVER_H
#define PROC_RECEIVER_RECEIVER_H

#include "child/child.h"

/* The child's life; the exit status. */
int receiver_main(const struct child_start *start);

/* What a receiver may do: accept connections, and write the spool. */
void receiver_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);

#endif
