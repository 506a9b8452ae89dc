/* SPDX-License-Identifier: ISC */
/* The PROXY protocol (HAProxy's doc/proxy-protocol.txt), versions 1 and 2, as its receiver: the first bytes of a connection from a proxy say whose
 * connection it carries. Only for connections of which the configuration says that a proxy makes them: a client that is believed here
 * chooses its own address. Feed bytes as they come until the answer is another than MORE; what is left of the input then is SMTP or TLS. Nothing is
 * kept once the header is over, and nothing at all of one that comes in one piece. A header that is bad, cut, or longer than its limit ends the
 * connection: there is no falling back to "no header". PURE. */
#ifndef SMTP_PROXY_H
#define SMTP_PROXY_H

#include "base/base.h"

/* Bytes of a header with all: version 1 as its text says, version 2 what fits every path's segment. */
enum { SMTP_PROXY_V1_MAX = 107, SMTP_PROXY_V2_MAX = 536 };

enum smtp_proxy_result {
    SMTP_PROXY_MORE, /* the header is not over; all of the input is taken */
    SMTP_PROXY_LOCAL, /* the proxy speaks for itself (a health check), or for what is no TCP: the connection's own addresses hold */
    SMTP_PROXY_ADDRESSES, /* *addresses_r is set */
    SMTP_PROXY_BAD,
};

struct smtp_proxy_addresses {
    uint8_t source[16], destination[16];
    size_t len; /* of each: 4 or 16 */
    uint16_t source_port, destination_port;
};

struct smtp_proxy_reader {
    buf held; /* the header's beginning, while it is incomplete */
};

void smtp_proxy_init(struct smtp_proxy_reader *r);
void smtp_proxy_deinit(struct smtp_proxy_reader *r);
/* Takes from the front of in; *used_r says how much. Not to be called again after another answer than MORE. Without memory the answer is BAD. */
enum smtp_proxy_result smtp_proxy_read(struct smtp_proxy_reader *r, slice in, size_t *used_r,
                                       struct smtp_proxy_addresses *addresses_r);

#endif
