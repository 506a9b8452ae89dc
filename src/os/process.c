/* SPDX-License-Identifier: ISC */
#include "os/process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "os/log.h"
#include "os/process_start.h"

void process_signals_reset(void)
{
    sigset_t none;
    for (int n = 1; n < NSIG; n++)
        (void)signal(n, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_kept(unsigned fd, const int *keep, size_t keep_count, unsigned *next)
{
    bool kept = false;
    for (size_t i = 0; i < keep_count; i++) {
        if (keep[i] >= 0 && (unsigned)keep[i] == fd)
            kept = true;
        if (keep[i] >= 0 && (unsigned)keep[i] > fd && (unsigned)keep[i] < *next)
            *next = (unsigned)keep[i];
    }
    return kept;
}

void process_close_others(const int *keep, size_t keep_count)
{
    unsigned fd = 3;
    while (fd < ~0u) {
        unsigned next = ~0u;
        if (is_kept(fd, keep, keep_count, &next))
            fd++;
        else if (close_range(fd, next == ~0u ? next : next - 1, 0) == 0)
            fd = next;
        else
            abort(); /* a descriptor left open in a child is a hole in the walls between processes */
    }
}

void process_child_begin(const char *title, uint32_t parent_pid, const int *keep, size_t keep_count)
{
    process_signals_reset();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if ((uint32_t)getppid() != parent_pid)
        _exit(0);
    process_close_others(keep, keep_count);
    process_title(title);
}

enum err process_fork(int *pid_r)
{
    log_flush();
    pid_t pid = fork();
    if (pid < 0)
        return os_err(errno);
    *pid_r = pid;
    return ERR_OK;
}

enum err process_reap(int *pid_r, int *status_r)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(-1, &status, WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (pid == 0 || (pid < 0 && errno == ECHILD))
        return ERR_AGAIN;
    if (pid < 0)
        return os_err(errno);
    *pid_r = pid;
    *status_r = status;
    return ERR_OK;
}

/* 0, 1 and -1 would mean far more than one child. */
void process_kill(int pid, int signal_number)
{
    assert(pid > 1 || pid < -1);
    (void)kill(pid, signal_number);
}

void process_status_print(buf *b, int status)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigdescr_np(WTERMSIG(status));
        buf_printf(b, "killed by signal %d (%s)", WTERMSIG(status), name ? name : "unknown");
    } else {
        buf_printf(b, "exited with status %d", WEXITSTATUS(status));
    }
}

uint64_t process_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    struct rlimit wanted = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &wanted) == 0 ? wanted.rlim_cur : limit.rlim_cur;
}

enum err process_shared_memory(size_t size, void **memory_r)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return os_err(errno);
    *memory_r = memory;
    return ERR_OK;
}
