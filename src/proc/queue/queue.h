/* SPDX-License-Identifier: ISC */
/* The process queue: the index and schedule of all mail. It learns of mail from receivers' announcements and, at start, from the spool; hands jobs to sender and deliver; writes
 * outcomes, bounces and moved messages to segments of its own; frees what is done. Never touches the network. */
#ifndef PROC_QUEUE_QUEUE_H
#define PROC_QUEUE_QUEUE_H

#include "child/child.h"

/* The child's life; the exit status. */
int queue_main(const struct child_start *start);

/* What the queue may do: read and write the spool. */
void queue_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);

#endif
