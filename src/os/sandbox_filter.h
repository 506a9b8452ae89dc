/* SPDX-License-Identifier: ISC */
/* Inside the room only: the two halves of a sandbox, each put on the calling process by itself. Both need no_new_privs, or CAP_SYS_ADMIN. */
#ifndef OS_SANDBOX_FILTER_H
#define OS_SANDBOX_FILTER_H

#include "os/sandbox.h"

bool sandbox_filter_available(void);
must_check enum err sandbox_filter_enter(const struct sandbox_profile *p);

/* The kernel's Landlock ABI, 0 without, or with the first, which is of no use here. */
int sandbox_places_abi(void);
must_check enum err sandbox_places_enter(const struct sandbox_profile *p);

#endif
