/* SPDX-License-Identifier: ISC */
#include "os/map.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 8192u

static int new_file(void)
{
    char path[] = "/tmp/thurn-map-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    return fd;
}

static void what_is_written_there_is_in_the_file(void **state)
{
    (void)state;
    int fd = new_file();
    void *memory = NULL;
    char text[6] = {0};
    assert_int_equal(os_map_open(fd, SIZE, &memory), ERR_OK);
    memcpy((char *)memory + 5000, "hello", 5);
    assert_int_equal(pread(fd, text, 5, 5000), 5);
    assert_string_equal(text, "hello");
    os_map_close(&memory, SIZE);
    assert_null(memory);
    os_map_close(&memory, SIZE);
    (void)close(fd);
    assert_int_not_equal(os_map_open(-1, SIZE, &memory), ERR_OK);
    assert_null(memory);
}

static void a_page_that_is_gone_is_not_the_end_of_the_process(void **state)
{
    (void)state;
    int fd = new_file();
    void *memory = NULL;
    assert_int_equal(os_map_open(fd, SIZE, &memory), ERR_OK);
    os_map_guard(memory, SIZE);
    memset(memory, 'x', SIZE);
    assert_int_equal(ftruncate(fd, 0), 0);
    volatile char *byte = (volatile char *)memory + 5000;
    *byte = 'y';
    assert_int_equal(*byte, 'y');
    assert_int_equal(((volatile char *)memory)[1], 0);
    os_map_close(&memory, SIZE);
    (void)close(fd);
}

static void guarded_memory_is_of_one_process(void **state)
{
    (void)state;
    int fd = new_file();
    void *memory = NULL;
    assert_int_equal(os_map_open(fd, SIZE, &memory), ERR_OK);
    os_map_guard(memory, SIZE);
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's */
        os_map_guard(NULL, 0);
        *(volatile char *)memory = 'y';
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(*(volatile char *)memory, 0);
    os_map_close(&memory, SIZE);
    (void)close(fd);
}

static void other_memory_is_not_guarded(void **state)
{
    (void)state;
    int fd = new_file();
    void *memory = NULL;
    assert_int_equal(os_map_open(fd, SIZE, &memory), ERR_OK);
    assert_int_equal(ftruncate(fd, 0), 0);
    pid_t pid = fork();
    if (pid == 0) {
        os_map_guard(memory, 1); /* and not the second page */
        *((volatile char *)memory + 5000) = 'y';
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    os_map_close(&memory, SIZE);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_there_is_in_the_file),
        cmocka_unit_test(a_page_that_is_gone_is_not_the_end_of_the_process),
        cmocka_unit_test(guarded_memory_is_of_one_process),
        cmocka_unit_test(other_memory_is_not_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
