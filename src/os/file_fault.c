/* SPDX-License-Identifier: ISC */
#include "os/file_fault.h"

atomic_bool file_fault_armed;
static atomic_uint_least64_t fault_left;
static atomic_uint fault_calls;
static atomic_int fault_error;

void os_file_fault(uint64_t n, unsigned calls, enum err e)
{
    atomic_store(&file_fault_armed, false);
    atomic_store(&fault_left, n);
    atomic_store(&fault_calls, calls);
    atomic_store(&fault_error, (int)e);
    atomic_store(&file_fault_armed, n > 0);
}

enum err file_fault_count(enum os_file_call call)
{
    if (!(atomic_load(&fault_calls) & (1u << call)))
        return ERR_OK;
    if (atomic_load(&fault_left) == OS_FILE_FAULT_EACH)
        return (enum err)atomic_load(&fault_error);
    if (atomic_fetch_sub(&fault_left, 1) != 1)
        return ERR_OK;
    atomic_store(&file_fault_armed, false);
    return (enum err)atomic_load(&fault_error);
}
