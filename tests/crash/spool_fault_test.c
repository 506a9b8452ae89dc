/* SPDX-License-Identifier: ISC */
/* One file call of a workload fails, each in its turn; what was promised in spite of it is still there afterwards. */
#include "spool_workload.h"

#include <stdlib.h>

#define ROUNDS 30
#define CALLS_MAX 4000 /* far above what the workload makes */
/* Calls of a kind that the harness can make itself, to use up what is left of the count. */
#define ALL_CALLS 0x7fu
#define LATER 1000

static size_t no_instant(void)
{
    return 0;
}

static struct workload l;

/* A fault that was not met yet is met here. */
static bool fault_was_met(int dir_fd, uint64_t n)
{
    char byte;
    size_t got;
    int fd = -1;
    bool met = true;
    for (uint64_t i = 0; met && i < n; i++) {
        met = os_open(dir_fd, SLICE("format"), O_RDWR, 0, &fd) == ERR_OK && os_pread(fd, &byte, 1, 0, &got) == ERR_OK &&
              os_fdatasync(fd) == ERR_OK && os_pwrite(fd, slice_of(&byte, 1), 0) == ERR_OK;
        os_close(&fd);
    }
    os_file_fault(0, 0, ERR_OK);
    return met;
}

static bool run_with_fault(uint64_t n, unsigned calls, enum err fault)
{
    char path[64];
    int dir_fd = -1;
    workload_folder(path);
    assert_int_equal(spool_dir_open(path, &dir_fd), ERR_OK);
    os_file_fault(n, calls, fault);
    workload_run(&l, dir_fd, ROUNDS, 11, no_instant);
    bool met = fault_was_met(dir_fd, n);
    workload_check(&l, dir_fd, LATER);
    os_close(&dir_fd);
    workload_remove(path);
    return met;
}

static void without_a_fault(void **state)
{
    (void)state;
    (void)run_with_fault(0, 0, ERR_OK);
    assert_true(l.moved > 0);
    assert_true(l.recycled > 0);
    assert_true(l.checkpoints > 1);
}

static void each_call(unsigned calls, enum err fault, uint64_t least)
{
    uint64_t n = 1, stride = workload_setting("SPOOL_FAULT_STRIDE", 5);
    while (n < CALLS_MAX && run_with_fault(n, calls, fault))
        n += stride;
    print_message("%llu calls\n", (unsigned long long)n);
    assert_in_range(n, least, CALLS_MAX - 1);
}

static void any_call_fails(void **state)
{
    (void)state;
    each_call(ALL_CALLS, ERR_IO, 100);
}

static void each_write_finds_the_disk_full(void **state)
{
    (void)state;
    each_call(1u << OS_CALL_WRITE, ERR_NOSPACE, 30);
}

static void each_sync_fails(void **state)
{
    (void)state;
    each_call(1u << OS_CALL_SYNC, ERR_IO, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_fault),
        cmocka_unit_test(any_call_fails),
        cmocka_unit_test(each_write_finds_the_disk_full),
        cmocka_unit_test(each_sync_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
