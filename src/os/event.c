/* SPDX-License-Identifier: ISC */
#include "os/event.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "os/file.h"

enum err os_event_open(int *fd_r)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return os_err(errno);
    *fd_r = fd;
    return ERR_OK;
}

/* Fails only when the counter is full, and then the descriptor is readable already. */
void os_event_signal(int fd)
{
    (void)eventfd_write(fd, 1);
}

void os_event_clear(int fd)
{
    eventfd_t count;
    (void)eventfd_read(fd, &count);
}
