/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void o11_watchdog_is_for_us(void **state)
{
    (void)state;
    static const struct {
        const char *usec, *pid;
        int64_t ms;
    } rows[] = {
        {NULL, NULL, 0},
        {NULL, "7", 0},
        {"180000000", "7", 180000},
        {"180000000", NULL, 180000}, /* sd_watchdog_enabled(3): without WATCHDOG_PID it is for whoever reads it */
        {"180000000", "8", 0},
        {"180000000", "", 0},
        {"180000000", "7x", 0},
        {"", "7", 0},
        {"-1", "7", 0},
        {"1500", "7", 1},
        {"99999999999999999999", "7", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = os_watchdog_ms(rows[i].usec, rows[i].pid, 7);
        if (ms != rows[i].ms)
            fail_msg("row %zu: %lld", i, (long long)ms);
    }
}

static void o11_credentials_have_their_folder(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        slice name;
        enum err e;
        slice path;
    } rows[] = {
        {"/run/credentials/other.service", SLICE("relay"), ERR_OK, SLICE("/run/credentials/other.service/relay")},
        {NULL, SLICE("tls.key"), ERR_OK, SLICE("/run/credentials/thurn.service/tls.key")},
        {"", SLICE("relay"), ERR_OK, SLICE("/run/credentials/thurn.service/relay")},
        {"relative", SLICE("relay"), ERR_OK, SLICE("/run/credentials/thurn.service/relay")},
        {"/c", SLICE(""), ERR_SYNTAX, SLICE("")},
        {"/c", SLICE(".."), ERR_SYNTAX, SLICE("")},
        {"/c", SLICE("../shadow"), ERR_SYNTAX, SLICE("")},
        {"/c", SLICE("a/b"), ERR_SYNTAX, SLICE("")},
        {"/c", SLICE("a\nb"), ERR_SYNTAX, SLICE("")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[256];
        buf path;
        buf_init_fixed(&path, memory, sizeof memory);
        if (rows[i].folder)
            setenv("CREDENTIALS_DIRECTORY", rows[i].folder, 1);
        else
            unsetenv("CREDENTIALS_DIRECTORY");
        enum err e = os_credential_path(rows[i].name, &path);
        if (e != rows[i].e || !slice_equal(buf_slice(&path), rows[i].path))
            fail_msg("row %zu: %s, %.*s", i, err_text(e), SLICE_ARG(buf_slice(&path)));
    }
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void o11_says_to_the_socket_what_it_is_given(void **state)
{
    (void)state;
    char folder[] = "/tmp/thurn-notify-XXXXXX", got[200];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(os_notify(SLICE("READY=1")), ERR_OK);
    assert_int_equal(recv(fd, got, sizeof got, 0), -1);

    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    assert_int_equal(os_notify(SLICE("READY=1")), ERR_OK);
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_memory_equal(got, "READY=1", 7);

    int64_t before = os_now_us();
    assert_int_equal(os_notify_reloading(), ERR_OK);
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    static const char head[] = "RELOADING=1\nMONOTONIC_USEC=";
    assert_true(n > (ssize_t)sizeof head);
    assert_memory_equal(got, head, sizeof head - 1);
    uint64_t usec = 0;
    assert_int_equal(slice_to_u64(slice_skip(slice_of(got, (size_t)n), sizeof head - 1), INT64_MAX, &usec), ERR_OK);
    assert_in_range(usec, before, os_now_us()); /* systemd takes an older one for that of the reload before */

    close(fd);
    unlink(at.sun_path);
    assert_int_not_equal(os_notify(SLICE("READY=1")), ERR_OK);
    rmdir(folder);
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(o11_watchdog_is_for_us),
        cmocka_unit_test(o11_credentials_have_their_folder),
        cmocka_unit_test(o11_says_to_the_socket_what_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
