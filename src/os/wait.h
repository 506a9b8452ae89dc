/* SPDX-License-Identifier: ISC */
/* Waiting without the loop: for the master, which loads no library that it can do without. poll(2) on a few descriptors, signals as
 * something to read. */
#ifndef OS_WAIT_H
#define OS_WAIT_H

#include "base/base.h"

struct os_wait {
    int fd;                  /* -1: left out */
    bool read, write;        /* what is waited for */
    bool readable, writable; /* what came; an error or hang-up makes it both */
};

/* timeout_ms below 0: no limit. ERR_TIMEOUT when nothing came, and when a signal cut it short. */
must_check enum err os_wait(struct os_wait *w, size_t count, int64_t timeout_ms);
/* Blocks these signals and makes a descriptor that tells of them; non-blocking, close-on-exec. A forked child's process_child_begin
 * unblocks them. */
must_check enum err os_signals_open(const int *signals, size_t count, int *fd_r);
/* The next one that came, or 0. */
int os_signals_next(int fd);
/* May this process write there (or make files, for a folder)? For words to people; the attempt itself decides. */
bool os_writable(slice path);

#endif
