/* SPDX-License-Identifier: ISC */
#define SPOOL_TEST_SEGMENT (512u << 10)
#include "spool/fixture_test.h"

static void made_private_and_opened_again(void **state)
{
    (void)state;
    struct fixture f;
    struct os_file_stamp stamp;
    int again = -1;
    fixture_open(&f);
    static const char *const folders[] = {"seg", "large"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(os_file_stamp(f.dir_fd, slice_str(folders[i]), false, &stamp), ERR_OK);
        assert_true(stamp.is_dir);
        assert_int_equal(stamp.mode & 0777, 0700);
    }
    assert_int_equal(spool_dir_open(f.path, &again), ERR_OK);
    os_close(&again);
    fixture_close(&f);
}

/* Numbers and their name, the folders above, `format` and its name, the folder: a spool of which one of these was not synced could be gone after a power cut. */
static void a_birth_that_cannot_be_synced_fails(void **state)
{
    (void)state;
    struct fixture f;
    char path[80];
    uint64_t syncs = 0, first = 0;
    enum err e = ERR_IO;
    fixture_open(&f);
    for (; e != ERR_OK; syncs++) {
        int fd = -1;
        snprintf(path, sizeof(path), "%s/new%llu", f.path, (unsigned long long)syncs);
        os_file_fault(syncs + 1, 1u << OS_CALL_SYNC, ERR_IO);
        e = spool_dir_open(path, &fd);
        os_file_fault(0, 0, ERR_OK);
        if (e != ERR_OK) {
            assert_int_equal(e, ERR_IO);
            assert_int_equal(spool_dir_open(path, &fd), ERR_OK);
            assert_int_equal(spool_numbers_take(fd, 1, &first), ERR_OK);
        }
        os_close(&fd);
    }
    assert_int_equal(syncs - 1, 6);
    fixture_close(&f);
}

static void refused_when_not_ours_to_trust(void **state)
{
    (void)state;
    struct fixture f;
    char link[80];
    int fd = -1;
    fixture_open(&f);
    snprintf(link, sizeof(link), "%s.link", f.path);
    assert_int_equal(symlink(f.path, link), 0);
    assert_int_not_equal(spool_dir_open(link, &fd), ERR_OK);
    unlink(link);
    assert_int_equal(chmod(f.path, 0777), 0);
    assert_int_equal(spool_dir_open(f.path, &fd), ERR_PERMISSION);
    assert_int_equal(chmod(f.path, 0700), 0);
    assert_int_equal(os_file_replace(f.dir_fd, SLICE("format"), SLICE("thurn spool 2\n"), 0600), ERR_OK);
    assert_int_equal(spool_dir_open(f.path, &fd), ERR_UNSUPPORTED);
    assert_int_equal(fd, -1);
    fixture_close(&f);
}

/* What root has made a later start without root can use. */
static void all_of_it_belongs_to_whom_the_folder_belongs(void **state)
{
    (void)state;
    static const char *const names[] = {"seg", "large", "numbers", "format", "lock"};
    struct fixture f;
    struct os_file_stamp stamp;
    char path[80];
    int fd = -1, lock = -1;
    if (getuid() != 0)
        skip();
    fixture_open(&f);
    snprintf(path, sizeof(path), "%s/given", f.path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(spool_dir_open(path, &fd), ERR_OK);
    assert_int_equal(spool_lock(fd, &lock), ERR_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(os_file_stamp(fd, slice_str(names[i]), false, &stamp), ERR_OK);
        assert_int_equal(stamp.uid, 65534);
        assert_int_equal(stamp.gid, 65534);
    }
    os_close(&lock);
    os_close(&fd);
    fixture_close(&f);
}

static void one_instance_holds_the_lock(void **state)
{
    (void)state;
    struct fixture f;
    int first = -1, second = -1;
    fixture_open(&f);
    assert_int_equal(spool_lock(f.dir_fd, &first), ERR_OK);
    assert_int_equal(spool_lock(f.dir_fd, &second), ERR_AGAIN);
    os_close(&first);
    assert_int_equal(spool_lock(f.dir_fd, &second), ERR_OK);
    os_close(&second);
    fixture_close(&f);
}

static uint64_t take(struct fixture *f, uint32_t count)
{
    uint64_t first = 0;
    assert_int_equal(spool_numbers_take(f->dir_fd, count, &first), ERR_OK);
    return first;
}

static void numbers_are_never_given_twice(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t first;
    fixture_open(&f);
    assert_int_equal(take(&f, 10), 1);
    assert_int_equal(take(&f, 1), 11);
    assert_int_equal(take(&f, 1 << 24), 12);
    uint64_t next = take(&f, 5);
    assert_int_equal(next, 12 + (1 << 24));
    next += 5;
    assert_int_equal(spool_numbers_take(f.dir_fd, (1 << 24) + 1, &first), ERR_LIMIT);
    /* a failed take may burn numbers, and gives none */
    os_file_fault(1, 1u << OS_CALL_SYNC, ERR_IO);
    assert_int_equal(spool_numbers_take(f.dir_fd, 7, &first), ERR_IO);
    assert_in_range(take(&f, 1), next, next + 7);
    fixture_close(&f);
}

/* Whichever slot is damaged, and whatever was taken last. */
static void damaged_slot_gives_no_number_twice(void **state)
{
    (void)state;
    for (unsigned takes = 1; takes < 5; takes++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            struct fixture f;
            uint64_t last = 0, first = 0;
            int fd = -1;
            fixture_open(&f);
            for (unsigned i = 0; i < takes; i++)
                last = take(&f, 1 << 24) + (1 << 24);
            assert_int_equal(os_open(f.dir_fd, SLICE("numbers"), O_RDWR, 0, &fd), ERR_OK);
            assert_int_equal(os_pwrite(fd, SLICE("x"), slot * 4096 + 9), ERR_OK);
            assert_true(take(&f, 3) >= last);
            char zeros[8192] = {0};
            assert_int_equal(os_pwrite(fd, slice_of(zeros, sizeof(zeros)), 0), ERR_OK);
            assert_int_equal(spool_numbers_take(f.dir_fd, 1, &first), ERR_CORRUPT);
            os_close(&fd);
            fixture_close(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_private_and_opened_again),
        cmocka_unit_test(a_birth_that_cannot_be_synced_fails),
        cmocka_unit_test(refused_when_not_ours_to_trust),
        cmocka_unit_test(one_instance_holds_the_lock),
        cmocka_unit_test(all_of_it_belongs_to_whom_the_folder_belongs),
        cmocka_unit_test(numbers_are_never_given_twice),
        cmocka_unit_test(damaged_slot_gives_no_number_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
