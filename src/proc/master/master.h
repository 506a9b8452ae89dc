/* SPDX-License-Identifier: ISC */
/* The master: binds, forks, introduces children to each other, restarts them with backoff, leases numbers, reloads and stops. It reads no byte of the network, starts no loop library
 * and loads no key: what must look at keys (the check of a configuration) does so in a short-lived child. Children are forked from the parsed configuration, without exec. A configuration
 * that fails changes nothing. Owns all listening sockets and the configuration's generations; an old generation lives until its last child is gone. What each kind does is given by the
 * table of entries, so that tests run the master with kinds of their own. */
#ifndef PROC_MASTER_MASTER_H
#define PROC_MASTER_MASTER_H

#include "child/child.h"

/* The memory that all receivers share. */
struct master_shared {
    size_t size;
    uint32_t columns; /* at most so many receivers at a time */
    void (*init)(void *memory, struct hash_key key);
    void (*column_clear)(void *memory, uint32_t column);
};

struct master_options {
    /* Reads the configuration, at start and at each reload: as conf_load. */
    enum err (*load)(void *ctx, buf *messages, struct conf **conf_r);
    /* All children work and the listeners accept; called once. */
    void (*ready)(void *ctx);
    void *ctx;
    struct master_shared shared;
    /* What a kind of child runs: its exit status. */
    int (*entries[PROCESS_KIND_COUNT])(const struct child_start *start);
    uint32_t receivers; /* 0: half as many as there are cores */
};

/* Until SIGTERM or SIGINT; the exit status (sysexits.h). What went wrong before it was ready is on standard error. */
int master_run(const struct master_options *options);

#endif
