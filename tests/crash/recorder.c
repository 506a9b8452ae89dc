/* SPDX-License-Identifier: ISC */
/* These come before any header: calls are defined here under their own names. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include "recorder.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LEAP_S 301 /* a checkpoint is due each 300 s */

static struct record_file *file;

/* The next definition of a function: libc's. */
#define REAL(ret, name, ...)                                                                                           \
    static ret (*real)(__VA_ARGS__);                                                                                   \
    if (!real)                                                                                                         \
    *(void **)&real = dlsym(RTLD_NEXT, name)

void record_into(struct record_file *f)
{
    file = f;
}

__attribute__((constructor)) static void record_open(void)
{
    const char *path = getenv("THURN_RECORD");
    if (file || !path)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        _exit(99);
    void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (memory == MAP_FAILED)
        _exit(99);
    file = memory;
}

static void futex_wait_ns(_Atomic uint32_t *word, uint32_t value, long ns)
{
    const struct timespec wait = {.tv_sec = 0, .tv_nsec = ns};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &wait, NULL, 0);
}

/* While the gate is shut no call begins, and who shut it waits until none is under way: then processes can be killed without a call of which nobody knows whether it was done. */
static uint64_t enter(void)
{
    if (!file)
        return 0;
    for (;;) {
        atomic_fetch_add(&file->inside, 1);
        if (!atomic_load(&file->gate))
            break;
        atomic_fetch_sub(&file->inside, 1);
        futex_wait_ns(&file->gate, 1, 2000000);
    }
    return atomic_fetch_add(&file->clock, 1);
}

static void leave(void)
{
    if (file)
        atomic_fetch_sub(&file->inside, 1);
}

struct text {
    const char *ptr;
    size_t len;
};

/* The event lacks its end, which is the caller's to draw before. */
static char *add(struct record_event e, size_t data_len, struct text name, struct text name2)
{
    size_t length = (sizeof(e) + data_len + name.len + name2.len + 7) / 8 * 8;
    uint64_t at = atomic_fetch_add(&file->used, length);
    if (at + length > file->size) {
        atomic_store(&file->full, 1);
        return NULL;
    }
    struct record_event *to = (struct record_event *)((char *)file + at);
    e.length = (uint32_t)length;
    e.data_len = (uint32_t)data_len;
    e.name_len = (uint16_t)name.len;
    e.name2_len = (uint16_t)name2.len;
    *to = e;
    if (name.len)
        memcpy(to->bytes + data_len, name.ptr, name.len);
    if (name2.len)
        memcpy(to->bytes + data_len + name.len, name2.ptr, name2.len);
    atomic_fetch_add(&file->points, 1);
    return to->bytes;
}

static const struct text no_text = {"", 0};

static void note(const char *text, size_t len)
{
    struct record_event e = {.kind = RECORD_NOTE};
    e.begin = e.end = enter();
    char *to = add(e, len, no_text, no_text);
    if (to)
        memcpy(to, text, len);
    leave();
}

void record_note(const char *text)
{
    if (file)
        note(text, strlen(text));
}

static uint64_t end_now(void)
{
    return atomic_fetch_add(&file->clock, 1);
}

/* The inode of a regular file or folder on the device, else 0. */
static uint64_t object_of(int fd, bool *regular_r)
{
    struct stat st;
    *regular_r = false;
    if (!file || fstat(fd, &st) != 0 || (uint64_t)st.st_dev != file->device)
        return 0;
    *regular_r = S_ISREG(st.st_mode);
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? st.st_ino : 0;
}

static uint64_t inode_at(int dir, const char *path)
{
    struct stat st;
    return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && (uint64_t)st.st_dev == file->device ? st.st_ino : 0;
}

/* The folder that a path leads to, and its last word. */
static uint64_t folder_at(int dir, const char *path, struct text *name_r)
{
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    const char *name = slash ? slash + 1 : path;
    *name_r = (struct text){name, strlen(name)};
    if (slash == path) {
        memcpy(folder, "/", 2);
    } else if (slash) {
        size_t len = (size_t)(slash - path) < sizeof(folder) - 1 ? (size_t)(slash - path) : sizeof(folder) - 1;
        memcpy(folder, path, len);
        folder[len] = 0;
    }
    struct stat st;
    if (fstatat(dir, folder, &st, 0) != 0 || (uint64_t)st.st_dev != file->device)
        return 0;
    return st.st_ino;
}

/* --- writes */

static void record_write(int fd, const struct iovec *iov, int count, int64_t offset, size_t done, uint64_t begin)
{
    bool regular;
    uint64_t object = object_of(fd, &regular);
    if (!object || !regular)
        return;
    if (offset < 0)
        offset = (int64_t)lseek(fd, 0, SEEK_CUR) - (int64_t)done;
    struct record_event e = {
        .kind = RECORD_WRITE, .begin = begin, .end = end_now(), .object = object, .offset = (uint64_t)offset};
    char *to = add(e, done, no_text, no_text);
    for (int i = 0; to && i < count && done > 0; i++) {
        size_t len = iov[i].iov_len < done ? iov[i].iov_len : done;
        memcpy(to, iov[i].iov_base, len);
        to += len;
        done -= len;
    }
}

static void note_word(const char *start, const char *end, const char *what)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "%s %.*s", what, (int)(end - start < 40 ? end - start : 40), start);
    note(text, (size_t)len);
}

/* The 250 on its way to the client, and the log's word that the queue is done with a mail. */
static void look_at(const struct iovec *iov, int count)
{
    static const char queued[] = " queued as ", removed[] = ": removed\n";
    for (int i = 0; i < count; i++) {
        const char *p = iov[i].iov_base, *end = p + iov[i].iov_len, *at;
        if (iov[i].iov_len > (1u << 20) || iov[i].iov_len < 12)
            continue;
        for (at = p; (at = memmem(at, (size_t)(end - at), queued, sizeof(queued) - 1));) {
            at += sizeof(queued) - 1;
            const char *stop = at;
            while (stop<end && * stop> ' ')
                stop++;
            note_word(at, stop, "queued");
        }
        for (at = p; (at = memmem(at, (size_t)(end - at), removed, sizeof(removed) - 1)); at += sizeof(removed) - 1) {
            const char *start = at;
            while (start > p && start[-1] > ' ')
                start--;
            note_word(start, at, "removed");
        }
    }
}

static bool is_recorded(int fd)
{
    bool regular;
    return file && object_of(fd, &regular) && regular;
}

#define WRITES(call, fd, iov, count, offset)                                                                           \
    do {                                                                                                               \
        if (!file)                                                                                                     \
            return call;                                                                                               \
        if (!is_recorded(fd)) {                                                                                        \
            look_at(iov, count);                                                                                       \
            return call;                                                                                               \
        }                                                                                                              \
        uint64_t begin = enter();                                                                                      \
        ssize_t done = call;                                                                                           \
        if (done > 0)                                                                                                  \
            record_write(fd, iov, count, offset, (size_t)done, begin);                                                 \
        leave();                                                                                                       \
        return done;                                                                                                   \
    } while (0)

ssize_t write(int fd, const void *data, size_t len)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    const struct iovec one = {(void *)data, len};
    WRITES(real(fd, data, len), fd, &one, 1, -1);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    WRITES(real(fd, iov, count), fd, iov, count, -1);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    const struct iovec one = {(void *)data, len};
    WRITES(real(fd, data, len, offset), fd, &one, 1, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    return pwrite(fd, data, len, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    WRITES(real(fd, iov, count, offset), fd, iov, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t offset)
{
    return pwritev(fd, iov, count, offset);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    REAL(ssize_t, "send", int, const void *, size_t, int);
    const struct iovec one = {(void *)data, len};
    if (file)
        look_at(&one, 1);
    return real(fd, data, len, flags);
}

/* As the server calls send. */
long syscall(long number, ...)
{
    REAL(long, "syscall", long, ...);
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    const struct iovec one = {(void *)a[1], (size_t)a[2]};
    if (file && number == SYS_sendto)
        look_at(&one, 1);
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    if (file)
        look_at(m->msg_iov, (int)m->msg_iovlen);
    return real(fd, m, flags);
}

/* --- syncs and sizes */

static int synced(int (*real)(int), int fd, enum record_kind kind)
{
    bool regular;
    uint64_t object = object_of(fd, &regular);
    if (!object)
        return real(fd);
    uint64_t begin = enter();
    int result = real(fd);
    if (file->sync_us) {
        _Atomic uint32_t never = 0;
        futex_wait_ns(&never, 0, (long)file->sync_us * 1000);
    }
    if (result == 0)
        (void)add((struct record_event){.kind = (uint32_t)kind, .begin = begin, .end = end_now(), .object = object}, 0,
                  no_text, no_text);
    leave();
    return result;
}

int fsync(int fd)
{
    REAL(int, "fsync", int);
    return synced(real, fd, RECORD_SYNC);
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    return synced(real, fd, RECORD_SYNC);
}

int syncfs(int fd)
{
    REAL(int, "syncfs", int);
    return synced(real, fd, RECORD_SYNC_ALL);
}

static void sized(uint64_t begin, enum record_kind kind, int fd, off_t size)
{
    bool regular;
    uint64_t object = object_of(fd, &regular);
    if (object)
        (void)add(
            (struct record_event){
                .kind = (uint32_t)kind, .begin = begin, .end = end_now(), .object = object, .offset = (uint64_t)size},
            0, no_text, no_text);
}

int ftruncate(int fd, off_t size)
{
    REAL(int, "ftruncate", int, off_t);
    uint64_t begin = enter();
    int result = real(fd, size);
    if (result == 0 && file)
        sized(begin, RECORD_SIZE, fd, size);
    leave();
    return result;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    REAL(int, "fallocate", int, int, off_t, off_t);
    uint64_t begin = enter();
    int result = real(fd, mode, offset, len);
    if (result == 0 && file)
        sized(begin, RECORD_ALLOCATE, fd, offset + len);
    leave();
    return result;
}

int fallocate64(int fd, int mode, off_t offset, off_t len)
{
    return fallocate(fd, mode, offset, len);
}

/* --- names */

static int opened(int dir, const char *path, int flags, unsigned mode)
{
    REAL(int, "openat", int, const char *, int, ...);
    if (!file || !(flags & (O_CREAT | O_TRUNC)))
        return real(dir, path, flags, mode);
    uint64_t begin = enter();
    bool existed = inode_at(dir, path) != 0, regular;
    int fd = real(dir, path, flags, mode);
    uint64_t object = fd >= 0 ? object_of(fd, &regular) : 0;
    if (object && regular && !existed) {
        struct text name;
        uint64_t folder = folder_at(dir, path, &name);
        (void)add(
            (struct record_event){
                .kind = RECORD_CREATE, .begin = begin, .end = end_now(), .object = object, .folder = folder},
            0, name, no_text);
    } else if (object && regular && (flags & O_TRUNC)) {
        sized(begin, RECORD_SIZE, fd, 0);
    }
    leave();
    return fd;
}

static unsigned mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = mode_of(flags, args);
    va_end(args);
    return opened(dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = mode_of(flags, args);
    va_end(args);
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = mode_of(flags, args);
    va_end(args);
    return opened(AT_FDCWD, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = mode_of(flags, args);
    va_end(args);
    return opened(dir, path, flags, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    REAL(int, "mkdirat", int, const char *, mode_t);
    uint64_t begin = enter();
    int result = real(dir, path, mode);
    if (result == 0 && file && inode_at(dir, path)) {
        struct text name;
        uint64_t folder = folder_at(dir, path, &name);
        (void)add((struct record_event){.kind = RECORD_CREATE,
                                        .begin = begin,
                                        .end = end_now(),
                                        .object = inode_at(dir, path),
                                        .folder = folder,
                                        .offset = 1},
                  0, name, no_text);
    }
    leave();
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int dir, const char *path, int flags)
{
    REAL(int, "unlinkat", int, const char *, int);
    uint64_t begin = enter();
    bool ours = file && inode_at(dir, path) != 0;
    int result = real(dir, path, flags);
    if (result == 0 && ours) {
        struct text name;
        uint64_t folder = folder_at(dir, path, &name);
        (void)add((struct record_event){.kind = RECORD_UNLINK, .begin = begin, .end = end_now(), .folder = folder}, 0,
                  name, no_text);
    }
    leave();
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    REAL(int, "renameat", int, const char *, int, const char *);
    uint64_t begin = enter(), object = file ? inode_at(from_dir, from) : 0;
    int result = real(from_dir, from, to_dir, to);
    if (result == 0 && object) {
        struct text name, name2;
        struct record_event e = {.kind = RECORD_RENAME, .begin = begin, .end = end_now(), .object = object};
        e.folder = folder_at(from_dir, from, &name);
        e.folder2 = folder_at(to_dir, to, &name2);
        (void)add(e, 0, name, name2);
    }
    leave();
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    REAL(int, "linkat", int, const char *, int, const char *, int);
    uint64_t begin = enter();
    int result = real(from_dir, from, to_dir, to, flags);
    uint64_t object = result == 0 && file ? inode_at(to_dir, to) : 0;
    if (object) {
        struct text name2;
        struct record_event e = {.kind = RECORD_LINK, .begin = begin, .end = end_now(), .object = object};
        e.folder2 = folder_at(to_dir, to, &name2);
        (void)add(e, 0, no_text, name2);
    }
    leave();
    return result;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* --- what makes the workload dense: small segments, frequent checkpoints */

int fstatvfs(int fd, struct statvfs *s)
{
    REAL(int, "fstatvfs", int, struct statvfs *);
    int result = real(fd, s);
    if (result == 0 && file && file->free_bytes) {
        s->f_bavail = s->f_bfree = file->free_bytes / s->f_frsize;
        s->f_blocks = s->f_bavail * 2;
    }
    return result;
}

int fstatvfs64(int fd, struct statvfs64 *s)
{
    return fstatvfs(fd, (struct statvfs *)s); /* the same on 64 bits */
}

static bool is_queue;

int prctl(int option, ...)
{
    REAL(int, "prctl", int, ...);
    va_list args;
    unsigned long a[4];
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_NAME)
        is_queue = strcmp((const char *)a[0], "thurn-queue") == 0;
    return real(option, a[0], a[1], a[2], a[3]);
}

/* In the queue the monotonic clock leaps ahead, each time by more than lies between two checkpoints; between the leaps it goes as ever. */
static int true_time(clockid_t id, struct timespec *t)
{
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    return real(id, t);
}

static uint64_t true_ms(void)
{
    struct timespec t = {0};
    (void)true_time(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* How far it is ahead. */
static time_t leapt_s(void)
{
    return file && is_queue && file->checkpoint_ms ? (time_t)(true_ms() / file->checkpoint_ms * LEAP_S) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int result = true_time(id, t);
    if (result == 0 && id == CLOCK_MONOTONIC)
        t->tv_sec += leapt_s();
    return result;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
    REAL(int, "epoll_wait", int, struct epoll_event *, int, int);
    if (leapt_s()) {
        int left = (int)(file->checkpoint_ms - true_ms() % file->checkpoint_ms);
        timeout_ms = timeout_ms < 0 || timeout_ms > left ? left : timeout_ms;
    }
    return real(fd, events, max, timeout_ms);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until)
{
    REAL(int, "pthread_cond_timedwait", pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    const struct timespec back = {.tv_sec = until->tv_sec - leapt_s(), .tv_nsec = until->tv_nsec};
    return real(condition, lock, &back);
}
