/* SPDX-License-Identifier: ISC */
/* A connection of the load generator, plain or TLS: non-blocking reads and writes with recv's and send's results and errno. TLS is what a client of today speaks: 1.3, without
 * resumption, the certificate not verified. The descriptor is the caller's until load_channel_close. */
#ifndef BENCH_LOAD_CHANNEL_H
#define BENCH_LOAD_CHANNEL_H

#include <openssl/ssl.h>
#include <sys/types.h>

struct load_channel {
    int fd;
    SSL *ssl; /* NULL: plain */
};

/* From here on TLS; load_channel_handshake does it. Ends the program without memory. */
void load_channel_secure(struct load_channel *c);
/* 1 done, 0 to be called again when the descriptor is ready, -1 failed. */
int load_channel_handshake(struct load_channel *c);
ssize_t load_channel_recv(struct load_channel *c, void *bytes, size_t len);
ssize_t load_channel_send(struct load_channel *c, const void *bytes, size_t len);
void load_channel_close(struct load_channel *c);

#endif
