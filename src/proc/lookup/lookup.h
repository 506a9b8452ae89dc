/* SPDX-License-Identifier: ISC */
/* The process lookup: the only one with libunbound and the account store. It answers typed questions of receivers and senders (does this user exist, is
 * this password right, which hosts take this domain's mail, which name has this address) and asks nothing itself. DNS is asked through libunbound, whose
 * thread works beside the loop; accounts and the system's users are asked for in a thread of their own, passwords are hashed in another, behind a bounded
 * queue. Every name that comes in is a peer's. It never sees a mail. */
#ifndef PROC_LOOKUP_LOOKUP_H
#define PROC_LOOKUP_LOOKUP_H

#include "child/child.h"

/* Until the master ends it; the exit status. */
int lookup_main(const struct child_start *start);

/* What lookup may do: ask DNS, connect, read the name service's files, read and write the accounts. */
void lookup_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);

#endif
