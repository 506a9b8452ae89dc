/* SPDX-License-Identifier: ISC */
/* Maildir: tmp/, then new/. A batch is made durable as a whole: from a few files on one syncfs is cheaper than an fsync a file. Every open refuses links, so that a mailbox's owner cannot
 * lead us elsewhere. */
#include "proc/deliver/work.h"

#include <assert.h>

#define BATCH_MAX 100u
#define BATCH_BYTES (16u * 1024 * 1024)
#define SYNCFS_FROM 4u
#define DIRS_MAX 32u
#define NAME_MAX_LEN 255u
#define PATH_MAX_LEN 1024u

/* One mailbox whose folders are open. */
struct maildir {
    char path_memory[PATH_MAX_LEN];
    slice path;
    int tmp_fd, new_fd;
    uint64_t inode, device; /* of new/ */
    uint64_t used;
    size_t mails; /* of this batch */
    bool touched; /* by this batch: new/ must be synced */
    enum err err; /* of its sync: what these descriptors say of later ones is not believed */
};

struct entry {
    uint64_t number;
    struct maildir *dir;
    int fd;
    char name_memory[NAME_MAX_LEN];
    slice name; /* in tmp/ */
    uint64_t size;
    enum err err;
};

struct maildir_batch {
    struct maildir dirs[DIRS_MAX];
    struct entry entries[BATCH_MAX];
    size_t count;
    size_t dirs_used; /* by this batch */
    uint64_t bytes;
    uint64_t sequence, clock;
    uint32_t pid;
};

struct maildir_batch *maildir_batch_open(void)
{
    struct maildir_batch *m = calloc(1, sizeof *m);
    if (m)
        m->pid = process_pid();
    for (size_t i = 0; m && i < DIRS_MAX; i++)
        m->dirs[i].tmp_fd = m->dirs[i].new_fd = -1;
    return m;
}

size_t maildir_batch_count(const struct maildir_batch *m)
{
    return m->count;
}

bool maildir_batch_full(const struct maildir_batch *m)
{
    return m->count == BATCH_MAX || m->dirs_used == DIRS_MAX || m->bytes >= BATCH_BYTES;
}

static void dir_close(struct maildir *d)
{
    os_close(&d->tmp_fd);
    os_close(&d->new_fd);
    d->path = SLICE_NONE;
}

static enum err folder_sync(slice path)
{
    int fd = -1;
    enum err e = os_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fsync(fd);
    os_close(&fd);
    return e;
}

/* Every folder that is made is made durable in the one above: a mail that is safe in a folder which a crash takes away is not safe. */
static enum err make_path(slice path)
{
    for (size_t at = 1; at <= path.len; at++) {
        if (at < path.len && path.ptr[at] != '/')
            continue;
        slice folder = slice_sub(path, 0, at);
        enum err e = os_mkdir(AT_FDCWD, folder, 0700);
        if (e == ERR_OK)
            e = folder_sync(os_path_parent(folder));
        if (e != ERR_OK && e != ERR_EXISTS)
            return e;
    }
    return ERR_OK;
}

static enum err make_missing(slice path)
{
    int top = -1;
    enum err e = make_path(path);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &top);
    const slice names[] = {SLICE("tmp"), SLICE("new"), SLICE("cur")};
    for (size_t i = 0; e == ERR_OK && i < 3; i++) {
        e = os_mkdir(top, names[i], 0700);
        if (e == ERR_EXISTS)
            e = ERR_OK;
    }
    if (e == ERR_OK)
        e = os_fsync(top);
    os_close(&top);
    return e;
}

static enum err dir_fds(struct maildir *d, slice path)
{
    int top = -1;
    enum err e = os_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &top);
    if (e == ERR_OK)
        e = os_open(top, SLICE("tmp"), O_RDONLY | O_DIRECTORY, 0, &d->tmp_fd);
    if (e == ERR_OK)
        e = os_open(top, SLICE("new"), O_RDONLY | O_DIRECTORY, 0, &d->new_fd);
    os_close(&top);
    struct os_file_stamp stamp;
    if (e == ERR_OK)
        e = os_fd_stamp(d->new_fd, &stamp);
    if (e == ERR_OK) {
        d->inode = stamp.inode;
        d->device = stamp.device;
    }
    return e;
}

static enum err dir_open(struct maildir *d, slice path)
{
    if (path.len >= sizeof d->path_memory)
        return ERR_LIMIT;
    enum err e = dir_fds(d, path);
    if (e == ERR_NOTFOUND) {
        dir_close(d);
        e = make_missing(path);
        if (e == ERR_OK)
            e = dir_fds(d, path);
    }
    if (e != ERR_OK) {
        dir_close(d);
        return e;
    }
    memcpy(d->path_memory, path.ptr, path.len);
    d->path = slice_of(d->path_memory, path.len);
    return ERR_OK;
}

/* A kept mailbox may have been removed or renamed meanwhile: its path must still lead to the folder that we have open. */
static bool still_there(const struct maildir *d)
{
    struct os_file_stamp now;
    char memory[PATH_MAX_LEN + 8];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, d->path);
    buf_append(&b, SLICE("/new"));
    return os_file_stamp(AT_FDCWD, buf_slice(&b), false, &now) == ERR_OK && now.inode == d->inode &&
           now.device == d->device;
}

static enum err dir_get(struct maildir_batch *m, slice path, struct maildir **d_r)
{
    struct maildir *oldest = NULL;
    for (size_t i = 0; i < DIRS_MAX; i++) {
        struct maildir *d = &m->dirs[i];
        if (d->path.len > 0 && slice_equal(d->path, path)) {
            if (d->mails == 0 && !still_there(d)) {
                dir_close(d);
            } else {
                d->used = ++m->clock;
                *d_r = d;
                return ERR_OK;
            }
        }
        if (d->mails == 0 && (!oldest || d->used < oldest->used))
            oldest = d;
    }
    assert(oldest);
    dir_close(oldest);
    enum err e = dir_open(oldest, path);
    if (e != ERR_OK)
        return e;
    oldest->used = ++m->clock;
    *d_r = oldest;
    return ERR_OK;
}

static void name_print(struct maildir_batch *m, struct entry *e, slice hostname)
{
    buf b;
    buf_init_fixed(&b, e->name_memory, sizeof e->name_memory);
    int64_t us = os_wall_us();
    buf_append_u64(&b, (uint64_t)(us / 1000000));
    buf_append(&b, SLICE(".M"));
    buf_append_u64(&b, (uint64_t)(us % 1000000));
    buf_append(&b, SLICE("P"));
    buf_append_u64(&b, m->pid);
    buf_append(&b, SLICE("Q"));
    buf_append_u64(&b, ++m->sequence);
    buf_append_char(&b, '.');
    /* A name with a slash or colon would be another path or a flag. */
    for (size_t i = 0; i < hostname.len && i < 128; i++)
        buf_append_char(&b, hostname.ptr[i] == '/' || hostname.ptr[i] == ':' ? '_' : hostname.ptr[i]);
    e->name = buf_slice(&b);
}

static enum err write_all(struct entry *e, struct work_body *body)
{
    for (slice piece = work_body_next(body); piece.len > 0; piece = work_body_next(body)) {
        enum err err = os_pwrite(e->fd, piece, e->size);
        if (err != ERR_OK)
            return err;
        e->size += piece.len;
    }
    return body->gone ? ERR_CLOSED : ERR_OK;
}

static void entry_drop(struct entry *e)
{
    if (e->fd >= 0 && os_unlink(e->dir->tmp_fd, e->name) != ERR_OK)
        log_line(LOG_WARNING, "%.*s/tmp/%.*s: left behind", SLICE_ARG(e->dir->path), SLICE_ARG(e->name));
    os_close(&e->fd);
}

bool maildir_batch_add(struct maildir_batch *m, const struct item *i, struct work_body *body, struct verdict *v_r)
{
    assert(!maildir_batch_full(m));
    struct entry *e = &m->entries[m->count];
    *e = (struct entry){.number = i->number, .fd = -1};
    enum err err = dir_get(m, i->path, &e->dir);
    if (err == ERR_OK) {
        name_print(m, e, i->hostname);
        err = os_open(e->dir->tmp_fd, e->name, O_WRONLY | O_CREAT | O_EXCL, 0600, &e->fd);
    }
    if (err == ERR_OK)
        err = write_all(e, body);
    if (err != ERR_OK) {
        if (e->dir)
            entry_drop(e);
        *v_r = work_verdict(err, i->path);
        return false;
    }
    m->count++;
    m->bytes += e->size;
    if (e->dir->mails++ == 0)
        m->dirs_used++;
    return true;
}

/* The mailboxes of a user are nearly always on one file system. */
static bool same_device(const struct maildir_batch *m)
{
    for (size_t i = 1; i < m->count; i++) {
        if (m->entries[i].dir->device != m->entries[0].dir->device)
            return false;
    }
    return true;
}

static void sync_bodies(struct maildir_batch *m)
{
    if (m->count >= SYNCFS_FROM && same_device(m)) {
        /* To this descriptor the kernel reports any write that failed on its file system since it was opened, which was before the other files were. */
        enum err e = os_syncfs(m->entries[0].fd);
        for (size_t i = 0; i < m->count; i++)
            m->entries[i].err = e;
        return;
    }
    for (size_t i = 0; i < m->count; i++)
        m->entries[i].err = os_fsync(m->entries[i].fd);
}

static void move(struct entry *e)
{
    char memory[NAME_MAX_LEN + 32];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, e->name);
    buf_append(&b, SLICE(",S="));
    buf_append_u64(&b, e->size);
    e->err = os_rename(e->dir->tmp_fd, e->name, e->dir->new_fd, buf_slice(&b));
    if (e->err == ERR_OK)
        e->dir->touched = true;
}

/* A descriptor of this batch, for syncfs: one of an older folder would report once more what an earlier batch was told. */
static int fresh_fd(const struct maildir_batch *m)
{
    size_t i = 0;
    while (m->entries[i].fd < 0)
        i++;
    return m->entries[i].fd;
}

static void sync_folders(struct maildir_batch *m)
{
    struct maildir *touched[DIRS_MAX];
    size_t count = 0;
    for (size_t d = 0; d < DIRS_MAX; d++) {
        if (m->dirs[d].touched)
            touched[count++] = &m->dirs[d];
        m->dirs[d].touched = false;
    }
    bool at_once = count >= SYNCFS_FROM && same_device(m);
    enum err e = at_once ? os_syncfs(fresh_fd(m)) : ERR_OK;
    for (size_t d = 0; d < count; d++) {
        if (!at_once)
            e = os_fsync(touched[d]->new_fd);
        touched[d]->err = e;
    }
    for (size_t i = 0; i < m->count; i++) {
        if (m->entries[i].err == ERR_OK)
            m->entries[i].err = m->entries[i].dir->err;
    }
}

void maildir_batch_end(struct maildir_batch *m, void (*done)(void *ctx, uint64_t number, const struct verdict *v),
                       void *ctx)
{
    sync_bodies(m);
    for (size_t i = 0; i < m->count; i++) {
        struct entry *e = &m->entries[i];
        if (e->err == ERR_OK)
            move(e);
        if (e->err != ERR_OK)
            entry_drop(e);
    }
    sync_folders(m);
    for (size_t i = 0; i < m->count; i++) {
        struct entry *e = &m->entries[i];
        os_close(&e->fd);
        struct verdict v = e->err == ERR_OK ? status_verdict_text(STATUS_DELIVERED, SLICE("delivered to maildir"))
                                            : work_verdict(e->err, e->dir->path);
        done(ctx, e->number, &v);
    }
    m->count = m->dirs_used = 0;
    m->bytes = 0;
    for (size_t d = 0; d < DIRS_MAX; d++) {
        if (m->dirs[d].err != ERR_OK)
            dir_close(&m->dirs[d]);
        m->dirs[d].err = ERR_OK;
        m->dirs[d].mails = 0;
    }
}
