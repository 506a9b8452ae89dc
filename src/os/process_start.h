/* SPDX-License-Identifier: ISC */
/* Inside the room only: what a new process does to itself before it is anything, whether it stays in this program
 * (process_child_begin) or becomes a command (process_command_start). Both functions change the whole process and are
 * called between fork and what follows, with one thread only. */
#ifndef OS_PROCESS_START_H
#define OS_PROCESS_START_H

#include <stddef.h>

/* Every signal to its default, none blocked. */
void process_signals_reset(void);
/* Closes all descriptors but 0, 1, 2 and those in keep (-1 is skipped). */
void process_close_others(const int *keep, size_t keep_count);

#endif
