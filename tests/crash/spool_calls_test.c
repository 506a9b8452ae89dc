/* SPDX-License-Identifier: ISC */
/* As spool_fault_test, at the calls into the system: each kind of call fails in each way, each in its turn, also by EINTR and by doing less than it was asked for. */
#include "spool_workload.h"

#include <errno.h>

#include "fault.h"

#define ROUNDS 12
#define CALLS_MAX 4000
#define LATER 1000

static struct workload l;
static struct fault_plan plan;

static size_t no_instant(void)
{
    return 0;
}

static void arm(enum fault_call call, int error, uint64_t nth)
{
    plan =
        (struct fault_plan){.kinds = 1u << FAULT_OTHER, .calls = 1u << call, .error = error, .first = nth, .last = nth};
    fault_plan = &plan;
    atomic_store(&plan.armed, 1);
}

/* False when there were not so many calls. */
static bool run_with_fault(enum fault_call call, int error, uint64_t nth)
{
    char path[64];
    int dir_fd = -1;
    workload_folder(path);
    assert_int_equal(spool_dir_open(path, &dir_fd), ERR_OK);
    arm(call, error, nth);
    workload_run(&l, dir_fd, ROUNDS, 11, no_instant);
    atomic_store(&plan.armed, 0);
    workload_check(&l, dir_fd, LATER);
    os_close(&dir_fd);
    workload_remove(path);
    assert_int_equal(plan.reused, 0);
    return plan.hits > 0;
}

static void each(enum fault_call call, int error, uint64_t least)
{
    uint64_t n = 1, stride = workload_setting("SPOOL_CALLS_STRIDE", 7);
    while (n < CALLS_MAX && run_with_fault(call, error, n))
        n += stride;
    assert_in_range(n, least, CALLS_MAX - 1);
}

static void each_write(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EINTR, FAULT_SHORT};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        each(FAULT_PWRITEV, errors[i], 10);
        each(FAULT_PWRITE, errors[i], 5);
    }
}

static void each_sync(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EINTR};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        each(FAULT_FDATASYNC, errors[i], 10);
        each(FAULT_FSYNC, errors[i], 2);
    }
}

static void each_read(void **state)
{
    (void)state;
    static const int errors[] = {EIO, EINTR, FAULT_SHORT};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        each(FAULT_PREAD, errors[i], 5);
}

static void each_name(void **state)
{
    (void)state;
    static const int errors[] = {EMFILE, ENOMEM, ENOSPC, EIO, EINTR};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        each(FAULT_OPEN, errors[i], 5);
    each(FAULT_RENAME, ENOSPC, 1);
    each(FAULT_RENAME, EIO, 1);
    each(FAULT_UNLINK, EIO, 1);
    each(FAULT_FALLOCATE, ENOSPC, 1);
    each(FAULT_FALLOCATE, EINTR, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_write),
        cmocka_unit_test(each_sync),
        cmocka_unit_test(each_read),
        cmocka_unit_test(each_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
