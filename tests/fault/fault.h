/* SPDX-License-Identifier: ISC */
/* Faults from outside: system calls and allocations of a process that fail, at the place of the C library's functions. fault.c is preloaded into the server
 * (LD_PRELOAD, with THURN_FAULT naming a file that holds a struct fault_plan) or linked into a test, which sets fault_plan itself. Whoever writes the plan fills
 * it while armed is 0 and sets armed last; from then on calls of the named kinds of process are counted, and those between first and last fail.
 * A descriptor whose sync was made to fail is watched until it is closed: a write or sync on it afterwards is counted in `reused`. */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

/* The names are those of tests/campaign/fault_plan.py, in this order. */
enum fault_call {
    FAULT_WRITE,
    FAULT_PWRITE,
    FAULT_PWRITEV,
    FAULT_FDATASYNC,
    FAULT_FSYNC,
    FAULT_SYNCFS,
    FAULT_OPEN,
    FAULT_RENAME,
    FAULT_LINK,
    FAULT_UNLINK,
    FAULT_MKDIR,
    FAULT_FALLOCATE,
    FAULT_FTRUNCATE,
    FAULT_STAT,
    FAULT_MMAP,
    FAULT_MALLOC,
    FAULT_READ,
    FAULT_PREAD,
    FAULT_RECVMSG,
    FAULT_RECV,
    FAULT_SENDMSG,
    FAULT_SEND,
    FAULT_ACCEPT,
    FAULT_SOCKET,
    FAULT_CONNECT,
    FAULT_FORK,
    FAULT_CALLS
};

enum fault_kind {
    FAULT_MASTER,
    FAULT_RECEIVER,
    FAULT_QUEUE,
    FAULT_SENDER,
    FAULT_DELIVER,
    FAULT_LOOKUP,
    FAULT_CONSOLE,
    FAULT_KEYS,
    FAULT_OTHER, /* a worker, a child that has no name yet */
    FAULT_KINDS
};

#define FAULT_SHORT 0 /* as error: half of what was asked for */

struct fault_plan {
    _Atomic uint32_t armed;
    uint32_t kinds, calls; /* bit masks */
    int32_t error;         /* errno's, or FAULT_SHORT */
    uint64_t first, last;  /* counted from 1 */
    _Atomic uint64_t seen, hits;
    _Atomic uint64_t reused;
    _Atomic uint64_t counts[FAULT_KINDS][FAULT_CALLS]; /* while armed */
};

extern struct fault_plan *fault_plan;

#endif
