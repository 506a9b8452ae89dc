/* SPDX-License-Identifier: ISC */
#include "os/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"
#include "os/sandbox_program.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED
#endif
#endif

#define NUMBERS 1024
#define NAMESPACES                                                                                                     \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static const struct {
    unsigned groups;
    const char *name;
} allowed[] = {
#define ROW(group, call) {group, #call},
#include "os/tables/sandbox_calls.h"
#undef ROW
};

static const struct {
    bool ever;
    const char *name;
} forbidden[] = {
#define ROW(call) {false, #call},
#define EVER(call) {true, #call},
#include "os/tables/sandbox_forbidden.h"
#undef ROW
#undef EVER
};
#define FORBIDDEN_COUNT (sizeof forbidden / sizeof forbidden[0])

/* What the signal handler needs to say what happened. */
static struct {
    char name[32];
    int numbers[FORBIDDEN_COUNT];
} last_words;

#define FAILS(error) (SECCOMP_RET_ERRNO | (uint32_t)(error))

#if defined(__x86_64__)
#define OTHER_ARCH SCMP_ARCH_X86
#elif defined(__aarch64__)
#define OTHER_ARCH SCMP_ARCH_ARM
#endif

struct filter {
    unsigned calls;
    size_t set_count;
    struct sandbox_rules sets[2];
};

static struct sandbox_condition masked(uint32_t argument, uint64_t mask, uint64_t value)
{
    return (struct sandbox_condition){argument, mask, value};
}

static struct sandbox_condition equal(uint32_t argument, uint64_t value)
{
    return masked(argument, UINT64_MAX, value);
}

static const char *name_of(int number)
{
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++) {
        if (last_words.numbers[i] == number)
            return forbidden[i].name;
    }
    return "?";
}

/* Only what a signal handler may call. */
static void on_forbidden(int signal_number, siginfo_t *info, void *ctx)
{
    char line[160];
    (void)ctx;
    /* snprintf of numbers and short strings takes no memory and no lock */
    int n = snprintf(line, sizeof line, "thurn/%s[%d]: error: sandbox: the system call %s (%d) is forbidden: ended\n",
                     last_words.name, (int)getpid(), name_of(info->si_syscall), info->si_syscall);
    if (n > 0 && write(2, line, (size_t)n) < 0)
        n = 0;
    (void)signal(signal_number, SIG_DFL);
    (void)syscall(SYS_tgkill, getpid(), gettid(), signal_number);
    _exit(128 + signal_number);
}

/* What is a rule already is not made less by one without conditions. */
static void add(struct filter *f, uint32_t action, const char *name, const struct sandbox_condition *when,
                uint32_t count)
{
    for (size_t i = 0; i < f->set_count; i++) {
        struct sandbox_rules *r = &f->sets[i];
        int number = seccomp_syscall_resolve_name_arch(r->arch, name);
        if (number < 0 || number >= NUMBERS || (count == 0 && sandbox_rules_has(r, (uint32_t)number)))
            continue;
        struct sandbox_rule rule = {.number = (uint32_t)number, .action = action, .count = count};
        for (uint32_t j = 0; j < count; j++)
            rule.when[j] = when[j];
        sandbox_rules_add(r, &rule);
    }
}

static void add_when(struct filter *f, uint32_t action, const char *name, struct sandbox_condition when)
{
    add(f, action, name, &when, 1);
}

/* Memory is data or code, never first the one and then the other. */
static void add_memory(struct filter *f)
{
    static const char *const calls[] = {"mmap", "mprotect"};
    for (size_t i = 0; i < 2; i++) {
        add_when(f, SECCOMP_RET_ALLOW, calls[i], masked(2, PROT_EXEC, 0));
        if (f->calls & SANDBOX_LIBRARIES)
            add_when(f, SECCOMP_RET_ALLOW, calls[i], masked(2, PROT_EXEC | PROT_WRITE, PROT_EXEC));
        else
            add_when(f, FAILS(EACCES), calls[i], masked(2, PROT_EXEC, PROT_EXEC));
    }
}

/* An owner and a signal of a descriptor's own make the kernel send that signal, to whomever. */
static void add_descriptors(struct filter *f)
{
    static const int commands[] = {F_DUPFD, F_GETFD,  F_SETFD,     F_GETFL,     F_SETFL,      F_GETLK,
                                   F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        add_when(f, SECCOMP_RET_ALLOW, "fcntl", masked(1, UINT32_MAX, (uint64_t)commands[i]));
}

static void add_options(struct filter *f)
{
    static const int options[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, 0x53564d41 /* PR_SET_VMA */};
    static const int of_parents[] = {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS,
                                     PR_CAPBSET_READ,  PR_CAPBSET_DROP,  PR_SET_SECCOMP};
    static const unsigned long requests[] = {0x5421 /* FIONBIO */, 0x541b /* FIONREAD */, 0x5451 /* FIOCLEX */,
                                             0x5401 /* TCGETS */};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        add_when(f, SECCOMP_RET_ALLOW, "prctl", equal(0, (uint64_t)options[i]));
    for (size_t i = 0; f->calls & SANDBOX_FORK && i < sizeof of_parents / sizeof of_parents[0]; i++)
        add_when(f, SECCOMP_RET_ALLOW, "prctl", equal(0, (uint64_t)of_parents[i]));
    const struct sandbox_condition undumpable[] = {equal(0, PR_SET_DUMPABLE), equal(1, 0)};
    add(f, SECCOMP_RET_ALLOW, "prctl", undumpable, 2);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        add_when(f, SECCOMP_RET_ALLOW, "ioctl", masked(1, UINT32_MAX, requests[i]));
    add_when(f, SECCOMP_RET_ALLOW, "prlimit64", equal(2, 0)); /* only asks */
    /* A name server whose address is bound to an interface (fe80::1%eth0). */
    if (f->calls & SANDBOX_RESOLVE) {
        add_when(f, SECCOMP_RET_ALLOW, "ioctl", masked(1, UINT32_MAX, 0x8910 /* SIOCGIFNAME */));
        add_when(f, SECCOMP_RET_ALLOW, "ioctl", masked(1, UINT32_MAX, 0x8933 /* SIOCGIFINDEX */));
    }
}

static void add_processes(struct filter *f)
{
    if (f->calls & SANDBOX_THREADS)
        add_when(f, SECCOMP_RET_ALLOW, "clone", masked(0, CLONE_THREAD | NAMESPACES, CLONE_THREAD));
    if (f->calls & SANDBOX_FORK) {
        add_when(f, SECCOMP_RET_ALLOW, "clone", masked(0, CLONE_THREAD | NAMESPACES, 0));
        return;
    }
    add_when(f, SECCOMP_RET_ALLOW, "tgkill", equal(0, (uint64_t)getpid()));
    add_when(f, SECCOMP_RET_ALLOW, "kill", equal(0, (uint64_t)getpid()));
}

static void add_made(struct filter *f, const char *call, int domain, int type)
{
    const struct sandbox_condition when[] = {equal(0, (uint64_t)domain),
                                             masked(1, ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), (uint64_t)type)};
    add(f, SECCOMP_RET_ALLOW, call, when, 2);
}

static void add_socket(struct filter *f, int domain, int type)
{
    add_made(f, "socket", domain, type);
}

static void add_sockets(struct filter *f)
{
    /* One end of a pair for datagrams could send to any socket that has a name: the journal's, say. */
    add_made(f, "socketpair", AF_UNIX, SOCK_STREAM);
    /* Shut for reading, a listening socket listens no more, in no process, and a sendto with MSG_FASTOPEN connects it. */
    if (f->calls & SANDBOX_CONNECT)
        add(f, SECCOMP_RET_ALLOW, "shutdown", NULL, 0);
    else
        add_when(f, SECCOMP_RET_ALLOW, "shutdown", equal(1, SHUT_WR));
    if (f->calls & SANDBOX_CONNECT) {
        add_socket(f, AF_INET, SOCK_STREAM);
        add_socket(f, AF_INET6, SOCK_STREAM);
    }
    if (f->calls & (SANDBOX_CONNECT | SANDBOX_NAMES))
        add_socket(f, AF_UNIX, SOCK_STREAM);
    if (f->calls & SANDBOX_RESOLVE) {
        add_socket(f, AF_INET, SOCK_DGRAM);
        add_socket(f, AF_INET6, SOCK_DGRAM);
        add_socket(f, AF_UNIX, SOCK_DGRAM);
        add_socket(f, AF_NETLINK, SOCK_RAW);
    }
}

static void add_allowed(struct filter *f)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i].groups & (f->calls | SANDBOX_BASE))
            add(f, SECCOMP_RET_ALLOW, allowed[i].name, NULL, 0);
    }
    add_memory(f);
    add_descriptors(f);
    add_options(f);
    add_processes(f);
    add_sockets(f);
}

/* clone3 keeps its flags where a filter cannot read them; who is told that it is not there takes clone. */
static void add_forbidden_to_commands(struct filter *f)
{
#if defined(OTHER_ARCH)
    /* Other people's programs may be old ones of 32 bits. */
    f->sets[f->set_count++].arch = OTHER_ARCH;
#endif
    add_when(f, FAILS(EPERM), "clone", masked(0, CLONE_NEWUSER, CLONE_NEWUSER));
    add(f, FAILS(ENOSYS), "clone3", NULL, 0);
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++) {
        if (forbidden[i].ever)
            add(f, FAILS(EPERM), forbidden[i].name, NULL, 0);
    }
}

static void add_forbidden(struct filter *f)
{
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++) {
        add(f, SECCOMP_RET_TRAP, forbidden[i].name, NULL, 0);
    }
}

static void prepare_last_words(const char *name)
{
    (void)snprintf(last_words.name, sizeof last_words.name, "%s", name);
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++)
        last_words.numbers[i] = seccomp_syscall_resolve_name(forbidden[i].name);
    struct sigaction act = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_NODEFER};
    (void)sigemptyset(&act.sa_mask);
    (void)sigaction(SIGSYS, &act, NULL);
}

bool sandbox_filter_available(void)
{
    static const uint32_t action = SECCOMP_RET_TRAP;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static enum err load(struct sandbox_program *p)
{
    struct sock_fprog program = {(unsigned short)p->count, p->steps};
    /* Without it older kernels turn off speculation in a filtered process, which costs far more than the filter. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0)
        return ERR_OK;
    if (errno != EINVAL || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return os_err(errno);
    return ERR_OK;
}

enum err sandbox_filter_enter(const struct sandbox_profile *p)
{
    bool commands = p->calls & SANDBOX_COMMANDS;
    struct filter f = {.calls = p->calls, .set_count = 1};
    struct sandbox_program program;
    f.sets[0].arch = seccomp_arch_native();
    if (commands) {
        add_forbidden_to_commands(&f);
    } else {
        add_allowed(&f);
        add_forbidden(&f);
        prepare_last_words(p->name);
    }
    enum err e = sandbox_program_build(f.sets, f.set_count, commands ? SECCOMP_RET_ALLOW : FAILS(ENOSYS), &program);
    return e == ERR_OK ? load(&program) : e;
}
