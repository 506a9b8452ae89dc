/* SPDX-License-Identifier: ISC */
/* Addresses and sockets without a loop: binding, socket pairs, peer credentials. */
#ifndef OS_SOCKET_H
#define OS_SOCKET_H

#include "base/base.h"

struct socket_address {
    uint8_t ip[16];
    uint8_t ip_len; /* 4, 16, or 0 for a unix socket */
    uint16_t port;
    char path[108]; /* unix socket, NUL-terminated, or empty */
};

/* Listening, non-blocking, close-on-exec. IPv6 is V6ONLY. A stale unix socket is replaced only when nobody answers on it. mode is for unix sockets. */
must_check enum err socket_listen(const struct socket_address *a, int backlog, unsigned mode, int *fd_r);
/* Hands the socket of that path over. ERR_CORRUPT: it is another's file by now; whoever may write to its folder could have put any there. */
must_check enum err socket_give(const char *path, uint32_t uid, uint32_t gid);
must_check enum err socket_local_address(int fd, struct socket_address *a_r);
/* Stream pair, non-blocking, close-on-exec. */
must_check enum err socket_pair(int pair_r[2]);
/* Connects within the time, for command-line tools. The descriptor is non-blocking: socket_wait before each read. */
must_check enum err socket_connect_wait(const struct socket_address *a, int64_t timeout_ms, int *fd_r);
/* The same from an address of this machine (its port 0: any). */
must_check enum err socket_connect_wait_from(const struct socket_address *a, const struct socket_address *source,
                                             int64_t timeout_ms, int *fd_r);
must_check enum err socket_peer_user(int fd, uint32_t *uid_r, uint32_t *pid_r);
/* "192.0.2.1", "::1" and nothing else: no look-up. ERR_SYNTAX. */
must_check enum err socket_address_parse(slice host, uint16_t port, struct socket_address *a_r);
/* "192.0.2.1:25", "[::1]:25", "unix:/path". */
void socket_address_print(buf *b, const struct socket_address *a);
/* Addresses of this machine's interfaces; fills at most max. */
size_t socket_own_addresses(struct socket_address *out, size_t max);
/* One byte stream with descriptors: sends data (not empty) with fd attached (-1: none). ERR_AGAIN, ERR_CLOSED. */
must_check enum err socket_send_fd(int fd, slice data, int passed, size_t *sent_r);
#define SOCKET_PASSED_MAX 8
struct socket_passed {
    int fds[SOCKET_PASSED_MAX]; /* the caller's, close-on-exec */
    size_t count;
};
/* Receives at most size bytes and the descriptors sent with them; what is above the maximum is closed. ERR_AGAIN, ERR_CLOSED. */
must_check enum err socket_receive_fd(int fd, void *out, size_t size, size_t *got_r, struct socket_passed *passed_r);
/* Reads at most size bytes and leaves them for the next read, or takes them away. ERR_AGAIN, ERR_CLOSED at the end. */
must_check enum err socket_peek(int fd, void *out, size_t size, size_t *got_r);
must_check enum err socket_take(int fd, void *out, size_t size, size_t *got_r);
/* poll(2) on one descriptor for command-line tools: ERR_TIMEOUT. */
must_check enum err socket_wait(int fd, bool write, int64_t timeout_ms);

#endif
