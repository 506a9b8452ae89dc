/* SPDX-License-Identifier: ISC */
/* An event between a thread of ours and the loop: a descriptor that is readable from the signal until it is cleared. Any thread
 * may signal; any number of signals before a clear count as one. Carries no data. */
#ifndef OS_EVENT_H
#define OS_EVENT_H

#include "base/base.h"

/* Close it with os_close. ERR_DESCRIPTORS, ERR_NOMEM. */
must_check enum err os_event_open(int *fd_r);
void os_event_signal(int fd);
void os_event_clear(int fd);

#endif
