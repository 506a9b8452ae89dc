/* SPDX-License-Identifier: ISC */
/* The real calls are made with syscall(2), which the program calls by itself for send and recv: so it is one of the functions here, and the C library's is looked up at the first call, which may come
 * before the constructor. */
#undef _FILE_OFFSET_BITS
#include "fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define WATCHED 4096

struct fault_plan *fault_plan;
static enum fault_kind own_kind = FAULT_OTHER;
static atomic_bool failed_sync[WATCHED];
static pid_t (*real_fork)(void);
static long (*_Atomic real_syscall)(long, ...);

#define kernel(...) (c_library_syscall()(__VA_ARGS__))
static long (*c_library_syscall(void))(long, ...)
{
    if (!atomic_load(&real_syscall))
        atomic_store(&real_syscall, (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"));
    return atomic_load(&real_syscall);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("THURN_FAULT");
    real_fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    if (!path)
        return;
    long fd = kernel(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    long at = kernel(SYS_mmap, NULL, sizeof(struct fault_plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at > 0)
        fault_plan = (struct fault_plan *)at;
    (void)kernel(SYS_close, fd);
}

/* Does this call fail, and how? errno is set unless it is to be short. */
static bool fails(enum fault_call call, bool *shorter)
{
    struct fault_plan *p = fault_plan;
    if (!p || !atomic_load(&p->armed))
        return false;
    atomic_fetch_add(&p->counts[own_kind][call], 1);
    if (!(p->kinds & (1u << own_kind)) || !(p->calls & (1u << call)))
        return false;
    uint64_t n = atomic_fetch_add(&p->seen, 1) + 1;
    if (n < p->first || n > p->last)
        return false;
    atomic_fetch_add(&p->hits, 1);
    if (p->error == FAULT_SHORT) {
        if (shorter)
            *shorter = true;
        return false;
    }
    errno = p->error;
    return true;
}

/* Eventfds and pipes, which libraries wake their threads with, cannot fail as files do. */
static bool is_waker(int fd)
{
    struct stat64 st;
    return kernel(SYS_fstat, fd, &st) == 0 && ((st.st_mode & S_IFMT) == 0 || S_ISFIFO(st.st_mode));
}

static size_t cut(size_t size, bool shorter)
{
    return shorter && size > 1 ? size / 2 : size;
}

static void look_at(int fd)
{
    if (fault_plan && fd >= 0 && fd < WATCHED && atomic_load(&failed_sync[fd]))
        atomic_fetch_add(&fault_plan->reused, 1);
}

static int no_sync(int fd)
{
    if (fd >= 0 && fd < WATCHED)
        atomic_store(&failed_sync[fd], true);
    return -1;
}

int prctl(int option, ...)
{
    unsigned long a[4];
    va_list args;
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_NAME) {
        static const char *const names[] = {"thurn-master",  "thurn-receiver", "thurn-queue",   "thurn-sender",
                                            "thurn-deliver", "thurn-lookup",   "thurn-console", "thurn-keys"};
        own_kind = FAULT_OTHER;
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strncmp((const char *)a[0], names[i], 15) == 0)
                own_kind = (enum fault_kind)i;
    }
    return (int)kernel(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

pid_t fork(void)
{
    if (fails(FAULT_FORK, NULL))
        return -1;
    pid_t pid = real_fork();
    if (pid == 0)
        own_kind = FAULT_OTHER;
    return pid;
}

ssize_t write(int fd, const void *data, size_t size)
{
    bool shorter = false;
    look_at(fd);
    return !is_waker(fd) && fails(FAULT_WRITE, &shorter) ? -1 : kernel(SYS_write, fd, data, cut(size, shorter));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    bool shorter = false;
    look_at(fd);
    return fails(FAULT_PWRITE, &shorter) ? -1 : kernel(SYS_pwrite64, fd, data, cut(size, shorter), at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t at)
{
    bool shorter = false;
    look_at(fd);
    if (fails(FAULT_PWRITEV, &shorter))
        return -1;
    if (shorter)
        return kernel(SYS_pwrite64, fd, iov->iov_base, cut(iov->iov_len, count == 1), at);
    return kernel(SYS_pwritev, fd, iov, count, at, 0);
}

int fdatasync(int fd)
{
    look_at(fd);
    return fails(FAULT_FDATASYNC, NULL) ? no_sync(fd) : (int)kernel(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    look_at(fd);
    return fails(FAULT_FSYNC, NULL) ? no_sync(fd) : (int)kernel(SYS_fsync, fd);
}

int syncfs(int fd)
{
    return fails(FAULT_SYNCFS, NULL) ? -1 : (int)kernel(SYS_syncfs, fd);
}

int close(int fd)
{
    if (fd >= 0 && fd < WATCHED)
        atomic_store(&failed_sync[fd], false);
    return (int)kernel(SYS_close, fd);
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
    va_end(args);
    return fails(FAULT_OPEN, NULL) ? -1 : (int)kernel(SYS_openat, dir, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
    va_end(args);
    return fails(FAULT_OPEN, NULL) ? -1 : (int)kernel(SYS_openat, AT_FDCWD, path, flags, mode);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return fails(FAULT_RENAME, NULL) ? -1 : (int)kernel(SYS_renameat, from_dir, from, to_dir, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return fails(FAULT_LINK, NULL) ? -1 : (int)kernel(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int unlinkat(int dir, const char *path, int flags)
{
    return fails(FAULT_UNLINK, NULL) ? -1 : (int)kernel(SYS_unlinkat, dir, path, flags);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    return fails(FAULT_MKDIR, NULL) ? -1 : (int)kernel(SYS_mkdirat, dir, path, mode);
}

int fallocate64(int fd, int mode, off64_t at, off64_t size)
{
    return fails(FAULT_FALLOCATE, NULL) ? -1 : (int)kernel(SYS_fallocate, fd, mode, at, size);
}

int ftruncate64(int fd, off64_t size)
{
    return fails(FAULT_FTRUNCATE, NULL) ? -1 : (int)kernel(SYS_ftruncate, fd, size);
}

int fstat64(int fd, struct stat64 *st)
{
    return fails(FAULT_STAT, NULL) ? -1 : (int)kernel(SYS_fstat, fd, st);
}

int fstatat64(int dir, const char *path, struct stat64 *st, int flags)
{
    return fails(FAULT_STAT, NULL) ? -1 : (int)kernel(SYS_newfstatat, dir, path, st, flags);
}

void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t at)
{
    return fails(FAULT_MMAP, NULL) ? MAP_FAILED : (void *)kernel(SYS_mmap, where, size, protection, flags, fd, at);
}

ssize_t read(int fd, void *out, size_t size)
{
    bool shorter = false;
    return !is_waker(fd) && fails(FAULT_READ, &shorter) ? -1 : kernel(SYS_read, fd, out, cut(size, shorter));
}

ssize_t pread64(int fd, void *out, size_t size, off64_t at)
{
    bool shorter = false;
    return fails(FAULT_PREAD, &shorter) ? -1 : kernel(SYS_pread64, fd, out, cut(size, shorter), at);
}

ssize_t recv(int fd, void *out, size_t size, int flags)
{
    bool shorter = false;
    return fails(FAULT_RECV, &shorter) ? -1 : kernel(SYS_recvfrom, fd, out, cut(size, shorter), flags, NULL, NULL);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    bool shorter = false;
    return fails(FAULT_SEND, &shorter) ? -1 : kernel(SYS_sendto, fd, data, cut(size, shorter), flags, NULL, 0);
}

long syscall(long number, ...)
{
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_recvfrom && a[4] == 0)
        return recv((int)a[0], (void *)a[1], (size_t)a[2], (int)a[3]);
    if (number == SYS_sendto && a[4] == 0)
        return send((int)a[0], (const void *)a[1], (size_t)a[2], (int)a[3]);
    return kernel(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    bool shorter = false;
    if (fails(FAULT_RECVMSG, &shorter))
        return -1;
    struct iovec first = m->msg_iovlen > 0 ? m->msg_iov[0] : (struct iovec){0};
    struct msghdr less = *m;
    if (!shorter || m->msg_iovlen == 0)
        return kernel(SYS_recvmsg, fd, m, flags);
    first.iov_len = cut(first.iov_len, true);
    less.msg_iov = &first;
    less.msg_iovlen = 1;
    long n = kernel(SYS_recvmsg, fd, &less, flags);
    m->msg_flags = less.msg_flags;
    m->msg_controllen = less.msg_controllen;
    m->msg_namelen = less.msg_namelen;
    return n;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    bool shorter = false;
    if (fails(FAULT_SENDMSG, &shorter))
        return -1;
    struct iovec first = m->msg_iovlen > 0 ? m->msg_iov[0] : (struct iovec){0};
    struct msghdr less = *m;
    if (!shorter || m->msg_iovlen == 0)
        return kernel(SYS_sendmsg, fd, m, flags);
    first.iov_len = cut(first.iov_len, true);
    less.msg_iov = &first;
    less.msg_iovlen = 1;
    return kernel(SYS_sendmsg, fd, &less, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return fails(FAULT_ACCEPT, NULL) ? -1 : (int)kernel(SYS_accept4, fd, address, size, flags);
}

int socket(int domain, int type, int protocol)
{
    return fails(FAULT_SOCKET, NULL) ? -1 : (int)kernel(SYS_socket, domain, type, protocol);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails(FAULT_CONNECT, NULL) ? -1 : (int)kernel(SYS_connect, fd, address, size);
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    return fails(FAULT_MALLOC, NULL) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(FAULT_MALLOC, NULL) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(FAULT_MALLOC, NULL) ? NULL : __libc_realloc(memory, size);
}
