/* SPDX-License-Identifier: ISC */
/* What each kind of process may do, and what it may not: every deed is tried in a process that has entered the kind's own sandbox, and in one that has entered none, where it must work. Under root both
 * run as nobody, with the capabilities that the kind keeps. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/console/console.h"
#include "proc/deliver/deliver.h"
#include "proc/keys/keys.h"
#include "proc/lookup/lookup.h"
#include "proc/queue/queue.h"
#include "proc/receiver/receiver.h"
#include "proc/sender/sender.h"

/* The world around the process. */
static struct {
    char dir[64], spool[80], other[80];
    int spool_fd, listen_fd, spare_fd, lock_fd;
    struct sockaddr_in tcp;
    struct sockaddr_un local, datagrams;
    pid_t sibling, *old_kernel; /* the latter in shared memory */
    struct os_user user;
    struct arena arena;
    struct conf *plain, *commands;
    bool root;
    int landlock; /* ABI */
} g;

/* --- deeds: 0, or errno --- */

static int open_it(const char *folder, const char *name, int flags)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, flags, 0600);
    int error = errno;
    if (fd < 0)
        return error;
    (void)close(fd);
    return 0;
}

static int result(long r)
{
    return r < 0 ? errno : 0;
}

static int read_spool(void)
{
    return open_it(g.spool, "mail", O_RDONLY);
}

static int write_spool(void)
{
    return open_it(g.spool, "mine", O_WRONLY | O_CREAT);
}

static int read_other(void)
{
    return open_it(g.other, "secret", O_RDONLY);
}

static int write_other(void)
{
    return open_it(g.other, "mine", O_WRONLY | O_CREAT);
}

static int read_passwd(void)
{
    return open_it("/etc", "passwd", O_RDONLY);
}

static int read_shadow(void)
{
    return open_it("/etc", "shadow", O_RDONLY);
}

static int run_program(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL}, *const environment[] = {NULL};
    return result(execve("/bin/true", argv, environment));
}

static int fork_one(void)
{
    pid_t pid = _Fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : result(waitpid(pid, NULL, 0));
}

static void *nothing(void *ctx)
{
    return ctx;
}

static int start_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing, NULL);
    return error != 0 ? error : pthread_join(thread, NULL);
}

static int connect_tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? errno : result(connect(fd, (const struct sockaddr *)&g.tcp, sizeof g.tcp));
}

static int connect_local(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? errno : result(connect(fd, (const struct sockaddr *)&g.local, sizeof g.local));
}

static int send_datagram(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? errno : result(sendto(fd, "x", 1, 0, (const struct sockaddr *)&g.tcp, sizeof g.tcp));
}

static int listen_tcp(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) != 0)
        return errno;
    return result(listen(fd, 1));
}

/* On a socket of ours, too, that was bound before. */
static int listen_again(void)
{
    return result(listen(g.listen_fd, 2));
}

static int accept_one(void)
{
    int fd = accept4(g.listen_fd, NULL, NULL, SOCK_NONBLOCK);
    return fd < 0 && errno != EAGAIN ? errno : 0;
}

static int trace_sibling(void)
{
    return result(ptrace(PTRACE_SEIZE, g.sibling, NULL, NULL));
}

static int read_sibling(void)
{
    char here[8];
    struct iovec to = {here, sizeof here}, from = {g.dir, sizeof here};
    return result(process_vm_readv(g.sibling, &to, 1, &from, 1, 0));
}

static int signal_sibling(void)
{
    return result(kill(g.sibling, SIGURG));
}

static int signal_thread(void)
{
    return result(syscall(SYS_tgkill, g.sibling, g.sibling, SIGURG));
}

/* By the kernel, in our name. */
static int signal_by_descriptor(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return errno;
    if (fcntl(pair[0], F_SETOWN, g.sibling) != 0 || fcntl(pair[0], F_SETSIG, SIGURG) != 0)
        return errno;
    return 0;
}

static int send_named_datagram(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
        return errno;
    return result(sendto(pair[0], "x", 1, 0, (const struct sockaddr *)&g.datagrams, sizeof g.datagrams));
}

/* On a listening socket of our own that is inherited; its siblings' would be the same. */
static int stop_listening(void)
{
    return result(shutdown(g.spare_fd, SHUT_RDWR));
}

static int end_a_stream(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return errno;
    return result(shutdown(pair[0], SHUT_WR));
}

static int lock_a_file(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return result(fcntl(g.lock_fd, F_OFD_SETLK, &lock));
}

static int number_of_interface(void)
{
    return if_nametoindex("lo") == 0 ? errno : 0;
}

static int make_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int fork_into_namespace(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    return result(pid);
}

static int mount_it(void)
{
    return result(mount("none", g.other, "tmpfs", 0, NULL));
}

static int load_bpf(void)
{
    char attributes[64] = {0};
    return result(syscall(SYS_bpf, 5, attributes, sizeof attributes));
}

static int use_uring(void)
{
    char parameters[120] = {0};
    return result(syscall(SYS_io_uring_setup, 4, parameters));
}

static int make_memory_file(void)
{
    return result(memfd_create("x", 0));
}

static int write_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? errno : result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int make_link(void)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/link", g.spool);
    (void)unlink(path);
    return result(symlink("/etc/passwd", path));
}

static int become_dumpable(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int become_other(void)
{
    return result(setresuid(12345, 12345, 12345));
}

static int sync_disk(void)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/mail", g.spool);
    int fd = open(path, O_RDONLY);
    return fd < 0 ? errno : result(fdatasync(fd));
}

/* --- kinds --- */

static void worker(const struct child_start *s, struct sandbox_profile *p)
{
    (void)s;
    deliver_worker_sandbox(p);
}

static const struct kind {
    const char *name;
    void (*profile)(const struct child_start *, struct sandbox_profile *);
    enum process_caps caps;
    bool commands; /* in the configuration */
} kinds[] = {
    {"none", NULL, PROCESS_NO_CAPS, false},
    {"receiver", receiver_sandbox, PROCESS_NO_CAPS, false},
    {"queue", queue_sandbox, PROCESS_NO_CAPS, false},
    {"sender", sender_sandbox, PROCESS_NO_CAPS, false},
    {"lookup", lookup_sandbox, PROCESS_NO_CAPS, false},
    {"console", console_sandbox, PROCESS_NO_CAPS, false},
    {"keys", keys_sandbox, PROCESS_NO_CAPS, false},
    {"deliver", deliver_sandbox, PROCESS_SETUID_CAPS, false},
    {"a worker", worker, PROCESS_NO_CAPS, false},
    {"deliver with commands", deliver_sandbox, PROCESS_SETUID_CAPS, true},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* A letter a kind, in the order above: + works, - fails, x ends the process, ? depends on the machine. Where Landlock is older than needed, what it would forbid works. */
static const struct deed {
    const char *name;
    int (*run)(void);
    const char *expected;
    int landlock; /* the ABI that it takes */
} deeds[] = {
    {"read the spool", read_spool, "++++---+++", 1},
    {"write the spool", write_spool, "+++----+++", 1},
    {"sync a file of the spool", sync_disk, "+++----+++", 1},
    {"read another folder", read_other, "+------+++", 1},
    {"write into another folder", write_other, "+------+++", 1},
    {"read /etc/passwd", read_passwd, "+---+--+++", 1},
    {"read /etc/shadow", read_shadow, "----------", 0},
    {"run a program", run_program, "+xxxxxxxx+", 0},
    {"fork", fork_one, "+------+-+", 0},
    {"start a thread", start_thread, "+++-+----+", 0},
    {"connect over TCP", connect_tcp, "+xx++xx-x+", 0},
    {"connect to a local socket", connect_local, "+xx++xx+x+", 0},
    {"send a datagram", send_datagram, "+xx-+xx-x+", 0},
    {"listen", listen_tcp, "+xx--xx-x+", 4},
    {"listen on a socket that is bound", listen_again, "+xxxxxxxx+", 0},
    {"accept a connection", accept_one, "++xxx+xxx+", 0},
    {"trace a sibling", trace_sibling, "+xxxxxxxx-", 0},
    {"read a sibling's memory", read_sibling, "+xxxxxxxx-", 0},
    {"signal a sibling", signal_sibling, "+--------+", 6},
    {"signal a sibling's thread", signal_thread, "+--------+", 6},
    {"signal a sibling by a descriptor", signal_by_descriptor, "+--------+", 0},
    {"send to a socket that has a name", send_named_datagram, "+--------+", 0},
    {"stop the others' listening", stop_listening, "+--++----+", 0},
    {"end a stream", end_a_stream, "++++++++++", 0},
    {"lock a file", lock_a_file, "++++++++++", 0},
    {"find an interface's number", number_of_interface, "+xx-+xx-x+", 0},
    {"make a namespace", make_namespace, "?xxxxxxxx-", 0},
    {"fork into a namespace", fork_into_namespace, "?---------", 0},
    {"mount", mount_it, "-xxxxxxxx-", 0},
    {"load a BPF program", load_bpf, "?xxxxxxxx-", 0},
    {"make an io_uring", use_uring, "?xxxxxxxx-", 0},
    {"make a file in memory", make_memory_file, "+xxxxxxxx+", 0},
    {"make a symbolic link", make_link, "+xxxxxxxx+", 0},
    {"run what it has written to memory", write_code, "+--------+", 0},
    {"map memory to write and to run", map_code, "+--------+", 0},
    {"be dumpable again", become_dumpable, "+--------+", 0},
    {"become another user", become_other, "-xxxxxx+x+", 0},
};
#define DEEDS (sizeof deeds / sizeof deeds[0])

static void confine(const struct kind *k, enum err *e)
{
    struct child_start start = {
        .spool_fd = g.spool_fd, .conf = k->commands ? g.commands : g.plain, .user = g.user, .root = g.root};
    struct sandbox_profile p;
    if (k->profile)
        k->profile(&start, &p);
    if (*e == ERR_OK && k->commands)
        *e = sandbox_enter(&p);
    if (*e == ERR_OK)
        *e = process_become(&g.user, k->caps);
    if (*e == ERR_OK && k->profile && !k->commands)
        *e = sandbox_enter(&p);
}

/* What became of the deed: + - x, or ! when it could not be tried. Its words go to out_fd. */
static char try(const struct kind *k, const struct deed *d, int out_fd)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        enum err e = ERR_OK;
        (void)dup2(out_fd, 2);
        g.spare_fd = socket(AF_INET, SOCK_STREAM, 0);
        if (g.spare_fd < 0 || listen(g.spare_fd, 1) != 0)
            _exit(99);
        confine(k, &e);
        /* process_become makes everybody undumpable */
        if (!k->profile)
            (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        _exit(e != ERR_OK ? 99 : d->run() != 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? 'x' : '!';
    return WEXITSTATUS(status) == 0 ? '+' : WEXITSTATUS(status) == 1 ? '-' : '!';
}

static bool as_expected(const struct deed *d, char expected, char got)
{
    if (expected == '?')
        return got != '!';
    if (expected != '+' && g.landlock < d->landlock)
        return got != '!';
    return got == expected;
}

/* Only root can keep a filter from programs that gain privileges, and become others. */
static bool applies(const struct kind *k, const struct deed *d)
{
    return g.root || (!k->commands && d->run != become_other);
}

static void each_deed_in_each_kind(void **state)
{
    unsigned wrong = 0;
    int null = open("/dev/null", O_WRONLY);
    (void)state;
    for (size_t i = 0; i < DEEDS; i++) {
        assert_int_equal(strlen(deeds[i].expected), KINDS);
        for (size_t j = 0; j < KINDS; j++) {
            char expected = deeds[i].expected[j];
            char got = applies(&kinds[j], &deeds[i]) ? try(&kinds[j], &deeds[i], null) : expected;
            if (as_expected(&deeds[i], expected, got))
                continue;
            print_error("%s: %s: %c, not %c\n", kinds[j].name, deeds[i].name, got, expected);
            wrong++;
        }
    }
    (void)close(null);
    assert_int_equal(wrong, 0);
}

/* The control of "read /etc/shadow", which an ordinary user cannot do without a sandbox either. */
static void root_without_a_sandbox_reads_shadow(void **state)
{
    (void)state;
    if (g.root)
        assert_int_equal(read_shadow(), 0);
}

static void the_log_names_process_and_call(void **state)
{
    int pipe_fds[2];
    char line[256] = {0};
    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    const struct deed *d = deeds;
    while (d->run != run_program)
        d++;
    assert_int_equal(try(&kinds[1], d, pipe_fds[1]), 'x');
    assert_true(read(pipe_fds[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "thurn/smtpd["));
    assert_non_null(strstr(line, "execve"));
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

static void make_file(const char *folder, const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    if (g.root)
        assert_int_equal(fchown(fd, g.user.uid, g.user.gid), 0);
    (void)close(fd);
}

static void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
    if (g.root)
        assert_int_equal(chown(path, g.user.uid, g.user.gid), 0);
}

/* What a child of ours that has done `run` ends with; 0 is good. */
static int outcome_of(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int enter(const struct kind *k)
{
    enum err e = ERR_OK;
    confine(k, &e);
    return e != ERR_OK;
}

static const struct kind *kind_of(const char *name)
{
    size_t i = 0;
    while (strcmp(kinds[i].name, name) != 0)
        i++;
    return &kinds[i];
}

/* Folders of the name service that this machine may lack, in a namespace of our own. */
static int reads_what_names_need(void)
{
    static const char *const folders[] = {"/run/systemd", "/run/systemd/userdb", "/run/NetworkManager", "/run/other"};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/run", "tmpfs", 0, "mode=755") != 0)
        return 77;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (mkdir(folders[i], 0755) != 0)
            return 1;
    }
    int made = open("/run/other/resolv.conf", O_WRONLY | O_CREAT, 0644);
    if (made < 0 || open("/run/NetworkManager/resolv.conf", O_WRONLY | O_CREAT, 0644) < 0)
        return 2;
    if (enter(kind_of("lookup")) != 0)
        return 3;
    if (open_it("/run/systemd", "userdb", O_RDONLY | O_DIRECTORY) != 0)
        return 4;
    if (open_it("/run/NetworkManager", "resolv.conf", O_RDONLY) != 0)
        return 5;
    return g.landlock > 0 && open_it("/run/other", "resolv.conf", O_RDONLY) != EACCES ? 6 : 0;
}

static void lookup_reads_the_name_services_folders(void **state)
{
    (void)state;
    int outcome = g.root ? outcome_of(reads_what_names_need) : 77;
    if (outcome == 77)
        skip();
    assert_int_equal(outcome, 0);
}

/* "compat" is a module that every C library of GNU has and nothing else needs. */
static int loads_modules(void)
{
    static const char text[] = "passwd: files compat\ngroup: files\n";
    char path[160];
    (void)snprintf(path, sizeof path, "%s/nsswitch", g.dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, sizeof text - 1) < 0 || fchmod(fd, 0644) != 0)
        return 1;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, "/etc/nsswitch.conf", NULL, MS_BIND, NULL) != 0)
        return 77;
    if (dlopen("libnss_compat.so.2", RTLD_NOW | RTLD_NOLOAD))
        return 77;
    if (os_names_load() != ERR_OK || enter(kind_of("deliver")) != 0)
        return 2;
    return dlopen("libnss_compat.so.2", RTLD_NOW | RTLD_NOLOAD) ? 0 : 3;
}

static void modules_of_the_name_service_are_loaded_before(void **state)
{
    (void)state;
    int outcome = g.root ? outcome_of(loads_modules) : 77;
    if (outcome == 77)
        skip();
    assert_int_equal(outcome, 0);
}

/* Answers for the kernel: this is Landlock 1. Until it is killed: it has the filter, too, so the kernel never tells of its end. */
static _Noreturn void be_an_old_kernel(int fd)
{
    (void)alarm(60);
    for (;;) {
        struct seccomp_notif asked;
        memset(&asked, 0, sizeof asked);
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
            _exit(0);
        struct seccomp_notif_resp answer = {.id = asked.id};
        if (asked.data.args[2] == 1)
            answer.val = 1;
        else
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        (void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

static int moves_a_file(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    char from[160], to[160];
    (void)snprintf(from, sizeof from, "%s/tmp/new", g.spool);
    (void)snprintf(to, sizeof to, "%s/moved", g.spool);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (fd < 0)
        return 77;
    pid_t pid = fork();
    if (pid == 0)
        be_an_old_kernel(fd);
    *g.old_kernel = pid;
    (void)close(fd);
    if (enter(kind_of("receiver")) != 0)
        return 1;
    return rename(from, to) == 0 ? 0 : 2;
}

static void mail_moves_between_folders_under_the_first_landlock(void **state)
{
    char tmp[160];
    (void)state;
    (void)snprintf(tmp, sizeof tmp, "%s/tmp", g.spool);
    make_folder(tmp);
    make_file(tmp, "new");
    g.old_kernel = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(g.old_kernel != MAP_FAILED);
    int outcome = outcome_of(moves_a_file);
    if (*g.old_kernel > 0)
        (void)kill(*g.old_kernel, SIGKILL);
    (void)munmap(g.old_kernel, sizeof(pid_t));
    if (outcome == 77)
        skip();
    assert_int_equal(outcome, 0);
}

/* A system call as a program of 32 bits makes it. */
static int call_as_32_bits(void)
{
#if defined(__x86_64__)
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return r > 0 ? 0 : 1;
#else
    return 1;
#endif
}

static void commands_may_be_of_32_bits(void **state)
{
    struct deed d = {"", call_as_32_bits, "", 0};
    int null = open("/dev/null", O_WRONLY);
    (void)state;
    bool known = try(kind_of("none"), &d, null) == '+';
    if (known && g.root)
        assert_int_equal(try(kind_of("deliver with commands"), &d, null), '+');
    if (known)
        assert_int_equal(try(kind_of("receiver"), &d, null), 'x');
    (void)close(null);
    if (!known)
        skip();
}

/* --- the world --- */

static struct conf *parse(const char *text)
{
    struct conf *conf = NULL;
    buf messages;
    buf_init(&messages, 65536);
    enum err e = conf_parse(SLICE("thurn.toml"), slice_str(text), false, &messages, &conf);
    if (e != ERR_OK)
        print_error("%.*s", SLICE_ARG(buf_slice(&messages)));
    assert_int_equal(e, ERR_OK);
    buf_deinit(&messages);
    return conf;
}

static void start_sibling(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    g.sibling = fork();
    assert_true(g.sibling >= 0);
    if (g.sibling == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (g.root &&
            (setresgid(g.user.gid, g.user.gid, g.user.gid) != 0 || setresuid(g.user.uid, g.user.uid, g.user.uid) != 0))
            _exit(1);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        (void)signal(SIGURG, SIG_IGN);
        (void)!write(ready[1], "", 1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void find_user(void)
{
    arena_init(&g.arena, 65536);
    g.root = getuid() == 0;
    if (!g.root)
        g.user = (struct os_user){.uid = getuid(), .gid = getgid(), .name = SLICE("me")};
    else
        assert_int_equal(os_user_by_name(SLICE("nobody"), &g.arena, &g.user), ERR_OK);
}

static void find_landlock(void)
{
    char memory[128];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    (void)sandbox_describe(&b);
    buf_append_char(&b, 0);
    const char *at = strstr(memory, "Landlock ");
    g.landlock = at ? (int)strtol(at + 9, NULL, 10) : 0;
}

static int set_up(void **state)
{
    (void)state;
    socklen_t len = sizeof g.tcp;
    find_user();
    find_landlock();
    (void)snprintf(g.dir, sizeof g.dir, "/tmp/thurn-deeds-XXXXXX");
    assert_non_null(mkdtemp(g.dir));
    assert_int_equal(chmod(g.dir, 0755), 0);
    (void)snprintf(g.spool, sizeof g.spool, "%s/spool", g.dir);
    (void)snprintf(g.other, sizeof g.other, "%s/other", g.dir);
    make_folder(g.spool);
    make_folder(g.other);
    make_file(g.spool, "mail");
    make_file(g.other, "secret");
    g.spool_fd = open(g.spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    g.tcp = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(g.listen_fd, (const struct sockaddr *)&g.tcp, len), 0);
    assert_int_equal(listen(g.listen_fd, 64), 0);
    assert_int_equal(getsockname(g.listen_fd, (struct sockaddr *)&g.tcp, &len), 0);
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    g.local.sun_family = AF_UNIX;
    (void)snprintf(g.local.sun_path, sizeof g.local.sun_path, "%s/socket", g.dir);
    assert_int_equal(bind(local, (const struct sockaddr *)&g.local, sizeof g.local), 0);
    assert_int_equal(chmod(g.local.sun_path, 0666), 0);
    assert_int_equal(listen(local, 64), 0);
    int datagrams = socket(AF_UNIX, SOCK_DGRAM, 0);
    g.datagrams.sun_family = AF_UNIX;
    (void)snprintf(g.datagrams.sun_path, sizeof g.datagrams.sun_path, "%s/datagrams", g.dir);
    assert_int_equal(bind(datagrams, (const struct sockaddr *)&g.datagrams, sizeof g.datagrams), 0);
    assert_int_equal(chmod(g.datagrams.sun_path, 0666), 0);
    assert_int_equal(fcntl(datagrams, F_SETFL, O_NONBLOCK), 0);
    g.lock_fd = open(g.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(g.lock_fd >= 0);
    g.plain = parse("hostname = \"mx.test.example\"\npostmaster = \"a@test.example\"\n"
                    "[domain.\"test.example\"]\ndeliver = \"maildir:/var/mail/{user}\"\nusers = [\"a\"]\n");
    g.commands = parse("hostname = \"mx.test.example\"\npostmaster = \"a@test.example\"\n"
                       "[domain.\"test.example\"]\ndeliver = \"pipe:/bin/cat\"\nusers = [\"a\"]\n");
    start_sibling();
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {
        "nsswitch",     "spool/tmp/new", "spool/tmp", "spool/moved", "spool/mail", "spool/mine", "spool/link",
        "other/secret", "other/mine",    "socket",    "datagrams",   "spool",      "other",      ""};
    char path[160];
    (void)state;
    (void)kill(g.sibling, SIGKILL);
    (void)waitpid(g.sibling, NULL, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", g.dir, names[i]);
        if (unlink(path) != 0)
            (void)rmdir(path);
    }
    conf_close(&g.plain);
    conf_close(&g.commands);
    arena_deinit(&g.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_deed_in_each_kind),
        cmocka_unit_test(root_without_a_sandbox_reads_shadow),
        cmocka_unit_test(the_log_names_process_and_call),
        cmocka_unit_test(lookup_reads_the_name_services_folders),
        cmocka_unit_test(modules_of_the_name_service_are_loaded_before),
        cmocka_unit_test(mail_moves_between_folders_under_the_first_landlock),
        cmocka_unit_test(commands_may_be_of_32_bits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
