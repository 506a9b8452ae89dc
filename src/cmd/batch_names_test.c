/* SPDX-License-Identifier: ISC */
#include "cmd/batch_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "os/os.h"

static int dir = -1;
static char folder[64];

static void make(const char *name)
{
    int fd = -1;
    assert_int_equal(os_open(dir, slice_str(name), O_WRONLY | O_CREAT, 0600, &fd), ERR_OK);
    os_close(&fd);
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/thurn-names-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return os_open(AT_FDCWD, slice_str(folder), O_RDONLY | O_DIRECTORY, 0, &dir) == ERR_OK ? 0 : -1;
}

static int finish(void **state)
{
    char command[128];
    (void)state;
    os_close(&dir);
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    return system(command);
}

static bool no_dot(slice name)
{
    return name.ptr[0] != '.';
}

static void expect(struct batch_names *n, const char *wanted)
{
    slice name;
    enum err e = batch_names_next(n, &name);
    assert_int_equal(e, wanted ? ERR_OK : ERR_NOTFOUND);
    if (wanted && !slice_equal(name, slice_str(wanted)))
        fail_msg("%.*s, not %s", SLICE_ARG(name), wanted);
}

static void b2_names_in_order_each_once(void **state)
{
    struct batch_names *n = NULL;
    char name[16];
    (void)state;
    for (int i = 2999; i >= 0; i--) {
        snprintf(name, sizeof name, "n%04d", i);
        make(name);
        make(i % 2 ? "a" : ".hidden");
    }
    assert_int_equal(batch_names_open(dir, no_dot, &n), ERR_OK);
    expect(n, "a");
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "n%04d", i);
        expect(n, name);
        /* What is taken meanwhile, and what comes before, harms nothing. */
        if (i % 3 == 0)
            assert_int_equal(os_unlink(dir, slice_str(name)), ERR_OK);
        if (i == 1500)
            make("b");
    }
    expect(n, NULL);
    expect(n, NULL);
    batch_names_close(&n);
    assert_null(n);
}

static void b2_no_names(void **state)
{
    struct batch_names *n = NULL;
    (void)state;
    make(".hidden");
    assert_int_equal(batch_names_open(dir, no_dot, &n), ERR_OK);
    expect(n, NULL);
    batch_names_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(b2_names_in_order_each_once, begin, finish),
        cmocka_unit_test_setup_teardown(b2_no_names, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
