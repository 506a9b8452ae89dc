/* SPDX-License-Identifier: ISC */
#include "os/map.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "os/file.h"

static struct {
    char *memory;
    size_t size;
} guarded;

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
    bool ours = info->si_code > 0 && at >= guarded.memory && at < guarded.memory + guarded.size;
    if (ours && mmap(guarded.memory, guarded.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                     0) != MAP_FAILED) {
        errno = before;
        return;
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void os_map_guard(void *memory, size_t size)
{
    struct sigaction act = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    guarded.memory = memory;
    guarded.size = size;
    if (!memory) {
        act.sa_flags = 0;
        act.sa_handler = SIG_DFL;
    } else {
        (void)madvise(memory, size, MADV_DONTFORK);
    }
    (void)sigaction(SIGBUS, &act, NULL);
}
