/* SPDX-License-Identifier: ISC */
/* Inside the room only: slices become NUL-terminated strings here, at the edge to the system. The result lives on the caller's
 * stack. Nothing is normalised: what the caller names is what the kernel sees. Checks neither existence nor permission;
 * that is the call's business that follows. A NUL inside would cut the name short, so it is refused. */
#ifndef OS_PATH_H
#define OS_PATH_H

#include "base/base.h"

#define OS_PATH_SIZE 4096

struct os_path {
    char text[OS_PATH_SIZE];
};

/* ERR_SYNTAX for a NUL inside, ERR_LIMIT above 4095 bytes. */
must_check enum err os_path_set(struct os_path *p, slice path);

#endif
