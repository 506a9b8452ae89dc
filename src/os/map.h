/* SPDX-License-Identifier: ISC */
/* A file's bytes as memory that processes share: who writes there makes no system call. The file must keep its size as long. A region of a process may be guarded: where the kernel cannot give a page of it
 * any more (a failing disk, a full one below a file system that copies what it rewrites, a file that was cut), the region becomes zeroed memory of this process's own, and not the
 * process's end by SIGBUS. So only what may be lost is written there. */
#ifndef OS_MAP_H
#define OS_MAP_H

#include "base/base.h"

/* Readable and writable, shared with forked children, too. The descriptor may be closed. size > 0. */
must_check enum err os_map_open(int fd, size_t size, void **memory_r);
/* memory becomes NULL; NULL is harmless. */
void os_map_close(void **memory, size_t size);
/* It becomes this process's alone, too: who is forked from it does not have the memory. Takes the place of what was guarded before; NULL: nothing is. */
void os_map_guard(void *memory, size_t size);
/* A second region for as long as it is looked at, which children go on having; NULL: none. */
void os_map_guard_also(void *memory, size_t size);

#endif
