/* SPDX-License-Identifier: ISC */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

uint32_t process_pid(void)
{
    return (uint32_t)getpid();
}

void os_host_name(buf *out)
{
    char name[HOST_NAME_MAX + 1] = "";
    if (gethostname(name, sizeof name - 1) == 0)
        buf_append(out, slice_str(name));
}

uint32_t process_gid(void)
{
    return (uint32_t)getegid();
}

int process_status_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

uint32_t process_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < 100000 ? (uint32_t)n : 1;
}

/* Opened the wrong way round, so that who uses one is told that it cannot. */
void process_streams_init(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(1);
    }
}

void process_leave_terminal(void)
{
    (void)setsid();
}

#ifdef PROFILE_TRAINING
void __gcov_dump(void); /* of gcc's runtime: writes what was counted, which else only exit does */
#endif

void process_exit(int status)
{
#ifdef PROFILE_TRAINING
    __gcov_dump();
#endif
    _exit(status);
}
