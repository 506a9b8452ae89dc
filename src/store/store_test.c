/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <crypt.h>
#include <sqlite3.h>

#define OLD_HASH                                                                                                       \
    "$6$abcdefgh$C/UyUIoYbYZoxRzWA1jhrMzCtoWAP4X1Y3K19W9MF2iadjXK6APn0m0eIbRgBIBf9YqHG5NBvs.aaEUSctcx51" /* of "old" */
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
    static const char *const names[] = {"accounts.db", "accounts.db-wal", "accounts.db-shm", "other.db", "link.db",
                                        "old.db",      "old.db-wal",      "old.db-shm",      "users"};
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

/* What a client would compute must be what is kept: salt, count and both keys of each digest. */
static bool keys_fit(enum crypt_digest d, slice login, slice password)
{
    struct sasl_scram_keys kept = {0}, made;
    assert_int_equal(store_scram_find(store, login, d, &kept), ERR_OK);
    assert_true(kept.iterations >= SASL_SCRAM_ITERATIONS_MIN && kept.salt_len == 16);
    made = kept;
    assert_int_equal(sasl_scram_make(d, password, &made), ERR_OK);
    return memcmp(made.stored, kept.stored, crypt_digest_size(d)) == 0 &&
           memcmp(made.server, kept.server, crypt_digest_size(d)) == 0;
}

static void e11_server_accounts_have_scram_keys(void **state)
{
    struct sasl_scram_keys one, two;
    (void)state;
    for (int d = CRYPT_SHA1; d <= CRYPT_SHA256; d++) {
        assert_true(keys_fit((enum crypt_digest)d, SLICE("ALICE@example.org"), SLICE("correct horse")));
        assert_false(keys_fit((enum crypt_digest)d, SLICE("alice@example.org"), SLICE("correct horsf")));
        assert_false(keys_fit((enum crypt_digest)d, SLICE("nobody@example.org"), SLICE("correct horse")));
    }
    assert_int_equal(store_account_password(store, SLICE("alice@example.org"), SLICE("new")), ERR_OK);
    assert_true(keys_fit(CRYPT_SHA256, SLICE("alice@example.org"), SLICE("new")));
    /* "I", soft hyphen, "X" is "IX" from every keyboard (RFC 4013 section 3); what SASLprep does not take is a password without keys */
    assert_int_equal(store_account_password(store, SLICE("alice@example.org"), SLICE("I\xc2\xadX")), ERR_OK);
    assert_true(keys_fit(CRYPT_SHA256, SLICE("alice@example.org"), SLICE("IX")));
    assert_int_equal(store_password_check(store, SLICE("alice@example.org"), SLICE("\xe2\x85\xa8")), ERR_OK);
    assert_int_equal(store_account_password(store, SLICE("alice@example.org"), SLICE("\xff\xfe")), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("alice@example.org"), SLICE("\xff\xfe")), ERR_OK);
    assert_false(keys_fit(CRYPT_SHA256, SLICE("alice@example.org"), SLICE("\xff\xfe")));
    assert_int_equal(store_scram_find(store, SLICE("nobody@example.org"), CRYPT_SHA256, &one), ERR_OK);
    assert_int_equal(store_scram_find(store, SLICE("NOBODY@example.org"), CRYPT_SHA1, &two), ERR_OK);
    assert_memory_equal(one.salt, two.salt, 16);
    assert_int_equal(store_scram_find(store, SLICE("else@example.org"), CRYPT_SHA1, &two), ERR_OK);
    assert_memory_not_equal(one.salt, two.salt, 16);
}

static void sql(const char *file, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A database as version 1 left it; its hash is of "old", made by sha512crypt. */
static void e11_server_a_database_of_old_is_brought_up(void **state)
{
    char name[80], why_memory[200];
    buf b, why;
    struct store *main_store = store, *other = NULL, *same = NULL;
    (void)state;
    buf_init_fixed(&b, name, sizeof name);
    buf_init_fixed(&why, why_memory, sizeof why_memory);
    buf_printf(&b, "%s/old.db%c", folder, 0);
    sql(name, "CREATE TABLE account (address TEXT PRIMARY KEY, full_name TEXT NOT NULL, password TEXT NOT NULL,"
              " created_s INTEGER NOT NULL) STRICT, WITHOUT ROWID; PRAGMA user_version = 1;"
              "INSERT INTO account VALUES ('old@example.org', 'Old', '" OLD_HASH "', 5)");
    assert_int_equal(store_open(slice_str(name), false, &other, &why), ERR_OK);
    assert_int_equal(store_open(slice_str(name), false, &same, &why), ERR_OK); /* and once only */
    store = other;
    assert_false(keys_fit(CRYPT_SHA256, SLICE("old@example.org"), SLICE("old")));
    assert_int_equal(store_password_check(store, SLICE("old@example.org"), SLICE("new")), ERR_PERMISSION);
    assert_false(keys_fit(CRYPT_SHA256, SLICE("old@example.org"), SLICE("old")));
    assert_int_equal(store_password_check(store, SLICE("old@example.org"), SLICE("old")), ERR_OK);
    store = same;
    assert_true(keys_fit(CRYPT_SHA256, SLICE("old@example.org"), SLICE("old"))); /* from that login on */
    assert_true(keys_fit(CRYPT_SHA1, SLICE("old@example.org"), SLICE("old")));
    store = main_store;
    store_close(&other);
    store_close(&same);
    sql(name, "PRAGMA user_version = 3");
    assert_int_equal(store_open(slice_str(name), false, &other, &why), ERR_UNSUPPORTED);
}

static void e11_server_argon2id_is_one_hash_of_two(void **state)
{
    buf content;
    (void)state;
    store_hash_with(store, STORE_HASH_ARGON2ID);
    assert_int_equal(store_account_add(store, SLICE("argon@example.org"), SLICE_NONE, SLICE("sesame")), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("argon@example.org"), SLICE("sesame")), ERR_OK);
    assert_int_equal(store_password_check(store, SLICE("argon@example.org"), SLICE("sesam")), ERR_PERMISSION);
    assert_int_equal(store_password_check(store, SLICE("alice@example.org"), SLICE("correct horse")), ERR_OK);
    store_hash_with(store, STORE_HASH_YESCRYPT);
    assert_int_equal(store_password_check(store, SLICE("argon@example.org"), SLICE("sesame")), ERR_OK);
    char wal[80];
    buf b;
    buf_init_fixed(&b, wal, sizeof wal - 1);
    buf_printf(&b, "%s-wal", path);
    buf_init(&content, 1u << 24);
    assert_int_equal(os_file_read(AT_FDCWD, buf_slice(&b), &content), ERR_OK);
    assert_true(slice_find(buf_slice(&content), SLICE("$argon2id$")) >= 0);
    buf_deinit(&content);
}

/* Calls of the two hash functions, through the linker. */
static unsigned hashes;
static char hashed_as[8]; /* the beginning of the last setting */
char *__real_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
    hashes++;
    (void)snprintf(hashed_as, sizeof hashed_as, "%s", setting);
    return __real_crypt_r(phrase, setting, data);
}

/* Not by a clock: who is not there costs what a wrong password costs. */
static void threat_unknown_users_cost_the_same(void **state)
{
    static const slice logins[] = {{"alice@example.org", 17}, {"nobody@example.org", 18}, {"", 0}};
    static const slice passwords[] = {{"wrong", 5}, {"", 0}, {"I\xc2\xadX", 4}, {"\xff", 1}, {"a\0b", 3}};
    (void)state;
    assert_int_equal(store_password_check(store, SLICE("x"), SLICE("x")),
                     ERR_PERMISSION); /* makes the hash of nothing */
    for (size_t p = 0; p < sizeof passwords / sizeof passwords[0]; p++) {
        unsigned first = 0;
        for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
            hashes = 0;
            assert_int_equal(store_password_check(store, logins[i], passwords[p]), ERR_PERMISSION);
            first = i == 0 ? hashes : first;
            assert_true(hashes > 0 && hashes == first);
        }
    }
}

static void l1_a_password_file_is_read_again(void **state)
{
    char name[80];
    buf b;
    struct store_file *f = NULL;
    (void)state;
    buf_init_fixed(&b, name, sizeof name);
    buf_printf(&b, "%s/users", folder);
    assert_int_equal(store_file_open(buf_slice(&b), &f), ERR_OK);
    assert_int_equal(store_file_check(f, SLICE("old@example.org"), SLICE("old")), ERR_NOTFOUND); /* temporary */
    assert_int_equal(
        os_file_replace(AT_FDCWD, buf_slice(&b), SLICE("# people\n\nold@example.org:" OLD_HASH ":1:2\r\n"), 0600),
        ERR_OK);
    assert_int_equal(store_file_check(f, SLICE("OLD@example.org"), SLICE("old")), ERR_OK);
    assert_int_equal(store_file_check(f, SLICE("old@example.org"), SLICE("older")), ERR_PERMISSION);
    assert_int_equal(store_file_check(f, SLICE("# people"), SLICE("old")), ERR_PERMISSION);
    assert_int_equal(os_file_replace(AT_FDCWD, buf_slice(&b), SLICE("new@example.org:{CRYPT}" OLD_HASH "\n"), 0600),
                     ERR_OK);
    assert_int_equal(store_file_check(f, SLICE("old@example.org"), SLICE("old")), ERR_PERMISSION);
    assert_int_equal(store_file_check(f, SLICE("new@example.org"), SLICE("old")), ERR_OK);
    store_file_close(&f);
}

/* A file has the hashes that it was made with, dear or cheap: who is not in it costs the same. */
static void threat_who_is_not_in_the_file_costs_the_same(void **state)
{
    static const char hash[] = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI"
                               "68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    char name[80], text[300];
    buf b;
    struct store_file *f = NULL;
    (void)state;
    buf_init_fixed(&b, name, sizeof name);
    buf_printf(&b, "%s/users", folder);
    assert_int_equal(store_file_open(buf_slice(&b), &f), ERR_OK);
    int len = snprintf(text, sizeof text, "none@example.org:plain\nalice@example.org:%s\n", hash);
    assert_int_equal(os_file_replace(AT_FDCWD, buf_slice(&b), slice_of(text, (size_t)len), 0600), ERR_OK);
    for (size_t i = 0; i < 4; i++) {
        static const char *const logins[] = {"alice@example.org", "nobody@example.org", "none@example.org", ""};
        /* "Hello world!" is the password; nobody else has it */
        enum err wanted = i == 0 ? ERR_OK : ERR_PERMISSION;
        assert_int_equal(store_file_check(f, slice_str(logins[i]), SLICE("Hello world!")), wanted);
        hashes = 0;
        assert_int_equal(store_file_check(f, slice_str(logins[i]), SLICE("wrong")), ERR_PERMISSION);
        assert_int_equal(hashes, 1);
        assert_memory_equal(hashed_as, "$6$", 3);
    }
    store_file_close(&f);
}

static void l1_hashes_of_a_file_that_are_taken(void **state)
{
    static const struct {
        const char *line, *hash;
    } rows[] = {{"a:$y$x", "$y$x"},
                {"a:{ARGON2ID}$argon2id$x:1:1", "$argon2id$x"},
                {"a: $2b$x ", "$2b$x"},
                {"a:plain", ""},
                {"a:{PLAIN}secret", ""},
                {"a:$1$x", ""}, /* md5crypt: too weak */
                {"a:", ""},
                {"a", ""},
                {"#a:$y$x", ""},
                {"b:$y$x\na:$6$x\n", "$6$x"},
                {"a:plain\na:$6$x", ""}}; /* the first line of a name counts */
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(slice_equal(store_file_find(slice_str(rows[i].line), SLICE("a")), slice_str(rows[i].hash)));
    /* RFC 4013: written in two characters, signed in with one */
    assert_true(slice_equal(store_file_find(SLICE("Bjo\xcc\x88rn:$y$x"), SLICE("bj\xc3\xb6rn")), SLICE("$y$x")));
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
        cmocka_unit_test_setup_teardown(e11_server_accounts_have_scram_keys, one_account, no_account),
        cmocka_unit_test(e11_server_a_database_of_old_is_brought_up),
        cmocka_unit_test_setup_teardown(e11_server_argon2id_is_one_hash_of_two, one_account, no_account),
        cmocka_unit_test_setup_teardown(threat_unknown_users_cost_the_same, one_account, no_account),
        cmocka_unit_test(l1_a_password_file_is_read_again),
        cmocka_unit_test(threat_who_is_not_in_the_file_costs_the_same),
        cmocka_unit_test(l1_hashes_of_a_file_that_are_taken),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
