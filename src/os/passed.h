/* SPDX-License-Identifier: ISC */
/* Listening sockets that the service manager opened for us: systemd's socket units, by LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. They begin at descriptor 3 and
 * are taken over once, before anything else is opened; the variables are removed, so that no child takes them for its own. What is no socket that we could
 * have opened ourselves (streams that listen, IPv6 without IPv4) is an error in words. Which of them the configuration names is the master's business. */
#ifndef OS_PASSED_H
#define OS_PASSED_H

#include "os/socket.h"

#define OS_PASSED_MAX 64
#define OS_PASSED_NAME_MAX 64

struct os_passed {
    int fd; /* the caller's; non-blocking, close-on-exec */
    struct socket_address address;
    char name[OS_PASSED_NAME_MAX]; /* FileDescriptorName=, cut to what fits, or empty */
};

/* How many there are for the process pid, by the values of LISTEN_PID and LISTEN_FDS (NULL: not set); 0 when they are another process's. ERR_SYNTAX, and ERR_LIMIT above OS_PASSED_MAX. */
must_check enum err os_passed_count(const char *for_pid, const char *fds, uint32_t pid, size_t *count_r);
/* The n-th of "mx:submission"; empty when it has none. */
slice os_passed_name(slice names, size_t n);
/* list has room for OS_PASSED_MAX. On failure why says it, a line ending in LF. */
must_check enum err os_passed_take(struct os_passed *list, size_t *count_r, buf *why);

#endif
