/* SPDX-License-Identifier: ISC */
/* The process sender: carries mail to next hops by SMTP and LMTP. Reads the spool, connects to addresses only, asks lookup for them. Never writes the spool, listens or resolves. */
#ifndef PROC_SENDER_SENDER_H
#define PROC_SENDER_SENDER_H

#include "child/child.h"

/* The child's life; the exit status. */
int sender_main(const struct child_start *start);

/* What a sender may do: connect, read the spool, read the certificate authorities. */
void sender_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);

#endif
