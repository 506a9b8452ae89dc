/* SPDX-License-Identifier: ISC */
/* The worker of the process deliver, as it runs in its process, with its mailboxes in memory: items for Maildirs, mbox files and plain files come in pieces cut anywhere, the last one may break off, the
 * parent may stall or go; calls on files fail. Each item that came whole is answered once, no other one is; what is told as delivered lies synced in its mailbox, as it should be and once, and what
 * is not told so does not; nothing stays in tmp/, and no file is left open.
 * Input: the first byte says whether calls fail; then what items there are, then for each call how it goes. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/deliver/work.h"

#define SOCKET 100000
#define ITEMS_MAX 140u
#define STREAM_MAX (4u << 20)
#define BODY_MAX 200000u
#define BOXES 3u /* the last is a plain file */
#define LIVE_MAX 64u
#define FDS_MAX 256u
#define DIRTY_MAX 256u

#define CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __LINE__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum place { MAILDIR, BOX, NOWHERE, NO_FOLDER };

struct seen_item {
    enum place place;
    unsigned box;
    char path[80], trace[96];
    buf body;
    size_t end; /* in the stream */
    unsigned code, moved;
    uint64_t file, folder; /* inodes */
};

static struct {
    const uint8_t *at;
    size_t left;
    bool faults, inside, stalled, gone, folder_unsure;
    struct seen_item items[ITEMS_MAX];
    unsigned count;
    buf stream, answers, boxes[BOXES];
    size_t got;
    void *live[LIVE_MAX];
    int fds[FDS_MAX];
    unsigned fd_count;
    uint64_t dirty[DIRTY_MAX];
    unsigned dirty_count;
    int in_tmp;
    jmp_buf out;
} w;

static char house[40];

__attribute__((noreturn)) static void fuzz_fail(const char *what, int line)
{
    (void)fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, line, what);
    abort();
}

static unsigned draw(unsigned below)
{
    if (w.left == 0 || below == 0)
        return 0;
    w.left--;
    return *w.at++ % below;
}

/* n times of 256 */
static bool chance(unsigned n)
{
    return draw(256) >= 256 - n;
}

static bool fault(void)
{
    return w.faults && chance(3);
}

/* --- what the worker has when it ends: its process would end with it, but here the next input follows */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static void *live_swap(void *from, void *to)
{
    unsigned at = 0;
    while (at < LIVE_MAX && w.live[at] != from)
        at++;
    if (at < LIVE_MAX)
        w.live[at] = to;
    CHECK(at < LIVE_MAX || from);
    return to;
}

void *__wrap_malloc(size_t size)
{
    void *p = __real_malloc(size);
    return w.inside ? live_swap(NULL, p) : p;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *p = __real_calloc(count, size);
    return w.inside ? live_swap(NULL, p) : p;
}

void *__wrap_realloc(void *p, size_t size)
{
    void *to = __real_realloc(p, size);
    return w.inside ? live_swap(p, to) : to;
}

void __wrap_free(void *p)
{
    if (w.inside && p)
        (void)live_swap(p, NULL);
    __real_free(p);
}

void __wrap_process_exit(int status) __attribute__((noreturn));
void __wrap_process_exit(int status)
{
    CHECK(status == 0 && w.inside);
    w.inside = false;
    longjmp(w.out, 1);
}

void __wrap_log_close(void)
{
}

void __wrap_log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void __wrap_log_line(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

static void worker_end(void)
{
    for (unsigned i = 0; i < LIVE_MAX; i++) {
        __real_free(w.live[i]);
        w.live[i] = NULL;
    }
    for (unsigned i = 0; i < w.fd_count; i++) {
        struct stat st;
        CHECK(fstat(w.fds[i], &st) == 0 && S_ISDIR(st.st_mode)); /* mailboxes that it keeps open, and no files */
        (void)close(w.fds[i]);
    }
    w.fd_count = 0;
    CHECK(w.in_tmp == 0);
}

/* --- files */

static uint64_t inode_of(int fd)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    return st.st_ino;
}

static bool is_dirty(uint64_t inode)
{
    for (unsigned i = 0; i < w.dirty_count; i++)
        if (w.dirty[i] == inode)
            return true;
    return false;
}

static void dirty_set(uint64_t inode)
{
    if (is_dirty(inode))
        return;
    CHECK(w.dirty_count < DIRTY_MAX);
    w.dirty[w.dirty_count++] = inode;
}

static void dirty_clear(uint64_t inode)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w.dirty_count; i++)
        if (w.dirty[i] != inode)
            w.dirty[kept++] = w.dirty[i];
    w.dirty_count = kept;
}

enum err __real_os_open(int dir_fd, slice path, int flags, unsigned mode, int *fd_r);
enum err __wrap_os_open(int dir_fd, slice path, int flags, unsigned mode, int *fd_r);
enum err __wrap_os_open(int dir_fd, slice path, int flags, unsigned mode, int *fd_r)
{
    if (fault())
        return ERR_DESCRIPTORS;
    enum err e = __real_os_open(dir_fd, path, flags, mode, fd_r);
    if (e != ERR_OK)
        return e;
    CHECK(w.fd_count < FDS_MAX);
    w.fds[w.fd_count++] = *fd_r;
    w.in_tmp += (flags & O_EXCL) != 0;
    return e;
}

void __real_os_close(int *fd);
void __wrap_os_close(int *fd);
void __wrap_os_close(int *fd)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w.fd_count; i++)
        if (w.fds[i] != *fd)
            w.fds[kept++] = w.fds[i];
    CHECK(*fd == -1 || kept + 1 == w.fd_count);
    w.fd_count = kept;
    __real_os_close(fd);
}

enum err __real_os_pwrite(int fd, slice data, uint64_t offset);
enum err __wrap_os_pwrite(int fd, slice data, uint64_t offset);
enum err __wrap_os_pwrite(int fd, slice data, uint64_t offset)
{
    dirty_set(inode_of(fd));
    if (fault()) {
        (void)!__real_os_pwrite(fd, slice_sub(data, 0, data.len / 2), offset);
        return ERR_NOSPACE;
    }
    return __real_os_pwrite(fd, data, offset);
}

enum err __wrap_os_fsync(int fd);
enum err __wrap_os_fsync(int fd)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    if (fault()) {
        w.folder_unsure = w.folder_unsure || S_ISDIR(st.st_mode);
        return ERR_IO;
    }
    dirty_clear(st.st_ino);
    return ERR_OK;
}

enum err __wrap_os_syncfs(int fd);
enum err __wrap_os_syncfs(int fd)
{
    (void)inode_of(fd);
    if (fault()) {
        w.folder_unsure = true;
        return ERR_IO;
    }
    w.dirty_count = 0;
    return ERR_OK;
}

enum err __real_os_unlink(int dir_fd, slice path);
enum err __wrap_os_unlink(int dir_fd, slice path);
enum err __wrap_os_unlink(int dir_fd, slice path)
{
    enum err e = __real_os_unlink(dir_fd, path);
    w.in_tmp -= e == ERR_OK;
    return e;
}

enum err __real_os_mkdir(int dir_fd, slice path, unsigned mode);
enum err __wrap_os_mkdir(int dir_fd, slice path, unsigned mode);
enum err __wrap_os_mkdir(int dir_fd, slice path, unsigned mode)
{
    return fault() ? ERR_NOSPACE : __real_os_mkdir(dir_fd, path, mode);
}

/* The whole file in a buffer that lives until the next call. */
static slice file_read(int dir_fd, const char *path, uint64_t *inode_r)
{
    static char memory[STREAM_MAX];
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return SLICE_NONE;
    *inode_r = inode_of(fd);
    ssize_t n = read(fd, memory, sizeof memory);
    CHECK(n >= 0 && (size_t)n < sizeof memory);
    (void)close(fd);
    return slice_of(memory, (size_t)n);
}

/* --- what must be in a mailbox: line by line, where the worker goes by pieces */

static void unix_append(buf *b, slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '\r' || i + 1 == s.len || s.ptr[i + 1] != '\n')
            buf_append_char(b, s.ptr[i]);
}

static void item_text(const struct seen_item *x, buf *b)
{
    unix_append(b, slice_str(x->trace));
    unix_append(b, buf_slice(&x->body));
}

static void box_append(const struct seen_item *x, buf *b)
{
    buf text;
    buf_init(&text, STREAM_MAX);
    item_text(x, &text);
    slice rest = buf_slice(&text);
    while (rest.len > 0) {
        size_t n = 0, marks = 0;
        while (n < rest.len && rest.ptr[n++] != '\n')
            continue;
        while (marks < n && rest.ptr[marks] == '>')
            marks++;
        if (slice_starts(slice_sub(rest, marks, n), SLICE("From ")))
            buf_append_char(b, '>');
        buf_append(b, slice_sub(rest, 0, n));
        rest = slice_skip(rest, n);
    }
    buf_append(b, text.ptr[text.len - 1] == '\n' ? SLICE("\n") : SLICE("\n\n"));
    buf_deinit(&text);
}

enum err __real_os_rename(int from_dir, slice from, int to_dir, slice to);
enum err __wrap_os_rename(int from_dir, slice from, int to_dir, slice to);
enum err __wrap_os_rename(int from_dir, slice from, int to_dir, slice to)
{
    char name[300] = {0};
    unsigned number = 0;
    uint64_t inode = 0;
    buf text;
    if (fault())
        return ERR_NOSPACE;
    enum err e = __real_os_rename(from_dir, from, to_dir, to);
    if (e != ERR_OK)
        return e;
    w.inside = false;
    w.in_tmp--;
    dirty_set(inode_of(to_dir));
    CHECK(to.len < sizeof name);
    memcpy(name, to.ptr, to.len);
    slice content = file_read(to_dir, name, &inode);
    const char *at = memmem(content.ptr, content.len, "To: r", 5);
    CHECK(at && sscanf(at, "To: r%u@", &number) == 1 && number < w.count);
    struct seen_item *x = &w.items[number];
    CHECK(x->place == MAILDIR && x->moved++ == 0 && x->end <= w.got);
    CHECK(!is_dirty(inode)); /* what is in new/ is on the disk */
    x->file = inode;
    x->folder = inode_of(to_dir);
    buf_init(&text, STREAM_MAX);
    item_text(x, &text);
    CHECK(slice_equal(content, buf_slice(&text)));
    buf_deinit(&text);
    w.inside = true;
    return e;
}

/* --- the parent */

enum err __wrap_socket_wait(int fd, bool write, int64_t timeout_ms);
enum err __wrap_socket_wait(int fd, bool write, int64_t timeout_ms)
{
    CHECK(fd == SOCKET && timeout_ms > 0);
    (void)write;
    if (!chance(1))
        return ERR_OK;
    w.stalled = true;
    return ERR_TIMEOUT;
}

enum err __wrap_socket_take(int fd, void *out, size_t size, size_t *got_r)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, 1, 7, 600, 65535};
    CHECK(fd == SOCKET && size > 0);
    if (w.gone || w.got == w.stream.len)
        return ERR_CLOSED;
    if (chance(48))
        return ERR_AGAIN;
    size_t n = sizes[draw(8)];
    n = n < size ? n : size;
    n = n < w.stream.len - w.got ? n : w.stream.len - w.got;
    memcpy(out, w.stream.ptr + w.got, n);
    w.got += n;
    *got_r = n;
    return ERR_OK;
}

static void answered(const struct item_answer *a)
{
    CHECK(a->number < w.count);
    struct seen_item *x = &w.items[a->number];
    CHECK(x->end <= w.got && x->code == 0);
    x->code = a->verdict.code;
    bool good = x->code == 250;
    CHECK(good || x->code / 100 == 4);
    CHECK(good ? x->place != NO_FOLDER : x->place != NOWHERE);
    if (x->place == MAILDIR && good)
        CHECK(x->moved == 1 && !is_dirty(x->file) && !is_dirty(x->folder));
    if (x->place == MAILDIR && !good)
        CHECK(x->moved == 0 || w.folder_unsure);
    if (x->place == BOX && good) {
        struct stat st;
        CHECK(stat(x->path, &st) == 0 && !is_dirty(st.st_ino));
        box_append(x, &w.boxes[x->box]);
    }
    if (!w.faults)
        CHECK(good || x->place == NO_FOLDER);
}

enum err __wrap_socket_send_fd(int fd, slice data, int passed, size_t *sent_r);
enum err __wrap_socket_send_fd(int fd, slice data, int passed, size_t *sent_r)
{
    CHECK(fd == SOCKET && passed == -1 && data.len > 0);
    if (w.gone || chance(1)) {
        w.gone = true;
        return ERR_CLOSED;
    }
    if (chance(24))
        return ERR_AGAIN;
    size_t n = chance(24) ? 1 + draw(40) : data.len;
    n = n < data.len ? n : data.len;
    w.inside = false;
    buf_append(&w.answers, slice_sub(data, 0, n));
    struct item_answer a;
    size_t used;
    enum err e;
    while ((e = item_answer_decode(buf_slice(&w.answers), &a, &used)) == ERR_OK) {
        answered(&a);
        buf_consume(&w.answers, used);
    }
    CHECK(e == ERR_AGAIN);
    w.inside = true;
    *sent_r = n;
    return ERR_OK;
}

/* --- the items */

static void body_make(buf *b)
{
    static const char *const pieces[] = {"line\r\n", "\r", "\n", "From x\r\n", ">From ", "\r\r\n", "Fro", ">", "\r\n"};
    buf_init(b, BODY_MAX);
    for (unsigned i = draw(8); i > 0; i--) {
        unsigned which = draw(16);
        if (which < 9)
            buf_append(b, slice_str(pieces[which]));
        else if (which == 9)
            buf_append(b, slice_of("\0", 1));
        else if (which == 10 && b->len < 70000 && w.stream.len < STREAM_MAX / 2) /* about as much as is read at once */
            for (unsigned k = 65500 + draw(64); k > 0; k--)
                buf_append_char(b, 'x');
        else
            for (unsigned k = draw(40); k > 0; k--)
                buf_append(b, SLICE("some words\r\n"));
    }
    CHECK(buf_ok(b));
}

static void item_make(bool many)
{
    unsigned number = w.count++, which = draw(8), box = draw(4);
    struct seen_item *x = &w.items[number];
    *x = (struct seen_item){.place = MAILDIR};
    if (many) {
        (void)snprintf(x->path, sizeof x->path, "%s/m%u", house, which < 4 ? box : number % 40);
    } else if (which < 4) {
        (void)snprintf(x->path, sizeof x->path, "%s/m%u", house, box);
    } else if (which < 6) {
        x->place = BOX;
        x->box = box % BOXES;
        (void)snprintf(x->path, sizeof x->path, "%s/b/%u", house, x->box);
    } else if (which == 6) {
        x->place = NOWHERE;
        (void)snprintf(x->path, sizeof x->path, "/dev/null");
    } else {
        x->place = NO_FOLDER;
        (void)snprintf(x->path, sizeof x->path, box & 1 ? "/dev/null/x" : "%s", house);
    }
    (void)snprintf(x->trace, sizeof x->trace, "Return-Path: <s@test.example>\r\nDelivered-To: r%u@test.example\r\n",
                   number);
    if (many)
        buf_init(&x->body, BODY_MAX);
    else
        body_make(&x->body);
    struct item i = {.number = number,
                     .body_size = x->body.len,
                     .kind = ITEM_MAILDIR,
                     .path = slice_str(x->path),
                     .trace = slice_str(x->trace),
                     .sender = SLICE("s@test.example"),
                     .hostname = SLICE("mx:test/example")};
    if (x->place == BOX || x->place == NOWHERE || (x->place == NO_FOLDER && !(box & 1)))
        i.kind = x->box == BOXES - 1 ? ITEM_FILE : ITEM_MBOX;
    item_encode(&w.stream, &i);
    buf_append(&w.stream, buf_slice(&x->body));
    CHECK(buf_ok(&w.stream));
    x->end = w.stream.len;
}

/* --- the end */

static void check_boxes(void)
{
    char path[80];
    for (unsigned i = 0; i < BOXES; i++) {
        uint64_t inode = 0;
        (void)snprintf(path, sizeof path, "%s/b/%u", house, i);
        slice have = file_read(AT_FDCWD, path, &inode), want = buf_slice(&w.boxes[i]);
        while (want.len > 0) {
            /* The line with the date, and then one of the mails. */
            CHECK(slice_starts(have, SLICE("From s@test.example ")));
            ptrdiff_t end = slice_find_char(have, '\n');
            CHECK(end > 0);
            have = slice_skip(have, (size_t)end + 1);
            const char *next = memmem(want.ptr + 1, want.len - 1, "Return-Path: <s@", 16);
            size_t len = next ? (size_t)(next - want.ptr) : want.len;
            CHECK(slice_equal(slice_sub(have, 0, len), slice_sub(want, 0, len)));
            have = slice_skip(have, len);
            want = slice_skip(want, len);
        }
        CHECK(have.len == 0);
    }
}

static void check_end(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        const struct seen_item *x = &w.items[i];
        if (x->end > w.got)
            CHECK(x->code == 0 && x->moved == 0);
        else
            CHECK(x->code != 0 || w.gone || w.stalled);
    }
    if (!w.gone && !w.stalled)
        check_boxes();
}

static void folder_wipe(int at, const char *path, bool itself)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) != 0)
            folder_wipe(dirfd(d), e->d_name, true);
    }
    (void)closedir(d);
    if (itself)
        (void)unlinkat(at, path, AT_REMOVEDIR);
}

static void house_remove(void)
{
    folder_wipe(AT_FDCWD, house, true);
}

static void house_make(void)
{
    if (house[0])
        return;
    (void)snprintf(house, sizeof house, "%s/deliver_work.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(house));
    CHECK(atexit(house_remove) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    house_make();
    w.at = data;
    w.left = size;
    w.stalled = w.gone = w.folder_unsure = false;
    w.count = w.dirty_count = 0;
    w.got = 0;
    w.in_tmp = 0;
    buf_init(&w.stream, STREAM_MAX);
    buf_init(&w.answers, 1u << 20);
    for (unsigned i = 0; i < BOXES; i++)
        buf_init(&w.boxes[i], STREAM_MAX);
    w.faults = draw(2);
    bool many = draw(8) == 7;
    for (unsigned i = many ? 1 + draw(ITEMS_MAX) : draw(20); i > 0; i--)
        item_make(many);
    if (draw(4) == 3) {
        size_t cut = (size_t)draw(256) * 256 + draw(256);
        w.stream.len -= cut < w.stream.len ? cut : w.stream.len;
    }
    if (setjmp(w.out) == 0) {
        w.inside = true;
        work_run(SOCKET);
    }
    worker_end();
    check_end();
    for (unsigned i = 0; i < w.count; i++)
        buf_deinit(&w.items[i].body);
    for (unsigned i = 0; i < BOXES; i++)
        buf_deinit(&w.boxes[i]);
    buf_deinit(&w.stream);
    buf_deinit(&w.answers);
    folder_wipe(AT_FDCWD, house, false);
    return 0;
}
