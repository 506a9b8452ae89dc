/* SPDX-License-Identifier: ISC */
/* Inside the room only: struct socket_address to and from the kernel's address families. The kernel's structures are the
 * caller's, on its stack. An address of a family that we do not use becomes one with ip_len 0 and an empty path; a
 * connected client of a unix socket, which has no name, looks the same. */
#ifndef OS_SOCKET_SYS_H
#define OS_SOCKET_SYS_H

#include <sys/socket.h>

#include "os/socket.h"

/* The length that bind and connect take. */
socklen_t socket_address_to_sys(const struct socket_address *a, struct sockaddr_storage *out);
void socket_address_from_sys(const struct sockaddr_storage *in, socklen_t len, struct socket_address *a);
int socket_address_family(const struct socket_address *a);

#endif
