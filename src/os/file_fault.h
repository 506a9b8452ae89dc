/* SPDX-License-Identifier: ISC */
/* Inside the room only: the switch by which tests make file calls fail (os_file_fault in os/file.h). Each call asks here
 * before it asks the kernel; a fault therefore stands for a call that did nothing. The state is atomic, because the
 * journal's thread makes calls, too. When the switch is off this costs one load and one branch. */
#ifndef OS_FILE_FAULT_H
#define OS_FILE_FAULT_H

#include <stdatomic.h>

#include "os/file.h"

extern atomic_bool file_fault_armed;

/* ERR_OK, or the error that this call must return. */
enum err file_fault_count(enum os_file_call call);

static inline enum err file_fault(enum os_file_call call)
{
    if (__builtin_expect(atomic_load_explicit(&file_fault_armed, memory_order_relaxed), 0))
        return file_fault_count(call);
    return ERR_OK;
}

#endif
