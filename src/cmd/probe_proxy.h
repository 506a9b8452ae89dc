/* SPDX-License-Identifier: ISC */
/* Inside the room only: the header of the PROXY protocol (HAProxy's doc/proxy-protocol.txt) as its sender, the mirror of smtp/proxy.h. Pure. */
#ifndef CMD_PROBE_PROXY_H
#define CMD_PROBE_PROXY_H

#include "os/os.h"

/* Appends the header of version 1 or 2 for a client at source whose connection goes to `to`; where the two are of different families (or `to` is a socket of files) the destination is told as source's
 * family's unspecified address. */
void probe_proxy_write(buf *out, unsigned version, const struct socket_address *source,
                       const struct socket_address *to);

#endif
