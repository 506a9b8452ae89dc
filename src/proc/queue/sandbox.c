/* SPDX-License-Identifier: ISC */
#include "proc/queue/queue.h"

void queue_sandbox(const struct child_start *start, struct sandbox_profile *profile_r)
{
    *profile_r = (struct sandbox_profile){.name = "qmgr", .calls = SANDBOX_FILES | SANDBOX_CHANGES | SANDBOX_THREADS};
    sandbox_add_folder(profile_r, start->spool_fd, SANDBOX_READ | SANDBOX_WRITE);
}
