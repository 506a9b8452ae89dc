/* SPDX-License-Identifier: ISC */
/* Power cuts. The file calls of a workload are recorded (the linker puts the functions below before those of os); then the disk is made again
 * as a cut after the k-th call may leave it: what was synced is there, every other write is there, not there, or torn at borders of 512 bytes, every
 * change of a folder that was not synced is there or not. Recovery from that is held to QUEUE.md. */
#include "spool_workload.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 60
#define OPS 8000
#define OBJECTS 600
#define DESCRIPTORS 256
#define SECTOR 512
#define PAGE 4096
#define FILE_MAX (1u << 20)

enum folder { TOP, SEG, LARGE, FOLDERS };

struct op {
    enum op_kind { OP_WRITE, OP_SIZE, OP_SYNC, OP_CREATE, OP_UNLINK, OP_RENAME, OP_FOLDER_SYNC } kind;
    unsigned object;
    enum folder folder;
    uint64_t offset; /* OP_SIZE: the size, at least, or exactly 0 */
    size_t len;
    char *data;
    char name[32], to[32];
};

struct name {
    enum folder folder;
    char text[32];
    unsigned object;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool recording;
static struct op ops[OPS];
static size_t op_count;
static unsigned object_count;
static struct name names[OBJECTS];
static size_t name_count;
static struct {
    bool used, is_folder;
    enum folder folder;
    unsigned object;
} descriptors[DESCRIPTORS];
static int top_fd;

static size_t instant_now(void)
{
    pthread_mutex_lock(&lock);
    size_t now = op_count;
    pthread_mutex_unlock(&lock);
    return now;
}

static struct op *record(enum op_kind kind)
{
    if (op_count == OPS)
        abort();
    ops[op_count] = (struct op){.kind = kind};
    return &ops[op_count++];
}

static enum folder split(slice path, char out[32])
{
    enum folder folder = slice_starts(path, SLICE("seg/")) ? SEG : slice_starts(path, SLICE("large/")) ? LARGE : TOP;
    slice name = folder == SEG ? slice_skip(path, 4) : folder == LARGE ? slice_skip(path, 6) : path;
    if (name.len >= 32)
        abort();
    memset(out, 0, 32);
    memcpy(out, name.ptr, name.len);
    return folder;
}

static struct name *find_name(enum folder folder, const char *text)
{
    for (size_t i = 0; i < name_count; i++) {
        if (names[i].folder == folder && strcmp(names[i].text, text) == 0)
            return &names[i];
    }
    return NULL;
}

static void set_name(enum folder folder, const char *text, unsigned object)
{
    struct name *n = find_name(folder, text);
    if (!n) {
        if (name_count == OBJECTS)
            abort();
        n = &names[name_count++];
    }
    n->folder = folder;
    memcpy(n->text, text, 32);
    n->object = object;
}

static void drop_name(enum folder folder, const char *text)
{
    struct name *n = find_name(folder, text);
    if (n)
        *n = names[--name_count];
}

/* --- what the linker calls instead */

#define DECLARE(ret, name, ...)                                                                                        \
    ret __real_##name(__VA_ARGS__);                                                                                    \
    ret __wrap_##name(__VA_ARGS__)

DECLARE(enum err, os_open, int dir_fd, slice path, int flags, unsigned mode, int *fd_r);
DECLARE(void, os_close, int *fd);
DECLARE(enum err, os_pwrite, int fd, slice data, uint64_t offset);
DECLARE(enum err, os_pwritev, int fd, struct iovec *iov, int count, uint64_t offset);
DECLARE(enum err, os_fdatasync, int fd);
DECLARE(enum err, os_fsync, int fd);
DECLARE(enum err, os_fallocate, int fd, uint64_t size);
DECLARE(enum err, os_rename, int from_dir, slice from, int to_dir, slice to);
DECLARE(enum err, os_unlink, int dir_fd, slice path);

static void opened(int fd, slice path, int flags)
{
    char text[32];
    if (fd >= DESCRIPTORS)
        abort();
    descriptors[fd].used = true;
    descriptors[fd].is_folder = (flags & O_DIRECTORY) != 0;
    if (descriptors[fd].is_folder) {
        descriptors[fd].folder = slice_equal(path, SLICE("seg"))     ? SEG
                                 : slice_equal(path, SLICE("large")) ? LARGE
                                                                     : TOP;
        return;
    }
    enum folder folder = split(path, text);
    const struct name *n = find_name(folder, text);
    if (!n) {
        struct op *op = record(OP_CREATE);
        op->object = ++object_count;
        op->folder = folder;
        memcpy(op->name, text, 32);
        set_name(folder, text, op->object);
        n = find_name(folder, text);
    } else if (flags & O_TRUNC) {
        record(OP_SIZE)->object = n->object;
    }
    descriptors[fd].object = n->object;
}

enum err __wrap_os_open(int dir_fd, slice path, int flags, unsigned mode, int *fd_r)
{
    pthread_mutex_lock(&lock);
    enum err e = __real_os_open(dir_fd, path, flags, mode, fd_r);
    if (recording && e == ERR_OK)
        opened(*fd_r, path, flags);
    pthread_mutex_unlock(&lock);
    return e;
}

void __wrap_os_close(int *fd)
{
    pthread_mutex_lock(&lock);
    if (recording && *fd >= 0 && *fd < DESCRIPTORS)
        descriptors[*fd].used = false;
    __real_os_close(fd);
    pthread_mutex_unlock(&lock);
}

static void record_write(int fd, const char *data, size_t len, uint64_t offset)
{
    struct op *op = record(OP_WRITE);
    op->object = descriptors[fd].object;
    op->offset = offset;
    op->len = len;
    op->data = malloc(len + 1);
    memcpy(op->data, data, len);
}

enum err __wrap_os_pwrite(int fd, slice data, uint64_t offset)
{
    pthread_mutex_lock(&lock);
    if (recording && descriptors[fd].used)
        record_write(fd, data.ptr, data.len, offset);
    enum err e = __real_os_pwrite(fd, data, offset);
    pthread_mutex_unlock(&lock);
    return e;
}

enum err __wrap_os_pwritev(int fd, struct iovec *iov, int count, uint64_t offset)
{
    pthread_mutex_lock(&lock);
    if (recording && descriptors[fd].used) {
        size_t len = 0;
        for (int i = 0; i < count; i++)
            len += iov[i].iov_len;
        char *all = malloc(len + 1);
        len = 0;
        for (int i = 0; i < count; i++) {
            memcpy(all + len, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        record_write(fd, all, len, offset);
        free(all);
    }
    enum err e = __real_os_pwritev(fd, iov, count, offset);
    pthread_mutex_unlock(&lock);
    return e;
}

static void record_sync(int fd)
{
    if (fd == top_fd || descriptors[fd].is_folder)
        record(OP_FOLDER_SYNC)->folder = fd == top_fd ? TOP : descriptors[fd].folder;
    else
        record(OP_SYNC)->object = descriptors[fd].object;
}

enum err __wrap_os_fdatasync(int fd)
{
    pthread_mutex_lock(&lock);
    if (recording)
        record_sync(fd);
    pthread_mutex_unlock(&lock);
    return recording ? ERR_OK : __real_os_fdatasync(fd);
}

enum err __wrap_os_fsync(int fd)
{
    return __wrap_os_fdatasync(fd);
}

enum err __wrap_os_fallocate(int fd, uint64_t size)
{
    pthread_mutex_lock(&lock);
    if (recording && descriptors[fd].used) {
        struct op *op = record(OP_SIZE);
        op->object = descriptors[fd].object;
        op->offset = size;
    }
    enum err e = __real_os_fallocate(fd, size);
    pthread_mutex_unlock(&lock);
    return e;
}

enum err __wrap_os_rename(int from_dir, slice from, int to_dir, slice to)
{
    pthread_mutex_lock(&lock);
    if (recording) {
        struct op *op = record(OP_RENAME);
        op->folder = split(from, op->name);
        assert_int_equal(split(to, op->to), op->folder);
        op->object = find_name(op->folder, op->name)->object;
        drop_name(op->folder, op->name);
        set_name(op->folder, op->to, op->object);
    }
    enum err e = __real_os_rename(from_dir, from, to_dir, to);
    pthread_mutex_unlock(&lock);
    return e;
}

enum err __wrap_os_unlink(int dir_fd, slice path)
{
    pthread_mutex_lock(&lock);
    if (recording) {
        struct op *op = record(OP_UNLINK);
        op->folder = split(path, op->name);
        drop_name(op->folder, op->name);
    }
    enum err e = __real_os_unlink(dir_fd, path);
    pthread_mutex_unlock(&lock);
    return e;
}

/* --- the disk after a cut */

static uint64_t chance;

static unsigned draw(unsigned below)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance >> 33) % below;
}

struct cut {
    size_t at;
    size_t synced[OBJECTS]; /* by object: ops below this are on the disk */
    size_t folder_synced[FOLDERS];
};

static struct cut cut;

static void find_syncs(size_t at, bool syncs_work)
{
    memset(&cut, 0, sizeof(cut));
    cut.at = at;
    for (size_t i = 0; syncs_work && i < at; i++) {
        if (ops[i].kind == OP_SYNC)
            cut.synced[ops[i].object] = i;
        if (ops[i].kind == OP_FOLDER_SYNC)
            cut.folder_synced[ops[i].folder] = i;
    }
}

/* Which names there are, in `names`. */
static void replay_folders(void)
{
    name_count = 0;
    for (size_t i = 0; i < cut.at; i++) {
        const struct op *op = &ops[i];
        bool folder_op = op->kind == OP_CREATE || op->kind == OP_UNLINK || op->kind == OP_RENAME;
        if (!folder_op || (i >= cut.folder_synced[op->folder] && draw(2)))
            continue;
        if (op->kind == OP_CREATE) {
            set_name(op->folder, op->name, op->object);
        } else {
            drop_name(op->folder, op->name);
            if (op->kind == OP_RENAME)
                set_name(op->folder, op->to, op->object);
        }
    }
}

static void apply_write(char *content, size_t *size, const struct op *op, bool synced)
{
    unsigned fate = synced ? 0 : draw(4); /* 0, 1: whole, 2: torn, 3: absent */
    if (fate == 3)
        return;
    for (uint64_t at = op->offset; at < op->offset + op->len;) {
        uint64_t end = (at / SECTOR + 1) * SECTOR;
        end = end < op->offset + op->len ? end : op->offset + op->len;
        if (fate < 2 || draw(2)) {
            memcpy(content + at, op->data + (at - op->offset), end - at);
            if (end > *size)
                *size = end;
        }
        at = end;
    }
}

static size_t replay_content(unsigned object, char *content)
{
    size_t size = 0;
    memset(content, 0, FILE_MAX);
    for (size_t i = 0; i < cut.at; i++) {
        const struct op *op = &ops[i];
        if (op->object != object)
            continue;
        bool synced = i < cut.synced[object];
        if (op->kind == OP_WRITE) {
            assert_true(op->offset + op->len <= FILE_MAX);
            apply_write(content, &size, op, synced);
        } else if (op->kind == OP_SIZE && (synced || draw(2))) {
            if (op->offset == 0)
                memset(content, 0, size);
            size = op->offset > size || op->offset == 0 ? op->offset : size;
        }
    }
    return size;
}

static void write_file(const char *folder, const struct name *n)
{
    static const char *const folders[] = {"", "seg/", "large/"};
    static char content[FILE_MAX], zeros[PAGE];
    char path[256];
    snprintf(path, sizeof(path), "%s/%s%s", folder, folders[n->folder], n->text);
    size_t size = replay_content(n->object, content);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    for (size_t at = 0; at < size; at += PAGE) {
        size_t len = size - at < PAGE ? size - at : PAGE;
        if (memcmp(content + at, zeros, len) != 0)
            assert_int_equal(pwrite(fd, content + at, len, (off_t)at), (ssize_t)len);
    }
    close(fd);
}

static int make_disk(const char *folder)
{
    char path[256];
    int fd = -1;
    snprintf(path, sizeof(path), "%s/seg", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/large", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    replay_folders();
    for (size_t i = 0; i < name_count; i++) {
        if (strcmp(names[i].text, "numbers") != 0)
            write_file(folder, &names[i]);
    }
    assert_int_equal(spool_dir_open(folder, &fd), ERR_OK);
    return fd;
}

/* --- the tests */

static struct workload l;

static int run_workload(void **state)
{
    (void)state;
    char path[64];
    workload_folder(path);
    assert_int_equal(spool_dir_open(path, &top_fd), ERR_OK);
    recording = true;
    workload_run(&l, top_fd, ROUNDS, 5, instant_now);
    recording = false;
    os_close(&top_fd);
    workload_remove(path);
    print_message("%zu calls, %zu mails, %zu moved, %zu segments recycled, %zu checkpoints\n", op_count, l.count,
                  l.moved, l.recycled, l.checkpoints);
    return 0;
}

static int free_ops(void **state)
{
    (void)state;
    for (size_t i = 0; i < op_count; i++)
        free(ops[i].data);
    return 0;
}

static void workload_does_what_matters(void **state)
{
    (void)state;
    assert_true(l.moved > 0);
    assert_true(l.recycled > 2);
    assert_true(l.checkpoints > 2);
}

static void nothing_promised_is_lost(void **state)
{
    (void)state;
    size_t cuts = workload_setting("SPOOL_CRASH_CUTS", 60), seeds = workload_setting("SPOOL_CRASH_SEEDS", 3);
    for (size_t c = 0; c <= cuts; c++) {
        size_t at = op_count * c / cuts;
        for (size_t seed = 0; seed < seeds; seed++) {
            char path[64];
            find_syncs(at, true);
            chance = at * 1000 + seed;
            workload_folder(path);
            int fd = make_disk(path);
            workload_check(&l, fd, at);
            os_close(&fd);
            workload_remove(path);
        }
    }
}

/* The control: on a disk whose syncs do nothing mail must be lost, or the test above sees nothing. */
static void without_syncs_mail_is_lost(void **state)
{
    (void)state;
    size_t lost = 0;
    for (unsigned seed = 0; seed < 5; seed++) {
        char path[64];
        find_syncs(op_count, false);
        chance = seed;
        workload_folder(path);
        int fd = make_disk(path);
        lost += workload_count_lost(&l, fd, op_count);
        os_close(&fd);
        workload_remove(path);
    }
    assert_true(lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workload_does_what_matters),
        cmocka_unit_test(nothing_promised_is_lost),
        cmocka_unit_test(without_syncs_mail_is_lost),
    };
    return cmocka_run_group_tests(tests, run_workload, free_ops);
}
