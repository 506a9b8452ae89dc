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

struct filter {
    scmp_filter_ctx ctx;
    unsigned calls;
    bool has[NUMBERS]; /* there is a rule for this number */
    int error;
};

static struct scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static struct scmp_arg_cmp equal(unsigned argument, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value};
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

static void add(struct filter *f, uint32_t action, const char *name, const struct scmp_arg_cmp *when, unsigned count)
{
    if (f->error != 0)
        return; /* libseccomp 2.5 may loop when it goes on without memory */
    int number = seccomp_syscall_resolve_name(name);
    if (number < 0 || number >= NUMBERS)
        return;
    if (count == 0 && f->has[number])
        return;
    f->has[number] = true;
    f->error = seccomp_rule_add_array(f->ctx, action, number, count, when);
}

static void add_when(struct filter *f, uint32_t action, const char *name, struct scmp_arg_cmp when)
{
    add(f, action, name, &when, 1);
}

/* Memory is data or code, never first the one and then the other. */
static void add_memory(struct filter *f)
{
    static const char *const calls[] = {"mmap", "mprotect"};
    for (size_t i = 0; i < 2; i++) {
        add_when(f, SCMP_ACT_ALLOW, calls[i], masked(2, PROT_EXEC, 0));
        if (f->calls & SANDBOX_LIBRARIES)
            add_when(f, SCMP_ACT_ALLOW, calls[i], masked(2, PROT_EXEC | PROT_WRITE, PROT_EXEC));
        else
            add_when(f, SCMP_ACT_ERRNO(EACCES), calls[i], masked(2, PROT_EXEC, PROT_EXEC));
    }
}

/* An owner and a signal of a descriptor's own make the kernel send that signal, to whomever. */
static void add_descriptors(struct filter *f)
{
    static const int commands[] = {F_DUPFD, F_GETFD,  F_SETFD,     F_GETFL,     F_SETFL,      F_GETLK,
                                   F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        add_when(f, SCMP_ACT_ALLOW, "fcntl", masked(1, UINT32_MAX, (scmp_datum_t)commands[i]));
}

static void add_options(struct filter *f)
{
    static const int options[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, 0x53564d41 /* PR_SET_VMA */};
    static const int of_parents[] = {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS,
                                     PR_CAPBSET_READ,  PR_CAPBSET_DROP,  PR_SET_SECCOMP};
    static const unsigned long requests[] = {0x5421 /* FIONBIO */, 0x541b /* FIONREAD */, 0x5451 /* FIOCLEX */,
                                             0x5401 /* TCGETS */};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        add_when(f, SCMP_ACT_ALLOW, "prctl", equal(0, (scmp_datum_t)options[i]));
    for (size_t i = 0; f->calls & SANDBOX_FORK && i < sizeof of_parents / sizeof of_parents[0]; i++)
        add_when(f, SCMP_ACT_ALLOW, "prctl", equal(0, (scmp_datum_t)of_parents[i]));
    const struct scmp_arg_cmp undumpable[] = {equal(0, PR_SET_DUMPABLE), equal(1, 0)};
    add(f, SCMP_ACT_ALLOW, "prctl", undumpable, 2);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        add_when(f, SCMP_ACT_ALLOW, "ioctl", masked(1, UINT32_MAX, requests[i]));
    add_when(f, SCMP_ACT_ALLOW, "prlimit64", equal(2, 0)); /* only asks */
    /* A name server whose address is bound to an interface (fe80::1%eth0). */
    if (f->calls & SANDBOX_RESOLVE) {
        add_when(f, SCMP_ACT_ALLOW, "ioctl", masked(1, UINT32_MAX, 0x8910 /* SIOCGIFNAME */));
        add_when(f, SCMP_ACT_ALLOW, "ioctl", masked(1, UINT32_MAX, 0x8933 /* SIOCGIFINDEX */));
    }
}

static void add_processes(struct filter *f)
{
    if (f->calls & SANDBOX_THREADS)
        add_when(f, SCMP_ACT_ALLOW, "clone", masked(0, CLONE_THREAD | NAMESPACES, CLONE_THREAD));
    if (f->calls & SANDBOX_FORK) {
        add_when(f, SCMP_ACT_ALLOW, "clone", masked(0, CLONE_THREAD | NAMESPACES, 0));
        return;
    }
    add_when(f, SCMP_ACT_ALLOW, "tgkill", equal(0, (scmp_datum_t)getpid()));
    add_when(f, SCMP_ACT_ALLOW, "kill", equal(0, (scmp_datum_t)getpid()));
}

static void add_made(struct filter *f, const char *call, int domain, int type)
{
    const struct scmp_arg_cmp when[] = {equal(0, (scmp_datum_t)domain),
                                        masked(1, ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), (scmp_datum_t)type)};
    add(f, SCMP_ACT_ALLOW, call, when, 2);
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
        add(f, SCMP_ACT_ALLOW, "shutdown", NULL, 0);
    else
        add_when(f, SCMP_ACT_ALLOW, "shutdown", equal(1, SHUT_WR));
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
            add(f, SCMP_ACT_ALLOW, allowed[i].name, NULL, 0);
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
    /* Other people's programs may be old ones of 32 bits, which a filter of this architecture alone would end. */
#if defined(__x86_64__)
    (void)seccomp_arch_add(f->ctx, SCMP_ARCH_X86);
#elif defined(__aarch64__)
    (void)seccomp_arch_add(f->ctx, SCMP_ARCH_ARM);
#endif
    add_when(f, SCMP_ACT_ERRNO(EPERM), "clone", masked(0, CLONE_NEWUSER, CLONE_NEWUSER));
    add(f, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL, 0);
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++) {
        if (forbidden[i].ever)
            add(f, SCMP_ACT_ERRNO(EPERM), forbidden[i].name, NULL, 0);
    }
}

static void add_forbidden(struct filter *f)
{
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++) {
        add(f, SCMP_ACT_TRAP, forbidden[i].name, NULL, 0);
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

enum err sandbox_filter_enter(const struct sandbox_profile *p)
{
    bool commands = p->calls & SANDBOX_COMMANDS;
    struct filter f = {.calls = p->calls};
    f.ctx = seccomp_init(commands ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
    if (!f.ctx)
        return ERR_NOMEM;
    (void)seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_NNP, 0);
    (void)seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    /* Without it older kernels turn off speculation in a filtered process, which costs far more than the filter. */
    (void)seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_SSB, 1);
    if (commands) {
        add_forbidden_to_commands(&f);
    } else {
        add_allowed(&f);
        add_forbidden(&f);
        prepare_last_words(p->name);
    }
    if (f.error == 0)
        f.error = seccomp_load(f.ctx);
    seccomp_release(f.ctx);
    return f.error == 0 ? ERR_OK : os_err(-f.error);
}
