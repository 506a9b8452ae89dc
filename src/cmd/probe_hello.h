/* SPDX-License-Identifier: ISC */
/* Inside the room only: the first two messages of a TLS handshake, to learn whether a server would take an old version or a weak cipher suite which our own library does not know
 * any more. A ClientHello (RFC 5246 section 7.4.1.2) is written; of the answer no more is read than whether it is a ServerHello, and of which version and suite. There is no
 * handshake behind it. Pure; the answer is hostile bytes. */
#ifndef CMD_PROBE_HELLO_H
#define CMD_PROBE_HELLO_H

#include "base/base.h"

#define PROBE_HELLO_RANDOM 32u

struct probe_hello {
    uint16_t version; /* 0x0301 TLS 1.0, 0x0302 TLS 1.1, 0x0303 TLS 1.2 */
    const uint16_t *suites;
    size_t count;
    slice name; /* for SNI, or empty */
};

struct probe_hello_taken {
    uint16_t version, suite;
};

enum probe_hello_answer {
    PROBE_HELLO_MORE, /* not all of it is there */
    PROBE_HELLO_TAKEN,
    PROBE_HELLO_REFUSED, /* an alert, or nothing of TLS */
};

/* random: PROBE_HELLO_RANDOM bytes. */
void probe_hello_write(buf *out, const struct probe_hello *h, const uint8_t *random);
/* in: all that came so far. Never asks for more than 128 KiB. */
enum probe_hello_answer probe_hello_read(slice in, struct probe_hello_taken *taken_r);

#endif
