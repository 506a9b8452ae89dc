/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct arena arena;

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

/* Each row's check runs in a child of its own; its exit status is the number of the first step that failed, or 0. */
static int in_child(int (*steps)(void))
{
    int pid = -1, status = -1;
    assert_int_equal(process_fork(&pid), ERR_OK);
    if (pid == 0)
        _exit(steps());
    while (process_reap(&pid, &status) == ERR_AGAIN)
        usleep(1000);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define STEP(number, condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return number;                                                                                             \
    } while (0)

static struct os_user nobody;

/* The line of /proc/self/status that begins with name, as a number in base 16. */
static unsigned long long status_hex(const char *name)
{
    char line[256];
    unsigned long long value = ~0ull;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoull(line + strlen(name), NULL, 16);
    }
    if (f)
        fclose(f);
    return value;
}

static int becomes_powerless(void)
{
    gid_t groups[64];
    STEP(1, process_become(&nobody, PROCESS_NO_CAPS) == ERR_OK);
    STEP(2, getuid() == nobody.uid && geteuid() == nobody.uid && getegid() == nobody.gid);
    STEP(3, setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0);
    STEP(4, status_hex("CapPrm:") == 0 && status_hex("CapEff:") == 0 && status_hex("CapBnd:") == 0);
    STEP(5, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    STEP(6, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    int count = getgroups(64, groups);
    for (int i = 0; i < count; i++)
        STEP(7, groups[i] != 0);
    return 0;
}

static int keeps_three_capabilities_then_none(void)
{
    unsigned long long three = 1ull << 5 | 1ull << 6 | 1ull << 7; /* kill, setgid, setuid */
    STEP(1, process_become(&nobody, PROCESS_SETUID_CAPS) == ERR_OK);
    STEP(2, geteuid() == nobody.uid);
    STEP(3, status_hex("CapPrm:") == three && status_hex("CapEff:") == three);
    STEP(4, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    struct os_user root = {.uid = 0, .gid = 0, .name = SLICE("root")};
    struct os_user root_group = {.uid = 12345, .gid = 0, .name = SLICE("x")};
    STEP(5, process_become_recipient(&root) == ERR_PERMISSION);
    STEP(6, process_become_recipient(&root_group) == ERR_PERMISSION);
    STEP(7, geteuid() == nobody.uid);
    struct os_user recipient = {.uid = 12345, .gid = 12346, .name = SLICE("nosuchuserhere")};
    STEP(8, process_become_recipient(&recipient) == ERR_OK);
    STEP(9, getuid() == 12345 && getgid() == 12346);
    STEP(10, status_hex("CapPrm:") == 0 && status_hex("CapEff:") == 0);
    STEP(11, setuid(0) != 0 && setuid(nobody.uid) != 0);
    gid_t groups[64];
    int count = getgroups(64, groups);
    STEP(12, count == 0 || (count == 1 && groups[0] == 12346));
    return 0;
}

static int an_ordinary_user_stays_what_it_is(void)
{
    struct os_user self = {.name = SLICE("nobody")};
    if (getuid() == 0)
        STEP(1, setgroups(0, NULL) == 0 && setgid(nobody.gid) == 0 && setuid(nobody.uid) == 0);
    self.uid = getuid();
    self.gid = getgid();
    STEP(2, process_become(&self, PROCESS_NO_CAPS) == ERR_OK);
    STEP(3, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    struct os_user other = {.uid = self.uid + 1, .gid = self.gid, .name = SLICE("other")};
    STEP(4, process_become_recipient(&other) == ERR_PERMISSION);
    STEP(5, process_become_recipient(&self) == (self.uid && self.gid ? ERR_OK : ERR_PERMISSION));
    STEP(6, getuid() == self.uid);
    return 0;
}

static void root_gives_up_its_power(void **state)
{
    (void)state;
    assert_int_equal(os_user_by_name(SLICE("nobody"), &arena, &nobody), ERR_OK);
    if (os_uid() == 0) {
        assert_int_equal(in_child(becomes_powerless), 0);
        assert_int_equal(in_child(keeps_three_capabilities_then_none), 0);
    }
    assert_int_equal(in_child(an_ordinary_user_stays_what_it_is), 0);
}

static void users_are_found_or_not_there(void **state)
{
    (void)state;
    struct os_user u = {.uid = 77}, same;
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(os_user_by_name(SLICE("root"), &arena, &u), ERR_OK);
    assert_int_equal(u.uid, 0);
    assert_true(slice_equal(u.home, SLICE("/root")));
    assert_int_equal(os_user_by_uid(0, &arena, &same), ERR_OK);
    assert_true(slice_equal(same.name, SLICE("root")));
    u.uid = 77;
    assert_int_equal(os_user_by_name(SLICE("no-such-user-here"), &arena, &u), ERR_NOTFOUND);
    assert_int_equal(os_user_by_name(SLICE("root\0x"), &arena, &u), ERR_NOTFOUND);
    assert_int_equal(os_user_by_name(SLICE_NONE, &arena, &u), ERR_NOTFOUND);
    assert_int_equal(os_user_by_name(slice_of(longest, sizeof(longest)), &arena, &u), ERR_NOTFOUND);
    assert_int_equal(os_user_by_uid(4000000000u, &arena, &u), ERR_NOTFOUND);
    assert_int_equal(u.uid, 77);
}

static int keep_fd, drop_fd;
static uint32_t parent;

static int begins_as_a_child(void)
{
    char comm[32] = "";
    int keep[] = {keep_fd, -1};
    sigset_t blocked;
    signal(SIGUSR1, SIG_IGN);
    sigfillset(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    process_child_begin("thurn: receiver", parent, keep, 2);
    STEP(1, fcntl(keep_fd, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0);
    STEP(2, fcntl(drop_fd, F_GETFD) < 0);
    prctl(PR_GET_NAME, comm, 0, 0, 0);
    STEP(3, strcmp(comm, "thurn-receiver") == 0);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    STEP(4, now.sa_handler == SIG_DFL);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    STEP(5, !sigismember(&blocked, SIGTERM));
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
    STEP(6, death == SIGTERM);
    if (os_uid() == 0) {
        STEP(7, process_become(&nobody, PROCESS_NO_CAPS) == ERR_OK);
        prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
        STEP(8, death == SIGTERM); /* the change of user must not lose it */
    }
    char title[64] = "";
    FILE *f = fopen("/proc/self/cmdline", "r");
    STEP(9, f && fgets(title, sizeof(title), f));
    STEP(10, strncmp(title, "thurn: receiver", 15) == 0);
    return 0;
}

static int an_orphan_leaves(void)
{
    process_child_begin("thurn: orphan", parent + 1, NULL, 0);
    return 1; /* not reached: the parent is another one */
}

static void a_child_begins_clean(void **state)
{
    (void)state;
    assert_int_equal(os_user_by_name(SLICE("nobody"), &arena, &nobody), ERR_OK);
    drop_fd = dup(1);
    keep_fd = dup(1);
    parent = (uint32_t)getpid();
    assert_int_equal(in_child(begins_as_a_child), 0);
    assert_int_equal(in_child(an_orphan_leaves), 0);
    close(drop_fd);
    close(keep_fd);
}

static void an_end_is_told_in_words(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {0, "exited with status 0"},
        {75 << 8, "exited with status 75"},
        {9, "killed by signal 9 (Killed)"},
        {11 | 0x80, "killed by signal 11 (Segmentation fault)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[100];
        buf b;
        buf_init_fixed(&b, text, sizeof(text));
        process_status_print(&b, rows[i].status);
        assert_true(slice_equal(buf_slice(&b), slice_str(rows[i].text)));
    }
    int pid, status;
    assert_int_equal(process_reap(&pid, &status), ERR_AGAIN);
}

/* Runs a command with this input; its output goes to out, its wait status is the result. */
static int run(struct process_command *c, slice input, buf *out)
{
    int in[2], outs[2], pid = -1, status = -1, reaped = -1;
    char piece[4096];
    ssize_t n;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(outs), 0);
    assert_int_equal(write(in[1], input.ptr, input.len), input.len);
    close(in[1]);
    c->in_fd = in[0];
    c->out_fd = outs[1];
    assert_int_equal(process_command_start(c, &pid), ERR_OK);
    close(in[0]);
    close(outs[1]);
    while ((n = read(outs[0], piece, sizeof(piece))) > 0)
        buf_append(out, slice_of(piece, (size_t)n));
    close(outs[0]);
    while (process_reap(&reaped, &status) == ERR_AGAIN)
        usleep(1000);
    assert_int_equal(reaped, pid);
    return status;
}

static void a_command_sees_what_it_is_given_only(void **state)
{
    (void)state;
    static const slice environment[] = {SLICE("SENDER=a b;$(id)"), SLICE("HOME=/given")};
    struct process_command c = {
        .command = SLICE("cat; env | sort; pwd; ls /proc/self/fd | wc -l; ulimit -c; echo bad >&2; exit 67"),
        .environment = environment,
        .environment_count = 2,
        .folder = SLICE("/tmp"),
    };
    setenv("SECRET_OF_THE_SERVER", "x", 1);
    int extra = fcntl(1, F_DUPFD, 50);
    buf out;
    buf_init(&out, 1 << 20);
    int status = run(&c, SLICE("the message\n"), &out);
    close(extra);
    assert_int_equal(WEXITSTATUS(status), 67);
    slice s = buf_slice(&out);
    assert_true(slice_starts(s, SLICE("the message\n")));
    assert_true(slice_find(s, SLICE("\nSENDER=a b;$(id)\n")) > 0);
    assert_true(slice_find(s, SLICE("\nHOME=/given\n")) > 0);
    assert_true(slice_find(s, SLICE("\nPATH=/usr/local/bin:/usr/bin:/bin\n")) > 0);
    assert_true(slice_find(s, SLICE("\nUSER=")) > 0);
    assert_true(slice_find(s, SLICE("\nSHELL=/bin/sh\n")) > 0);
    assert_true(slice_find(s, SLICE("SECRET")) < 0);
    assert_true(slice_find(s, SLICE("\n/tmp\n4\n0\nbad\n")) > 0); /* 0, 1, 2 and ls's own; no core */
    buf_deinit(&out);
}

static void what_keeps_a_command_from_starting_is_temporary(void **state)
{
    (void)state;
    struct process_command c = {.command = SLICE("echo started"), .folder = SLICE("/no/such/folder")};
    buf out;
    buf_init(&out, 1000);
    assert_int_equal(WEXITSTATUS(run(&c, SLICE_NONE, &out)), 75);
    assert_int_equal(out.len, 0);
    int pid = -7;
    c.command = SLICE("echo\0x");
    assert_int_equal(process_command_start(&c, &pid), ERR_SYNTAX);
    assert_int_equal(pid, -7);
    buf_deinit(&out);
}

static void a_command_is_bounded_and_killed_as_a_group(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1000);
    struct process_command c = {.command = SLICE("while :; do :; done"), .cpu_seconds = 1};
    int status = run(&c, SLICE_NONE, &out);
    assert_true(WIFSIGNALED(status));
    int ends[2], pid = -1, reaped = -1;
    char byte;
    assert_int_equal(pipe(ends), 0);
    c = (struct process_command){.command = SLICE("echo x; sleep 100 & sleep 100; :"), .in_fd = 0, .out_fd = ends[1]};
    assert_int_equal(process_command_start(&c, &pid), ERR_OK);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    process_kill(-pid, SIGKILL);
    while (process_reap(&reaped, &status) == ERR_AGAIN)
        usleep(1000);
    assert_int_equal(reaped, pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    while (read(ends[0], &byte, 1) > 0)
        ; /* ends only when the whole group is gone */
    close(ends[0]);
    buf_deinit(&out);
}

static int *shared;

static int writes_shared(void)
{
    shared[100] = 42;
    return 0;
}

static void memory_is_shared_with_children(void **state)
{
    (void)state;
    void *memory = NULL;
    assert_int_equal(process_shared_memory(4096, &memory), ERR_OK);
    shared = memory;
    assert_int_equal(shared[100], 0);
    assert_int_equal(in_child(writes_shared), 0);
    assert_int_equal(shared[100], 42);
    assert_int_not_equal(process_shared_memory(SIZE_MAX / 2, &memory), ERR_OK);
    assert_ptr_equal(memory, shared);
}

static void descriptors_rise_to_the_hard_limit(void **state)
{
    (void)state;
    struct rlimit before, after;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    assert_int_equal(process_raise_descriptors(), before.rlim_max);
    getrlimit(RLIMIT_NOFILE, &after);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    setrlimit(RLIMIT_NOFILE, &before);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_gives_up_its_power),
        cmocka_unit_test(users_are_found_or_not_there),
        cmocka_unit_test(a_child_begins_clean),
        cmocka_unit_test(an_end_is_told_in_words),
        cmocka_unit_test(a_command_sees_what_it_is_given_only),
        cmocka_unit_test(what_keeps_a_command_from_starting_is_temporary),
        cmocka_unit_test(a_command_is_bounded_and_killed_as_a_group),
        cmocka_unit_test(memory_is_shared_with_children),
        cmocka_unit_test(descriptors_rise_to_the_hard_limit),
    };
    process_title_init(argc, argv);
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
