/* SPDX-License-Identifier: ISC */
#include "proc/keys/keys.h"

void keys_sandbox(const struct child_start *start, struct sandbox_profile *profile_r)
{
    *profile_r = (struct sandbox_profile){.name = "keys", .calls = SANDBOX_BASE};
    (void)start;
}
