/* SPDX-License-Identifier: ISC */
/* A preload library for clock jumps: the wall clock is wrong by as many seconds as the file $CLOCK_SHIFT says (8 bytes, a signed number). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void find_shift(void)
{
    const char *path = getenv("CLOCK_SHIFT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        abort(); /* a campaign that does not jump must not pass for one that does */
    close(fd);
    shift = page;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    long status = syscall(SYS_clock_gettime, id, t);
    if (status == 0 && shift != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += *shift;
    return (int)status;
}

time_t time(time_t *t_r)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    if (t_r != NULL)
        *t_r = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict t_r, void *restrict zone)
{
    struct timespec t = {0};
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    t_r->tv_sec = t.tv_sec;
    t_r->tv_usec = t.tv_nsec / 1000;
    return 0;
}
