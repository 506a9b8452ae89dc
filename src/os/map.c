/* SPDX-License-Identifier: ISC */
#include "os/map.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "os/file.h"

/* What this process writes all the time, and what it looks at for a moment. */
static struct {
    char *memory;
    size_t size;
} guarded[2];

enum err os_map_open(int fd, size_t size, void **memory_r)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return os_err(errno);
    *memory_r = memory;
    return ERR_OK;
}

void os_map_close(void **memory, size_t size)
{
    if (*memory)
        (void)munmap(*memory, size);
    *memory = NULL;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int before = errno;
    const char *at = info->si_addr;
    (void)context;
    for (size_t i = 0; i < 2; i++) {
        char *memory = guarded[i].memory;
        bool ours = info->si_code > 0 && memory && at >= memory && at < memory + guarded[i].size;
        if (ours && mmap(memory, guarded[i].size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                         0) != MAP_FAILED) {
            errno = before;
            return;
        }
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void take_bus_errors(void)
{
    struct sigaction act = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    if (!guarded[0].memory && !guarded[1].memory) {
        act.sa_flags = 0;
        act.sa_handler = SIG_DFL;
    }
    (void)sigaction(SIGBUS, &act, NULL);
}

void os_map_guard(void *memory, size_t size)
{
    guarded[0].memory = memory;
    guarded[0].size = size;
    if (memory)
        (void)madvise(memory, size, MADV_DONTFORK);
    take_bus_errors();
}

void os_map_guard_also(void *memory, size_t size)
{
    guarded[1].memory = memory;
    guarded[1].size = size;
    take_bus_errors();
}
