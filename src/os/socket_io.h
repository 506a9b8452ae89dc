/* SPDX-License-Identifier: ISC */
/* Inside the room only: send and recv of a connection. The C library's are cancellation points: in a program with a second thread each of them begins and ends with a locked instruction, together some
 * four percent of our own code's time for a mail, for a cancellation that nobody here ever asks for. syscall(2) is none; what is preloaded in tests to see or to fail these two (tests/crash, tests/fault)
 * has a syscall of its own therefore. errno is set as by the originals; flags have MSG_DONTWAIT, so neither waits. */
#ifndef OS_SOCKET_IO_H
#define OS_SOCKET_IO_H

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t socket_recv(int fd, void *out, size_t size, int flags)
{
    return syscall(SYS_recvfrom, fd, out, size, flags, NULL, NULL);
}

static inline ssize_t socket_send(int fd, const void *data, size_t size, int flags)
{
    return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}

#endif
