/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TRIES 200
enum outcome { SAID_AND_LASTS, SAID_AND_PASSED, FINE, SILENT };

/* OpenSSL's memory: the nth piece is not there. */
static struct {
    bool counts;
    unsigned long count, fails_at;
} memory;

static bool is_short(void)
{
    return memory.counts && ++memory.count == memory.fails_at;
}

static void *take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_short() ? NULL : malloc(size);
}

static void *change(void *piece, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_short() ? NULL : realloc(piece, size);
}

static void give(void *piece, const char *file, int line)
{
    (void)file;
    (void)line;
    free(piece);
}

static bool prepare(void)
{
    char text[256];
    buf why;
    buf_init_fixed(&why, text, sizeof text);
    enum err e = tls_prepare(&why);
    assert_int_equal(why.len > 0, e != ERR_OK);
    return e == ERR_OK;
}

/* In a process of its own, as if it were the master's start: what came of it, and whether TLS works afterwards, when there is memory again. */
static enum outcome outcome_of(unsigned long fails_at, unsigned long *count_r)
{
    int pipe_fds[2], status;
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        memory.fails_at = fails_at;
        memory.counts = true;
        bool first = prepare();
        memory.counts = false;
        bool later = prepare();
        if (write(pipe_fds[1], &memory.count, sizeof memory.count) != sizeof memory.count)
            _exit(99);
        _exit(first ? (later ? FINE : SILENT) : (later ? SAID_AND_PASSED : SAID_AND_LASTS));
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], count_r, sizeof *count_r), sizeof *count_r);
    close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (enum outcome)WEXITSTATUS(status);
}

static void what_memory_was_short_for_is_told_before_there_are_processes(void **state)
{
    (void)state;
    unsigned long total, count, seen[4] = {0};
    assert_int_equal(outcome_of(0, &total), FINE);
    assert_true(total > TRIES);
    for (unsigned long i = 0; i < TRIES; i++) {
        enum outcome o = outcome_of(1 + i * (total - 1) / (TRIES - 1), &count);
        assert_true(o <= SILENT);
        seen[o]++;
    }
    print_message("%lu pieces of memory: lasting %lu, passed %lu, fine %lu\n", total, seen[SAID_AND_LASTS],
                  seen[SAID_AND_PASSED], seen[FINE]);
    assert_int_equal(seen[SILENT], 0);
    assert_true(seen[SAID_AND_LASTS] > 0); /* else there is nothing to prepare for any more */
}

/* Asks of every certificate more than the one has that a handshake with itself is made with. */
static void a_strict_policy_of_the_machine_is_no_lack(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "CipherString = DEFAULT@SECLEVEL=4\n",
        "SignatureAlgorithms = ECDSA+SHA384:RSA-PSS+SHA384\nGroups = P-384\n",
        "MaxProtocol = TLSv1.2\nCipherString = ECDHE-RSA-AES256-GCM-SHA384\n",
        "Ciphersuites = TLS_AES_256_GCM_SHA384\nMinProtocol = TLSv1.3\n",
    };
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        char path[] = "/tmp/thurn-policy-XXXXXX";
        unsigned long count;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_true(dprintf(fd, "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n%s", policies[i]) >
                    0);
        close(fd);
        assert_int_equal(setenv("OPENSSL_CONF", path, 1), 0);
        enum outcome o = outcome_of(0, &count);
        assert_int_equal(unsetenv("OPENSSL_CONF"), 0);
        assert_int_equal(unlink(path), 0);
        if (o != FINE)
            fail_msg("TLS is said not to work under: %s", policies[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_memory_was_short_for_is_told_before_there_are_processes),
        cmocka_unit_test(a_strict_policy_of_the_machine_is_no_lack),
    };
    if (CRYPTO_set_mem_functions(take, change, give) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
