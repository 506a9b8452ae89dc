/* SPDX-License-Identifier: ISC */
#include "proc/sender/sender.h"

void sender_sandbox(const struct child_start *start, struct sandbox_profile *profile_r)
{
    *profile_r = (struct sandbox_profile){.name = "smtp", .calls = SANDBOX_FILES | SANDBOX_CONNECT};
    sandbox_add_folder(profile_r, start->spool_fd, SANDBOX_READ);
    sandbox_add_authorities(profile_r);
}
