/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/thurn-file-test-XXXXXX";
static int dir = -1;

static int make_folder(void **state)
{
    (void)state;
    umask(022);
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int setup(void **state)
{
    (void)state;
    return os_open(AT_FDCWD, slice_str(folder), O_RDONLY | O_DIRECTORY, 0, &dir) != ERR_OK;
}

static void empty(int fd)
{
    struct os_dir *d;
    slice name;
    assert_int_equal(os_dir_open(fd, SLICE("."), &d), ERR_OK);
    while (os_dir_next(d, &name) == ERR_OK) {
        char text[256];
        snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
        if (unlinkat(fd, text, 0) != 0) {
            int sub = openat(fd, text, O_RDONLY | O_DIRECTORY);
            empty(sub);
            close(sub);
            unlinkat(fd, text, AT_REMOVEDIR);
        }
    }
    os_dir_close(&d);
    assert_null(d);
}

static int teardown(void **state)
{
    (void)state;
    os_file_fault(0, 0, ERR_OK);
    empty(dir);
    os_close(&dir);
    assert_int_equal(dir, -1);
    os_close(&dir);
    return 0;
}

static void put(const char *name, slice content)
{
    int fd = -1;
    assert_int_equal(os_open(dir, slice_str(name), O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd), ERR_OK);
    assert_int_equal(os_write(fd, content), ERR_OK);
    os_close(&fd);
}

static void assert_content(const char *name, slice content)
{
    buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(os_file_read(dir, slice_str(name), &b), ERR_OK);
    assert_true(slice_equal(buf_slice(&b), content));
    buf_deinit(&b);
}

static int count_files(void)
{
    struct os_dir *d;
    slice name;
    int count = 0;
    assert_int_equal(os_dir_open(dir, SLICE("."), &d), ERR_OK);
    while (os_dir_next(d, &name) == ERR_OK)
        count++;
    os_dir_close(&d);
    return count;
}

static void errors_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum err e;
    } rows[] = {
        {0, ERR_OK},
        {ENOSPC, ERR_NOSPACE},
        {EDQUOT, ERR_NOSPACE},
        {EIO, ERR_IO},
        {ENOENT, ERR_NOTFOUND},
        {EWOULDBLOCK, ERR_AGAIN},
        {EMFILE, ERR_DESCRIPTORS},
        {ECONNREFUSED, ERR_REFUSED},
        {EHOSTUNREACH, ERR_UNREACHABLE},
        {ECONNRESET, ERR_CLOSED},
        {ETIMEDOUT, ERR_TIMEOUT},
        {EACCES, ERR_PERMISSION},
        {EBADF, ERR_SYSTEM},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(os_err(rows[i].number), rows[i].e);
}

static void names_are_checked_at_the_edge(void **state)
{
    (void)state;
    char name[5000];
    int fd = 77;
    memset(name, 'a', sizeof(name));
    assert_int_equal(os_open(dir, SLICE("a\0b"), O_RDONLY, 0, &fd), ERR_SYNTAX);
    assert_int_equal(os_open(dir, slice_of(name, 4096), O_RDONLY, 0, &fd), ERR_LIMIT);
    assert_int_equal(os_open(dir, slice_of(name, 4095), O_RDONLY, 0, &fd), ERR_LIMIT);
    assert_int_equal(os_open(dir, SLICE_NONE, O_RDONLY, 0, &fd), ERR_NOTFOUND);
    assert_int_equal(os_open(dir, SLICE("none"), O_RDONLY, 0, &fd), ERR_NOTFOUND);
    assert_int_equal(fd, 77);
    assert_int_equal(os_unlink(dir, SLICE("a\0b")), ERR_SYNTAX);
    assert_int_equal(os_rename(dir, SLICE("a"), dir, SLICE("b\0")), ERR_SYNTAX);
}

static void the_folder_of_a_path(void **state)
{
    (void)state;
    static const struct {
        slice path, parent;
    } rows[] = {
        {SLICE("/var/mail/a"), SLICE("/var/mail")},
        {SLICE("/a"), SLICE("/")},
        {SLICE("a/b"), SLICE("a")},
        {SLICE("a"), SLICE(".")},
        {SLICE("/"), SLICE("/")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(slice_equal(os_path_parent(rows[i].path), rows[i].parent));
}

static void threat_links_are_not_followed(void **state)
{
    (void)state;
    int fd = -1;
    struct os_file_stamp stamp;
    put("target", SLICE("content"));
    assert_int_equal(symlinkat("target", dir, "link"), 0);
    assert_int_equal(os_open(dir, SLICE("link"), O_RDONLY, 0, &fd), ERR_PERMISSION);
    assert_int_equal(os_open_follow(dir, SLICE("link"), O_RDONLY, 0, &fd), ERR_OK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    os_close(&fd);
    assert_int_equal(os_file_stamp(dir, SLICE("link"), false, &stamp), ERR_OK);
    assert_true(stamp.is_link && !stamp.is_regular);
    assert_int_equal(os_file_stamp(dir, SLICE("link"), true, &stamp), ERR_OK);
    assert_true(stamp.is_regular && stamp.size == 7);
    assert_content("link", SLICE("content"));
    assert_int_equal(symlinkat(".", dir, "here"), 0);
    struct os_dir *d;
    assert_int_not_equal(os_dir_open(dir, SLICE("here"), &d), ERR_OK);
}

static void stamps_show_changes(void **state)
{
    (void)state;
    struct os_file_stamp a, b;
    int fd = -1;
    put("f", SLICE("one"));
    assert_int_equal(os_file_stamp(dir, SLICE("f"), true, &a), ERR_OK);
    assert_int_equal(os_open(dir, SLICE("f"), O_RDWR, 0, &fd), ERR_OK);
    assert_int_equal(os_fd_stamp(fd, &b), ERR_OK);
    assert_true(os_file_stamp_equal(&a, &b));
    assert_int_equal(os_fchmod(fd, 0640), ERR_OK);
    assert_int_equal(os_fd_stamp(fd, &b), ERR_OK);
    assert_int_equal(b.mode, 0640);
    assert_false(os_file_stamp_equal(&a, &b));
    os_close(&fd);
}

static void whole_files_are_read_to_the_bound(void **state)
{
    (void)state;
    buf b;
    put("f", SLICE("0123456789"));
    buf_init(&b, 12);
    buf_append(&b, SLICE("ab"));
    assert_int_equal(os_file_read(dir, SLICE("f"), &b), ERR_OK);
    assert_true(slice_equal(buf_slice(&b), SLICE("ab0123456789")));
    buf_deinit(&b);
    buf_init(&b, 11);
    buf_append(&b, SLICE("ab"));
    assert_int_equal(os_file_read(dir, SLICE("f"), &b), ERR_LIMIT);
    assert_true(slice_equal(buf_slice(&b), SLICE("ab")));
    buf_deinit(&b);
}

/* A pipe under a file's name must be refused, not waited for. */
static void only_regular_files_are_read(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 100);
    assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);
    assert_int_equal(os_file_read(dir, SLICE("pipe"), &b), ERR_UNSUPPORTED);
    assert_int_equal(os_file_read(dir, SLICE("."), &b), ERR_UNSUPPORTED);
    buf_deinit(&b);
}

static void replacing_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    static const struct {
        enum os_file_call call;
        const char *what;
    } rows[] = {{OS_CALL_OPEN, "open"}, {OS_CALL_WRITE, "write"}, {OS_CALL_SYNC, "sync"}, {OS_CALL_RENAME, "rename"}};
    struct os_file_stamp stamp;
    assert_int_equal(os_file_replace(dir, SLICE("f"), SLICE("old"), 0644), ERR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        os_file_fault(1, 1u << rows[i].call, ERR_NOSPACE);
        assert_int_equal(os_file_replace(dir, SLICE("f"), SLICE("new"), 0644), ERR_NOSPACE);
        assert_content("f", SLICE("old"));
        assert_int_equal(count_files(), 1);
    }
    umask(0777);
    assert_int_equal(os_file_replace(dir, SLICE("f"), SLICE("newer"), 0640), ERR_OK);
    umask(022);
    assert_content("f", SLICE("newer"));
    assert_int_equal(os_file_stamp(dir, SLICE("f"), false, &stamp), ERR_OK);
    assert_int_equal(stamp.mode, 0640);
    /* The file itself and the folder: a failure of the second is told though the new name stands already. */
    os_file_fault(2, 1u << OS_CALL_SYNC, ERR_IO);
    assert_int_equal(os_file_replace(dir, SLICE("f"), SLICE("newest"), 0644), ERR_IO);
    assert_int_equal(os_file_replace(dir, SLICE("sub/"), SLICE(""), 0644), ERR_SYNTAX);
    char longest[256];
    memset(longest, 'n', 255);
    assert_int_equal(os_file_replace(dir, slice_of(longest, 255), SLICE("x"), 0600), ERR_OK);
}

static void replacing_works_by_full_path(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/a/b", folder);
    assert_int_equal(os_mkdir_all(slice_str(path), 0755), ERR_OK);
    assert_int_equal(os_mkdir_all(slice_str(path), 0755), ERR_OK);
    snprintf(path, sizeof(path), "%s/a/b/c", folder);
    assert_int_equal(os_file_replace(AT_FDCWD, slice_str(path), SLICE("x"), 0600), ERR_OK);
    assert_content("a/b/c", SLICE("x"));
    assert_int_equal(os_mkdir_all(slice_str(path), 0755), ERR_EXISTS);
    assert_int_equal(os_mkdir(dir, SLICE("a"), 0755), ERR_EXISTS);
}

static void positions_are_kept_apart(void **state)
{
    (void)state;
    int fd = -1;
    char text[16] = "";
    size_t got = 99;
    struct iovec iov[] = {{"", 0}, {"ab", 2}, {"", 0}, {"cd", 2}, {"e", 1}};
    assert_int_equal(os_open(dir, SLICE("f"), O_RDWR | O_CREAT, 0600, &fd), ERR_OK);
    assert_int_equal(os_pwritev(fd, iov, 5, 3), ERR_OK);
    assert_int_equal(os_pwrite(fd, SLICE("012"), 0), ERR_OK);
    assert_int_equal(os_pread(fd, text, 8, 0, &got), ERR_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(text, "012abcde", 8);
    assert_int_equal(os_pread(fd, text, sizeof(text), 5, &got), ERR_OK);
    assert_int_equal(got, 3);
    assert_int_equal(os_pread(fd, text, sizeof(text), 100, &got), ERR_OK);
    assert_int_equal(got, 0);
    assert_int_equal(os_ftruncate(fd, 4), ERR_OK);
    assert_int_equal(os_fdatasync(fd), ERR_OK);
    assert_int_equal(os_fsync(fd), ERR_OK);
    assert_content("f", SLICE("012a"));
    assert_int_equal(os_fallocate(fd, 8192), ERR_OK);
    struct os_file_stamp stamp;
    assert_int_equal(os_fd_stamp(fd, &stamp), ERR_OK);
    assert_int_equal(stamp.size, 8192);
    os_writeback(fd, 0, 8192);
    os_close(&fd);
}

/* More vectors than the kernel takes at once. */
static void many_vectors_are_written_whole(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static struct iovec iov[COUNT];
    static char bytes[COUNT * 2];
    int fd = -1;
    for (int i = 0; i < COUNT; i++) {
        bytes[2 * i] = (char)('a' + i % 26);
        bytes[2 * i + 1] = (char)('A' + i % 17);
        iov[i] = (struct iovec){bytes + 2 * i, 2};
    }
    assert_int_equal(os_open(dir, SLICE("f"), O_RDWR | O_CREAT, 0600, &fd), ERR_OK);
    assert_int_equal(os_pwritev(fd, iov, COUNT, 0), ERR_OK);
    os_close(&fd);
    assert_content("f", slice_of(bytes, sizeof(bytes)));
}

static void a_full_device_is_no_space(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(os_open(AT_FDCWD, SLICE("/dev/full"), O_WRONLY, 0, &fd), ERR_OK);
    assert_int_equal(os_write(fd, SLICE("x")), ERR_NOSPACE);
    os_close(&fd);
}

static void names_move_link_and_go(void **state)
{
    (void)state;
    put("a", SLICE("x"));
    assert_int_equal(os_rename(dir, SLICE("a"), dir, SLICE("b")), ERR_OK);
    assert_int_equal(os_rename(dir, SLICE("a"), dir, SLICE("b")), ERR_NOTFOUND);
    assert_int_equal(os_link(dir, SLICE("b"), dir, SLICE("c")), ERR_OK);
    assert_int_equal(os_link(dir, SLICE("b"), dir, SLICE("c")), ERR_EXISTS);
    assert_int_equal(os_chown(dir, SLICE("c"), os_uid(), getegid()), ERR_OK);
    assert_int_equal(count_files(), 2);
    assert_int_equal(os_unlink(dir, SLICE("b")), ERR_OK);
    assert_int_equal(os_unlink(dir, SLICE("b")), ERR_NOTFOUND);
    assert_content("c", SLICE("x"));
}

static void locks_exclude(void **state)
{
    (void)state;
    int a = -1, b = -1;
    put("f", SLICE(""));
    assert_int_equal(os_open(dir, SLICE("f"), O_RDWR, 0, &a), ERR_OK);
    assert_int_equal(os_open(dir, SLICE("f"), O_RDWR, 0, &b), ERR_OK);
    assert_int_equal(os_flock(a), ERR_OK);
    assert_int_equal(os_flock(b), ERR_AGAIN);
    assert_int_equal(os_lockf(a), ERR_OK);
    assert_int_equal(os_lockf(b), ERR_AGAIN);
    os_close(&a);
    assert_int_equal(os_flock(b), ERR_OK);
    assert_int_equal(os_lockf(b), ERR_OK);
    os_close(&b);
}

static void free_space_is_known(void **state)
{
    (void)state;
    uint64_t bytes = 0, total = 0, inodes = 0;
    assert_int_equal(os_free_space(dir, &bytes, &total, &inodes), ERR_OK);
    assert_true(bytes > 0 && bytes <= total && inodes > 0);
    assert_int_equal(os_free_space(-1, &bytes, &total, &inodes), ERR_SYSTEM);
    assert_int_equal(os_syncfs(dir), ERR_OK);
}

/* Every call, asked to fail, fails with the error given, once, and does nothing. */
static void each_call_can_be_made_to_fail(void **state)
{
    (void)state;
    int fd = -1, other = -1;
    char c;
    size_t got;
    struct os_file_stamp stamp;
    struct os_dir *d;
    uint64_t n;
    slice name;
    struct iovec iov = {"x", 1};
    put("f", SLICE("abc"));
    assert_int_equal(os_open(dir, SLICE("f"), O_RDWR, 0, &fd), ERR_OK);
    assert_int_equal(os_dir_open(dir, SLICE("."), &d), ERR_OK);
#define FAILS(call, expression)                                                                                        \
    do {                                                                                                               \
        os_file_fault(1, 1u << (call), ERR_IO);                                                                        \
        assert_int_equal(expression, ERR_IO);                                                                          \
        os_file_fault(1, ~(1u << (call)), ERR_NOSPACE);                                                                \
        enum err with_others_failing = expression;                                                                     \
        assert_int_not_equal(with_others_failing, ERR_NOSPACE);                                                        \
    } while (0)
    FAILS(OS_CALL_OPEN, os_open(dir, SLICE("none"), O_RDONLY, 0, &other));
    FAILS(OS_CALL_OPEN, os_open_follow(dir, SLICE("none"), O_RDONLY, 0, &other));
    FAILS(OS_CALL_READ, os_pread(fd, &c, 1, 0, &got));
    FAILS(OS_CALL_READ, os_dir_next(d, &name));
    FAILS(OS_CALL_WRITE, os_pwrite(fd, SLICE("x"), 0));
    FAILS(OS_CALL_WRITE, os_pwritev(fd, &iov, 1, 0));
    FAILS(OS_CALL_WRITE, os_write(fd, SLICE("x")));
    FAILS(OS_CALL_SYNC, os_fdatasync(fd));
    FAILS(OS_CALL_SYNC, os_fsync(fd));
    FAILS(OS_CALL_SYNC, os_syncfs(fd));
    FAILS(OS_CALL_OTHER, os_ftruncate(fd, 3));
    FAILS(OS_CALL_OTHER, os_fallocate(fd, 3));
    FAILS(OS_CALL_OTHER, os_fchmod(fd, 0600));
    FAILS(OS_CALL_OTHER, os_flock(fd));
    FAILS(OS_CALL_OTHER, os_lockf(fd));
    FAILS(OS_CALL_OTHER, os_free_space(fd, &n, &n, &n));
    FAILS(OS_CALL_OTHER, os_fd_stamp(fd, &stamp));
    FAILS(OS_CALL_OTHER, os_file_stamp(dir, SLICE("f"), true, &stamp));
    FAILS(OS_CALL_OTHER, os_link(dir, SLICE("f"), dir, SLICE("g")));
    FAILS(OS_CALL_OTHER, os_mkdir(dir, SLICE("d"), 0700));
    FAILS(OS_CALL_OTHER, os_chown(dir, SLICE("f"), os_uid(), getegid()));
    FAILS(OS_CALL_RENAME, os_rename(dir, SLICE("g"), dir, SLICE("h")));
    FAILS(OS_CALL_UNLINK, os_unlink(dir, SLICE("h")));
    os_dir_close(&d);
    os_close(&fd);
}

static void the_nth_call_fails_and_no_other(void **state)
{
    (void)state;
    int fd = -1;
    put("f", SLICE(""));
    assert_int_equal(os_open(dir, SLICE("f"), O_WRONLY, 0, &fd), ERR_OK);
    os_file_fault(3, 1u << OS_CALL_WRITE, ERR_NOSPACE);
    assert_int_equal(os_write(fd, SLICE("1")), ERR_OK);
    assert_int_equal(os_fsync(fd), ERR_OK); /* does not match, does not count */
    assert_int_equal(os_write(fd, SLICE("2")), ERR_OK);
    assert_int_equal(os_write(fd, SLICE("3")), ERR_NOSPACE);
    assert_int_equal(os_write(fd, SLICE("4")), ERR_OK);
    os_file_fault(OS_FILE_FAULT_EACH, 1u << OS_CALL_SYNC, ERR_IO);
    for (int i = 0; i < 3; i++)
        assert_int_equal(os_fsync(fd), ERR_IO);
    assert_int_equal(os_write(fd, SLICE("5")), ERR_OK);
    os_file_fault(0, 0, ERR_OK);
    assert_int_equal(os_fsync(fd), ERR_OK);
    os_close(&fd);
    assert_content("f", SLICE("1245"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(errors_are_told_apart),
        T(names_are_checked_at_the_edge),
        T(the_folder_of_a_path),
        T(threat_links_are_not_followed),
        T(stamps_show_changes),
        T(whole_files_are_read_to_the_bound),
        T(only_regular_files_are_read),
        T(replacing_leaves_the_old_or_the_new),
        T(replacing_works_by_full_path),
        T(positions_are_kept_apart),
        T(many_vectors_are_written_whole),
        T(a_full_device_is_no_space),
        T(names_move_link_and_go),
        T(locks_exclude),
        T(free_space_is_known),
        T(each_call_can_be_made_to_fail),
        T(the_nth_call_fails_and_no_other),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
