/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define W(literal) ((slice){literal, sizeof(literal) - 1})

static char folder[] = "/tmp/thurn-store-XXXXXX";
static char path[64];
static struct store *store;

static int set_up(void **state)
{
    (void)state;
    char why_memory[200];
    buf b, why;
    if (!mkdtemp(folder))
        return -1;
    buf_init_fixed(&b, path, sizeof path - 1);
    buf_printf(&b, "%s/accounts.db", folder);
    buf_init_fixed(&why, why_memory, sizeof why_memory);
    return store_open(slice_str(path), true, &store, &why) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"accounts.db", "accounts.db-wal", "accounts.db-shm", "other.db", "link.db"};
    (void)state;
    store_close(&store);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[80];
        buf b;
        buf_init_fixed(&b, name, sizeof name - 1);
        buf_printf(&b, "%s/%s%c", folder, names[i], 0);
        (void)unlink(name);
    }
    return rmdir(folder);
}

static int one_account(void **state)
{
    (void)state;
    return store_account_add(store, SLICE("Alice@Example.org"), SLICE("Alice Example"), SLICE("correct horse")) ==
                   ERR_OK
               ? 0
               : -1;
}

static int no_account(void **state)
{
    struct store_account a;
    (void)state;
    while (store_account_next(store, SLICE_NONE, &a) == ERR_OK) {
        if (store_account_remove(store, a.address) != ERR_OK)
            return -1;
    }
    return 0;
}

static void accounts_are_found(void **state)
{
    struct store_account a;
    (void)state;
    assert_int_equal(store_account_find(store, SLICE("ALICE@example.org"), &a), ERR_OK);
    assert_true(slice_equal(a.address, SLICE("alice@example.org")));
    assert_true(slice_equal(a.full_name, SLICE("Alice Example")));
    assert_true(a.created_s > 1700000000);
    assert_int_equal(store_account_find(store, SLICE("alice@example.or"), &a), ERR_NOTFOUND);
    assert_int_equal(store_account_find(store, SLICE("' OR 1=1 --"), &a), ERR_NOTFOUND);
    assert_int_equal(store_account_add(store, SLICE("alice@EXAMPLE.org"), SLICE_NONE, SLICE("x")), ERR_EXISTS);
}

static void passwords(void **state)
{
    static const struct {
        slice login, password;
        enum err wanted;
    } rows[] = {
        {{"alice@example.org", 17}, {"correct horse", 13}, ERR_OK},
        {{"ALICE@EXAMPLE.ORG", 17}, {"correct horse", 13}, ERR_OK},
        {{"alice@example.org", 17}, {"correct horsf", 13}, ERR_PERMISSION},
        {{"alice@example.org", 17}, {"correct hors", 12}, ERR_PERMISSION},
        {{"alice@example.org", 17}, {"correct horse\0x", 15}, ERR_PERMISSION},
        {{"alice@example.org", 17}, {"", 0}, ERR_PERMISSION},
        {{"bob@example.org", 15}, {"correct horse", 13}, ERR_PERMISSION},
        {{"bob@example.org", 15}, {"nobody", 6}, ERR_PERMISSION},
        {{"", 0}, {"nobody", 6}, ERR_PERMISSION},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(store_password_check(store, rows[i].login, rows[i].password), rows[i].wanted);
}

static void password_changes(void **state)
{
    (void)state;
    assert_int_equal(store_account_password(store, SLICE("alice@example.org"), SLICE("new")), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("alice@example.org"), SLICE("new")), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("alice@example.org"), SLICE("correct horse")), ERR_PERMISSION);
    assert_int_equal(store_account_password(store, SLICE("bob@example.org"), SLICE("new")), ERR_NOTFOUND);
    assert_int_equal(store_account_remove(store, SLICE("alice@example.org")), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("alice@example.org"), SLICE("new")), ERR_PERMISSION);
    assert_int_equal(store_account_remove(store, SLICE("alice@example.org")), ERR_NOTFOUND);
}

static void unusable_passwords(void **state)
{
    char longest[600];
    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_int_equal(store_account_add(store, SLICE("b@example.org"), SLICE_NONE, SLICE_NONE), ERR_SYNTAX);
    assert_int_equal(store_account_add(store, SLICE("b@example.org"), SLICE_NONE, W("a\0b")), ERR_SYNTAX);
    assert_int_equal(store_account_add(store, SLICE("b@example.org"), SLICE_NONE, slice_of(longest, 512)), ERR_LIMIT);
    assert_int_equal(store_account_add(store, SLICE("b@example.org"), SLICE_NONE, slice_of(longest, 511)), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("b@example.org"), slice_of(longest, 511)), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("b@example.org"), slice_of(longest, 512)), ERR_PERMISSION);
}

static void listing_is_in_order(void **state)
{
    struct store_account a;
    char last[64] = "";
    size_t count = 0;
    (void)state;
    assert_int_equal(store_account_add(store, SLICE("zoe@example.org"), SLICE_NONE, SLICE("x")), ERR_OK);
    assert_int_equal(store_account_add(store, SLICE("bob@example.org"), SLICE_NONE, SLICE("x")), ERR_OK);
    while (store_account_next(store, slice_str(last), &a) == ERR_OK) {
        assert_true(slice_compare(slice_str(last), a.address) < 0);
        assert_true(a.address.len < sizeof last);
        memcpy(last, a.address.ptr, a.address.len);
        last[a.address.len] = 0;
        count++;
    }
    assert_int_equal(count, 3);
}

static void file_is_private_and_hashed(void **state)
{
    struct os_file_stamp stamp;
    buf content;
    (void)state;
    assert_int_equal(os_file_stamp(AT_FDCWD, slice_str(path), false, &stamp), ERR_OK);
    assert_int_equal(stamp.mode & 0777, 0600);
    char wal[80];
    buf b;
    buf_init_fixed(&b, wal, sizeof wal - 1);
    buf_printf(&b, "%s-wal", path);
    buf_init(&content, 1u << 24);
    assert_int_equal(os_file_read(AT_FDCWD, buf_slice(&b), &content), ERR_OK);
    assert_int_equal(os_file_read(AT_FDCWD, slice_str(path), &content), ERR_OK);
    assert_true(slice_find(buf_slice(&content), SLICE("alice@example.org")) >= 0);
    assert_true(slice_find(buf_slice(&content), SLICE("$y$")) >= 0);
    assert_true(slice_find(buf_slice(&content), SLICE("correct horse")) < 0);
    buf_deinit(&content);
}

static void second_user_sees_changes(void **state)
{
    struct store *other = NULL;
    struct store_account a;
    char memory[200];
    buf why;
    (void)state;
    buf_init_fixed(&why, memory, sizeof memory);
    assert_int_equal(store_open(slice_str(path), false, &other, &why), ERR_OK);
    assert_int_equal(store_account_find(other, SLICE("alice@example.org"), &a), ERR_OK);
    assert_int_equal(store_account_remove(store, SLICE("alice@example.org")), ERR_OK);
    assert_int_equal(store_account_find(other, SLICE("alice@example.org"), &a), ERR_NOTFOUND);
    store_close(&other);
}

static void opening(void **state)
{
    struct store *other = NULL;
    char memory[200], name[80];
    buf why, b;
    (void)state;
    buf_init_fixed(&why, memory, sizeof memory);
    buf_init_fixed(&b, name, sizeof name - 1);
    buf_printf(&b, "%s/other.db", folder);
    assert_int_equal(store_open(buf_slice(&b), false, &other, &why), ERR_NOTFOUND);
    assert_true(why.len > 0);
    int fd = -1;
    assert_int_equal(os_open(AT_FDCWD, buf_slice(&b), O_WRONLY | O_CREAT, 0600, &fd), ERR_OK);
    assert_int_equal(
        os_write(fd, SLICE("this is no database, whatever its name says; it is a text of more than 100 bytes"
                           " and SQLite looks at its first hundred only.")),
        ERR_OK);
    os_close(&fd);
    assert_int_equal(store_open(buf_slice(&b), false, &other, &why), ERR_CORRUPT);
    buf_clear(&b);
    buf_printf(&b, "%s/link.db%c", folder, 0);
    assert_int_equal(symlink(path, name), 0);
    assert_true(store_open(slice_str(name), true, &other, &why) != ERR_OK);
    assert_null(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accounts_are_found, one_account, no_account),
        cmocka_unit_test_setup_teardown(passwords, one_account, no_account),
        cmocka_unit_test_setup_teardown(password_changes, one_account, no_account),
        cmocka_unit_test_setup_teardown(unusable_passwords, one_account, no_account),
        cmocka_unit_test_setup_teardown(listing_is_in_order, one_account, no_account),
        cmocka_unit_test_setup_teardown(file_is_private_and_hashed, one_account, no_account),
        cmocka_unit_test_setup_teardown(second_user_sees_changes, one_account, no_account),
        cmocka_unit_test(opening),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
