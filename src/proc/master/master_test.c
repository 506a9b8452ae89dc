/* SPDX-License-Identifier: ISC */
/* The master with kinds of its own: each child connects itself to its peers, says READY and does what the test tells it through files of the state folder. What a child sees is
 * appended to STATE/events, one line an event. The master runs in a process of its own. */
#include "proc/master/master.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef FAULTS
#include <sys/mman.h>

#include <fault.h>
#endif

#include "proc/master/state.h"

/* A minute by looks, not by the clock: a machine that stands still for a while is no failure. */
#define LOOKS 12000
#define LOOK_US 5000

static char folder[64], conf_path[128], events_path[128], log_path[128];
static int master_pid;

/* --- the stub kinds --- */

struct stub {
    struct child child;
    struct loop_timer *timer;
    int events;
};

static void note(struct stub *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct stub *s, const char *format, ...)
{
    char memory[256];
    buf b;
    va_list args;
    const struct child_start *start = s->child.start;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_printf(&b, "%s %u pid %u: ", process_kind_name(start->kind), start->generation, process_pid());
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    buf_append_char(&b, '\n');
    (void)!write(s->events, b.ptr, b.len);
}

static void peer_up(void *ctx, struct hub_peer *p)
{
    note(ctx, "peer %s %u", process_kind_name(p->kind), p->generation);
}
static void peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    note(ctx, "%s %s %u", dead ? "dead" : "broken", process_kind_name(p->kind), p->generation);
}
static void message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    if (m->type == IPC_numbers)
        note(ctx, "numbers %llu count %u", (unsigned long long)m->u.numbers.first, m->u.numbers.count);
    else if (m->type == IPC_reload_done)
        note(ctx, "reload done %llu ok %u", (unsigned long long)m->u.reload_done.token, m->u.reload_done.ok);
    (void)p;
}
static void end_now(void *ctx)
{
    struct stub *s = ctx;
    child_stop(&s->child, 0);
}
static void drain(void *ctx, int64_t limit_ms)
{
    struct stub *s = ctx;
    note(s, "drain %lld", (long long)limit_ms);
    if (!s->timer && loop_timer_open(s->child.loop, end_now, s, &s->timer) == ERR_OK)
        loop_timer_start(s->timer, 50);
}
static void settled(void *ctx)
{
    struct stub *s = ctx;
    note(s, "settled");
}
static const struct ipc_hub_ops stub_ops = {peer_up, peer_down, message, drain, settled, NULL};

static bool is_there(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static int stub_main(const struct child_start *start)
{
    struct stub s = {.events = -1};
    if (child_begin(&s.child, start, "stub", &stub_ops, &s) != ERR_OK)
        return 1;
    if (os_open(AT_FDCWD, slice_str(events_path), O_WRONLY | O_APPEND, 0, &s.events) != ERR_OK)
        return 1;
    if (child_become(&s.child, PROCESS_NO_CAPS) != ERR_OK)
        return 1;
    if (start->kind == PROCESS_LOOKUP && is_there("lookup-fails"))
        return 3;
    note(&s, "started uid %u listen %zu spool %d", os_uid(), start->listen_count, start->spool_fd >= 0);
    if (start->ticket_key.len > 0)
        note(&s, "has a ticket key");
    child_ready(&s.child);
    if (start->kind == PROCESS_CONSOLE && is_there("console-reloads")) {
        struct ipc_message m = {.type = IPC_reload, .fd = -1, .u.reload = {77, 0}};
        ipc_hub_send(s.child.hub, NULL, &m);
    }
    if (start->kind == PROCESS_RECEIVER) {
        struct ipc_message m = {.type = IPC_numbers_wanted, .fd = -1, .u.numbers_wanted = {10}};
        ipc_hub_send(s.child.hub, NULL, &m);
    }
    return child_run(&s.child);
}

/* --- the master in its process --- */

static enum err load(void *ctx, buf *messages, struct conf **conf_r)
{
    (void)ctx;
    enum err e = conf_load(conf_path, false, messages, conf_r);
#ifdef FAULTS
    if (fault_plan && fault_plan->first > 0)
        atomic_store(&fault_plan->armed, 1); /* not before: the name service of the C library dies without memory */
#endif
    return e;
}

static void ready(void *ctx)
{
    (void)ctx;
    int fd;
    if (os_open(AT_FDCWD, slice_str(events_path), O_WRONLY | O_APPEND, 0, &fd) == ERR_OK)
        (void)!write(fd, "READY\n", 6);
}

static int receivers = 2;
static rlim_t descriptors; /* 0: as many as there are */

static void start_master(void)
{
    int pid;
    assert_int_equal(process_fork(&pid), ERR_OK);
    if (pid == 0) {
        int fd = -1;
        static const int deaths[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
        for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++)
            (void)signal(deaths[i], SIG_DFL); /* cmocka would go on with the next test, here, too */
        struct rlimit limit = {descriptors, descriptors};
        if (descriptors > 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0)
            process_exit(99);
        struct master_options o = {.load = load, .ready = ready, .receivers = (uint32_t)receivers};
        for (int k = 0; k < PROCESS_KIND_COUNT; k++)
            o.entries[k] = stub_main;
        if (os_open(AT_FDCWD, slice_str(log_path), O_WRONLY | O_CREAT | O_APPEND, 0666, &fd) == ERR_OK)
            dup2(fd, 2);
        process_exit(master_run(&o));
    }
    master_pid = pid;
}

/* --- what the test sees --- */

static slice read_all(const char *path)
{
    static char memory[1 << 20];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    if (os_file_read(AT_FDCWD, slice_str(path), &b) != ERR_OK)
        return SLICE_NONE;
    return buf_slice(&b);
}

static size_t count_in(const char *path, const char *text)
{
    size_t n = 0;
    slice rest = read_all(path), needle = slice_str(text);
    for (ptrdiff_t at; (at = slice_find(rest, needle)) >= 0; n++)
        rest = slice_skip(rest, (size_t)at + needle.len);
    return n;
}

static void wait_for(const char *path, const char *text, size_t count)
{
    for (int look = 0; look < LOOKS; look++) {
        if (count_in(path, text) >= count)
            return;
        usleep(LOOK_US);
    }
    fail_msg("no %zu times \"%s\" in:\n%.*s\n%.*s", count, text, SLICE_ARG(read_all(events_path)),
             SLICE_ARG(read_all(log_path)));
}

static void wait_event(const char *text, size_t count)
{
    wait_for(events_path, text, count);
}

static int master_status(void)
{
    int status = -1;
    for (int look = 0; look < LOOKS; look++) {
        if (waitpid(master_pid, &status, WNOHANG) == master_pid) {
            master_pid = 0;
            return process_status_code(status);
        }
        usleep(LOOK_US);
    }
    fail_msg("the master did not end:\n%.*s", SLICE_ARG(read_all(log_path)));
    return -1;
}

/* The newest pid of a kind that said "started". */
static int pid_of(const char *kind)
{
    int pid = 0;
    slice rest = read_all(events_path), line;
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &line, &rest);
        ptrdiff_t at = slice_find(line, SLICE(" pid "));
        if (!slice_starts(line, slice_str(kind)) || at < 0 || slice_find(line, SLICE("started")) < 0)
            continue;
        slice digits = slice_skip(line, (size_t)at + 5);
        uint64_t value = 0;
        (void)slice_cut(digits, ':', &digits, &line);
        assert_int_equal(slice_to_u64(digits, 1 << 30, &value), ERR_OK);
        pid = (int)value;
    }
    return pid;
}

static void write_conf(const char *more)
{
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "hostname = \"mail.example.org\"\npostmaster = \"alice@example.org\"\nstate_dir = \"%s/state\"\n"
                   "user = \"nobody\"\n%s\n[listen]\nmx = [\"unix:%s/mx.sock\"]\n"
                   "[domain.\"example.org\"]\ndeliver = \"maildir:%s/mail/{user}\"\nusers = [\"alice\"]\naliases = "
                   "\"%s/aliases\"\n",
                   folder, more, folder, folder, folder);
    assert_int_equal(os_file_replace(AT_FDCWD, slice_str(conf_path), slice_str(text), 0644), ERR_OK);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(os_file_replace(AT_FDCWD, slice_str(path), slice_str(text), 0644), ERR_OK);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/thurn-master-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    (void)snprintf(conf_path, sizeof conf_path, "%s/thurn.toml", folder);
    (void)snprintf(events_path, sizeof events_path, "%s/events", folder);
    (void)snprintf(log_path, sizeof log_path, "%s/log", folder);
    write_file("aliases", "sales: alice\n");
    write_file("events", "");
    assert_int_equal(chmod(events_path, 0666), 0);
    write_conf("");
    receivers = 2;
    descriptors = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
#ifdef FAULTS
    if (fault_plan) {
        atomic_store(&fault_plan->armed, 0);
        fault_plan->first = 0;
    }
#endif
    char command[128];
    if (master_pid > 1) {
        kill(master_pid, SIGKILL);
        waitpid(master_pid, NULL, 0);
        master_pid = 0;
    }
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

static void stop_cleanly(void)
{
    kill(master_pid, SIGTERM);
    assert_int_equal(master_status(), 0);
}

/* --- tests --- */

static void all_children_start_know_each_other_and_stop(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    wait_event("settled", 7);
    assert_int_equal(count_in(events_path, "started"), 7);
    assert_int_equal(count_in(events_path, "peer receiver 1\n"), 4); /* two by the queue, two by lookup */
    assert_int_equal(count_in(events_path, "peer queue 1\n"), 5);    /* sender, deliver, console, two receivers */
    assert_int_equal(count_in(events_path, "peer lookup 1\n"), 3);
    assert_int_equal(count_in(events_path, "peer console 1\n"), 1);
    assert_int_equal(count_in(events_path, "listen 2 spool 1"), 2); /* the mx listener and the local socket */
    if (os_uid() == 0)
        assert_int_equal(count_in(events_path, "started uid 0 "), 0);
    wait_event("count 65536", 3);
    wait_event("count 10\n", 2);
    stop_cleanly();
    assert_int_equal(count_in(events_path, "drain 30000"), 5);
    assert_int_equal(count_in(events_path, "drain 5000"), 2);
    assert_false(is_there("state/run/control.sock"));
}

static void wait_successor(const char *kind, int killed)
{
    for (int look = 0; pid_of(kind) == killed; look++) {
        if (look >= LOOKS)
            fail_msg("no %s after %d in:\n%.*s", kind, killed, SLICE_ARG(read_all(events_path)));
        usleep(LOOK_US);
    }
}

static void a_killed_child_is_replaced_and_its_death_told(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    for (int round = 1; round <= 2; round++) {
        int killed = pid_of("queue");
        kill(killed, SIGKILL);
        wait_event("dead queue 1", (size_t)(5 * round));
        wait_event("peer queue 1\n", (size_t)(5 + 5 * round));
        wait_successor("queue", killed); /* the others may hear of it before it says so itself */
    }
    kill(pid_of("receiver"), SIGKILL);
    wait_event("dead receiver 1", 2);
    wait_for(log_path, "killed by signal 9", 3);
    stop_cleanly();
}

static void a_reload_makes_a_new_generation_and_one_queue(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    write_conf("origin = \"example.org\"\n");
    kill(master_pid, SIGHUP);
    wait_event("queue 2 pid", 1);
    wait_event("peer queue 2\n", 5);
    wait_event("drain 600000", 4); /* two receivers, sender, deliver */
    wait_event("drain 5000", 3);   /* queue, lookup, console */
    assert_int_equal(count_in(events_path, "started"), 14);
    wait_for(log_path, "generation 2", 1);
    stop_cleanly();
}

static void a_bad_reload_changes_nothing(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    write_conf("alises = \"/etc/aliases\"\n");
    kill(master_pid, SIGHUP);
    wait_for(log_path, "unknown key", 1);
    wait_for(log_path, "nothing has changed", 1);
    assert_int_equal(count_in(events_path, "started"), 7);
    assert_int_equal(count_in(events_path, "drain"), 0);
    stop_cleanly();
}

static void a_changed_alias_file_reloads_and_a_broken_one_is_told_once(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    write_file("aliases", "sales: alice\nthis line has no colon\n");
    wait_for(log_path, "aliases:2", 1);
    wait_for(log_path, "nothing has changed", 1);
    usleep(2500 * 1000);
    assert_int_equal(count_in(log_path, "nothing has changed"), 1);
    assert_int_equal(count_in(events_path, "started"), 7);
    write_file("aliases", "sales: alice\ninfo: alice\n");
    wait_event("queue 2 pid", 1);
    stop_cleanly();
}

/* In the log, which has a mark for it; also of what is found beside an error, which is none. */
static void a_warning_at_a_reload_says_so_once(void **state)
{
    (void)state;
    char found[256], state_path[128];
    start_master();
    wait_event("READY", 1);
    write_file("aliases", "lost: nobody\n");
    (void)snprintf(found, sizeof found, " warning: %s/aliases:1: alias \"lost\" of example.org leads to nobody",
                   folder);
    wait_for(log_path, found, 1);
    wait_for(log_path, "generation 2", 1);
    (void)snprintf(state_path, sizeof state_path, "%s/state", folder);
    assert_int_equal(chmod(state_path, 0777), 0);
    kill(master_pid, SIGHUP);
    wait_for(log_path, "nothing has changed", 1);
    assert_int_equal(count_in(log_path, found), 2);
    (void)snprintf(found, sizeof found, " error: %s: error: state_dir", conf_path);
    assert_int_equal(count_in(log_path, found), 1);
    stop_cleanly();
}

static void whoever_asks_for_a_reload_is_answered(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    write_conf("bad_key = 1\n");
    write_file("console-reloads", "");
    kill(pid_of("console"), SIGKILL);
    wait_event("reload done 77 ok 0", 1);
    stop_cleanly();
}

static void a_kind_that_cannot_start_ends_the_start(void **state)
{
    (void)state;
    write_file("lookup-fails", "");
    start_master();
    assert_int_equal(master_status(), 70);
    assert_int_equal(count_in(events_path, "READY"), 0);
    assert_true(count_in(log_path, "lookup cannot start") == 1);
}

static void sessions_leave_room_for_files(void **state)
{
    (void)state;
    descriptors = 512;
    write_conf("[limits]\nsessions = 449");
    start_master();
    wait_event("READY", 1);
    wait_for(log_path, "warning: [limits] sessions = 449 is lowered to 448: a process may have 512 descriptors", 1);
    write_conf("[limits]\nsessions = 448");
    kill(master_pid, SIGHUP);
    wait_for(log_path, "reloaded", 1);
    assert_int_equal(count_in(log_path, "is lowered"), 1);
    stop_cleanly();
}

#ifdef FAULTS
/* Whatever queue there is in the end has been told of everybody, and has numbers. */
static void wait_queue_settled(void)
{
    char settled[64], numbers[64];
    for (int look = 0; look < LOOKS; look++, usleep(LOOK_US)) {
        (void)snprintf(settled, sizeof settled, "pid %d: settled", pid_of("queue"));
        (void)snprintf(numbers, sizeof numbers, "pid %d: numbers", pid_of("queue"));
        if (count_in(events_path, settled) > 0 && count_in(events_path, numbers) > 0)
            return;
    }
    fail_msg("the queue waits for ever:\n%.*s\n%.*s", SLICE_ARG(read_all(events_path)), SLICE_ARG(read_all(log_path)));
}

/* True when the fault was met: the master is ready all the same, with a queue that knows who is there, or it has ended by itself. */
static bool starts_without_memory(uint64_t nth)
{
    fault_plan->first = fault_plan->last = nth;
    atomic_store(&fault_plan->seen, 0);
    atomic_store(&fault_plan->hits, 0);
    write_file("events", "");
    assert_int_equal(chmod(events_path, 0666), 0);
    start_master();
    for (int look = 0; count_in(events_path, "READY") == 0; look++) {
        int status = 0;
        if (waitpid(master_pid, &status, WNOHANG) == master_pid) {
            master_pid = 0;
            atomic_store(&fault_plan->armed, 0);
            assert_true(WIFEXITED(status));
            return true;
        }
        if (look >= LOOKS)
            fail_msg("allocation %llu fails, and the start never ends:\n%.*s", (unsigned long long)nth,
                     SLICE_ARG(read_all(log_path)));
        usleep(LOOK_US);
    }
    atomic_store(&fault_plan->armed, 0);
    wait_queue_settled();
    stop_cleanly();
    return atomic_load(&fault_plan->hits) > 0;
}

static void no_lack_of_memory_leaves_a_child_waiting(void **state)
{
    (void)state;
    fault_plan = mmap(NULL, sizeof *fault_plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(fault_plan != MAP_FAILED);
    fault_plan->kinds = 1u << FAULT_MASTER;
    fault_plan->calls = 1u << FAULT_MALLOC;
    fault_plan->error = 12;
    uint64_t nth = 1;
    while (starts_without_memory(nth))
        nth++;
    assert_true(nth > 20);
}
#endif

/* The user that owns the state folder must not lead root elsewhere. */
static void threat_a_link_in_a_folder_s_place_is_refused(void **state)
{
    (void)state;
    char from[256], to[256];
    (void)snprintf(to, sizeof to, "%s/elsewhere", folder);
    assert_int_equal(mkdir(to, 0755), 0);
    start_master();
    wait_event("READY", 1);
    stop_cleanly();
    (void)snprintf(from, sizeof from, "%s/state/run", folder);
    assert_int_equal(rmdir(from), 0);
    assert_int_equal(symlink(to, from), 0);
    start_master();
    assert_int_equal(master_status(), 78);
    assert_int_equal(count_in(log_path, "is a link"), 1);
}

static void only_receivers_have_the_ticket_key(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    assert_int_equal(count_in(events_path, "has a ticket key"), receivers);
    slice rest = read_all(events_path), line;
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &line, &rest);
        if (slice_find(line, SLICE("has a ticket key")) >= 0)
            assert_true(slice_starts(line, SLICE("receiver")));
    }
    stop_cleanly();
}

static void a_second_instance_is_refused_and_the_first_lives(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    int first = master_pid;
    start_master();
    assert_int_equal(master_status(), 75);
    assert_true(count_in(log_path, "another thurn runs") == 1);
    master_pid = first;
    stop_cleanly();
}

static void a_bad_configuration_does_not_start(void **state)
{
    (void)state;
    write_conf("alises = 1\n");
    start_master();
    assert_int_equal(master_status(), 78);
    assert_int_equal(count_in(log_path, "unknown key"), 1);
    assert_false(is_there("state"));
}

static void children_end_with_their_master(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    int queue = pid_of("queue"), lookup = pid_of("lookup");
    kill(master_pid, SIGKILL);
    waitpid(master_pid, NULL, 0);
    master_pid = 0;
    for (int look = 0; look < LOOKS; look++) {
        if (kill(queue, 0) != 0 && kill(lookup, 0) != 0)
            return;
        usleep(LOOK_US);
    }
    fail_msg("children outlive their master");
}

/* A queue may read its folder for minutes before it is ready: all that time the master would turn without a pause. */
static void a_watchdog_does_not_keep_a_starting_master_awake(void **state)
{
    (void)state;
    static struct master m;
    m.keepalive.every_ms = 500;
    assert_true(master_keepalive_soonest(&m) == NEVER);
    m.announced = true;
    m.keepalive.at_ms = 1234;
    assert_int_equal(master_keepalive_soonest(&m), 1234);
    m.keepalive.every_ms = 0;
    assert_true(master_keepalive_soonest(&m) == NEVER);
}

static void a_second_sigterm_ends_at_once(void **state)
{
    (void)state;
    start_master();
    wait_event("READY", 1);
    kill(pid_of("queue"), SIGSTOP);
    kill(master_pid, SIGTERM);
    wait_event("drain 30000", 5);
    wait_for(log_path, "stopping", 1);
    kill(master_pid, SIGTERM);
    assert_int_equal(master_status(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_children_start_know_each_other_and_stop, begin, end),
        cmocka_unit_test_setup_teardown(a_killed_child_is_replaced_and_its_death_told, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_makes_a_new_generation_and_one_queue, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_reload_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_changed_alias_file_reloads_and_a_broken_one_is_told_once, begin, end),
        cmocka_unit_test_setup_teardown(a_warning_at_a_reload_says_so_once, begin, end),
        cmocka_unit_test_setup_teardown(whoever_asks_for_a_reload_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(a_kind_that_cannot_start_ends_the_start, begin, end),
        cmocka_unit_test_setup_teardown(a_second_instance_is_refused_and_the_first_lives, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_configuration_does_not_start, begin, end),
        cmocka_unit_test_setup_teardown(sessions_leave_room_for_files, begin, end),
#ifdef FAULTS
        cmocka_unit_test_setup_teardown(no_lack_of_memory_leaves_a_child_waiting, begin, end),
#endif
        cmocka_unit_test_setup_teardown(threat_a_link_in_a_folder_s_place_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(only_receivers_have_the_ticket_key, begin, end),
        cmocka_unit_test_setup_teardown(children_end_with_their_master, begin, end),
        cmocka_unit_test_setup_teardown(a_second_sigterm_ends_at_once, begin, end),
        cmocka_unit_test(a_watchdog_does_not_keep_a_starting_master_awake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
