/* SPDX-License-Identifier: ISC */
#include "cmd/batch_checkpoint.h"

#include <string.h>

#define GROUP_MAX (64u << 20)
#define CHECKPOINT_MAX ((size_t)1 << 30)
#define TEXT_MAX 8192u
#define NAME_MAX_BYTES (BATCH_JOB_ID + 8)
#define USER_SIGNS 7 /* for 32 bits */
#define DRAWN_SIGNS (BATCH_JOB_ID - USER_SIGNS)

static slice file_name(char memory[NAME_MAX_BYTES], slice job)
{
    buf b;
    buf_init_fixed(&b, memory, NAME_MAX_BYTES);
    buf_append(&b, job);
    buf_append(&b, SLICE(".job"));
    return buf_slice(&b);
}

void batch_job_id(char out[BATCH_JOB_ID])
{
    uint64_t random;
    os_random(&random, sizeof random);
    base32_write(out, BATCH_JOB_ID, random & INT64_MAX);
}

void batch_job_id_of_user(char out[BATCH_JOB_ID], uint32_t uid)
{
    batch_job_id(out);
    /* the last signs vary more than the first */
    memmove(out, out + USER_SIGNS, DRAWN_SIGNS);
    base32_write(out + DRAWN_SIGNS, USER_SIGNS, uid);
}

bool batch_job_id_is_of_user(slice job, uint32_t uid)
{
    char signs[USER_SIGNS];
    base32_write(signs, USER_SIGNS, uid);
    return batch_job_id_valid(job) && slice_equal(slice_skip(job, DRAWN_SIGNS), slice_of(signs, USER_SIGNS));
}

bool batch_job_id_valid(slice text)
{
    static const slice signs = {"0123456789ABCDEFGHJKMNPQRSTVWXYZ", 32};
    for (size_t i = 0; i < text.len; i++) {
        if (slice_find_char(signs, text.ptr[i]) < 0)
            return false;
    }
    return text.len == BATCH_JOB_ID;
}

enum err batch_checkpoint_folder(slice dir, const struct os_user *owner)
{
    struct os_file_stamp stamp;
    enum err e = os_mkdir(AT_FDCWD, dir, 0700);
    if (e == ERR_OK && owner)
        return os_chown(AT_FDCWD, dir, owner->uid, owner->gid);
    if (e != ERR_EXISTS)
        return e;
    e = os_file_stamp(AT_FDCWD, dir, false, &stamp);
    if (e != ERR_OK)
        return e;
    return stamp.is_dir && !(stamp.mode & 0022) && os_writable(dir) ? ERR_OK : ERR_PERMISSION;
}

static void begin(struct batch_checkpoint *c, slice dir)
{
    *c = (struct batch_checkpoint){.dir_fd = -1, .fd = -1, .dir = dir};
    buf_init(&c->group, GROUP_MAX);
    batch_progress_init(&c->progress);
}

void batch_checkpoint_close(struct batch_checkpoint *c)
{
    os_close(&c->fd);
    os_close(&c->dir_fd);
    buf_deinit(&c->group);
    batch_progress_deinit(&c->progress);
}

static enum err open_folder(struct batch_checkpoint *c)
{
    return os_open(AT_FDCWD, c->dir, O_RDONLY | O_DIRECTORY, 0, &c->dir_fd);
}

static enum err write_first(struct batch_checkpoint *c, const struct batch_submission *s)
{
    struct batch_record r = {.kind = BATCH_RECORD_JOB, .number = {1, s->uid, (uint64_t)os_wall_s()}};
    r.text[0] = slice_of(c->progress.job, BATCH_JOB_ID);
    r.text[1] = s->user;
    r.text[2] = s->path;
    r.text[3] = s->reply_path;
    batch_checkpoint_add(c, &r);
    enum err e = batch_checkpoint_commit(c);
    return e == ERR_OK ? os_fsync(c->dir_fd) : e;
}

enum err batch_checkpoint_create(struct batch_checkpoint *c, slice dir, const struct batch_submission *s)
{
    char memory[NAME_MAX_BYTES];
    begin(c, dir);
    if (s->job.len == BATCH_JOB_ID)
        memcpy(c->progress.job, s->job.ptr, BATCH_JOB_ID);
    else
        batch_job_id(c->progress.job);
    slice name = file_name(memory, slice_of(c->progress.job, BATCH_JOB_ID));
    enum err e = open_folder(c);
    if (e == ERR_OK)
        e = os_open(c->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600, &c->fd);
    if (e == ERR_OK)
        e = os_flock(c->fd);
    if (e == ERR_OK && s->owner)
        e = os_chown(c->dir_fd, name, s->owner->uid, s->owner->gid);
    if (e == ERR_OK)
        e = write_first(c, s);
    if (e != ERR_OK)
        batch_checkpoint_close(c);
    return e;
}

static enum err restore(struct batch_checkpoint *c)
{
    struct batch_records records;
    struct batch_record r;
    size_t valid = 0;
    buf content;
    buf_init(&content, CHECKPOINT_MAX);
    enum err e = batch_checkpoint_read(c, &content);
    if (e == ERR_OK)
        e = batch_records_init(&records, buf_slice(&content), &valid);
    if (e == ERR_OK && valid == 0)
        e = ERR_NOTFOUND; /* stopped before it was a job */
    if (e == ERR_OK && valid < content.len)
        e = os_ftruncate(c->fd, valid);
    while (e == ERR_OK && batch_records_next(&records, &r))
        batch_progress_take(&c->progress, &r, true);
    buf_deinit(&content);
    return e;
}

enum err batch_checkpoint_open(struct batch_checkpoint *c, slice dir, slice job)
{
    char memory[NAME_MAX_BYTES];
    begin(c, dir);
    enum err e = batch_job_id_valid(job) ? open_folder(c) : ERR_NOTFOUND;
    if (e == ERR_OK)
        e = os_open(c->dir_fd, file_name(memory, job), O_RDWR | O_APPEND, 0, &c->fd);
    if (e == ERR_OK)
        e = os_flock(c->fd);
    if (e == ERR_OK)
        e = restore(c);
    if (e == ERR_OK && !slice_equal(job, slice_of(c->progress.job, BATCH_JOB_ID)))
        e = ERR_CORRUPT;
    if (e != ERR_OK)
        batch_checkpoint_close(c);
    return e;
}

enum err batch_checkpoint_path(slice dir, slice job, buf *b)
{
    char name[NAME_MAX_BYTES], memory[4 * TEXT_MAX];
    struct batch_records records;
    struct batch_record r;
    size_t got = 0, valid = 0;
    int dir_fd = -1, fd = -1;
    enum err e = os_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &dir_fd);
    if (e == ERR_OK)
        e = os_open(dir_fd, file_name(name, job), O_RDONLY, 0, &fd);
    if (e == ERR_OK)
        e = os_pread(fd, memory, sizeof memory, 0, &got);
    if (e == ERR_OK)
        e = batch_records_init(&records, slice_of(memory, got), &valid);
    if (e == ERR_OK && !batch_records_next(&records, &r))
        e = ERR_NOTFOUND;
    if (e == ERR_OK)
        batch_record_text(b, r.text[2]);
    os_close(&fd);
    os_close(&dir_fd);
    return e == ERR_OK && !buf_ok(b) ? ERR_LIMIT : e;
}

enum err batch_checkpoint_remove(struct batch_checkpoint *c)
{
    char memory[NAME_MAX_BYTES];
    enum err e = os_unlink(c->dir_fd, file_name(memory, slice_of(c->progress.job, BATCH_JOB_ID)));
    return e == ERR_OK ? os_fsync(c->dir_fd) : e;
}

void batch_checkpoint_add(struct batch_checkpoint *c, const struct batch_record *r)
{
    batch_record_print(&c->group, r);
    batch_progress_take(&c->progress, r, false);
}

enum err batch_checkpoint_commit(struct batch_checkpoint *c)
{
    if (c->group.len == 0)
        return ERR_OK;
    batch_record_commit(&c->group);
    enum err e = buf_ok(&c->group) ? os_write(c->fd, buf_slice(&c->group)) : ERR_LIMIT;
    buf_clear(&c->group);
    return e == ERR_OK ? os_fdatasync(c->fd) : e;
}

enum err batch_checkpoint_read(const struct batch_checkpoint *c, buf *content)
{
    struct os_file_stamp stamp;
    size_t got = 0;
    enum err e = os_fd_stamp(c->fd, &stamp);
    char *room = e == ERR_OK && stamp.size > 0 ? buf_reserve(content, stamp.size) : NULL;
    if (e != ERR_OK || stamp.size == 0)
        return e;
    if (!room)
        return ERR_LIMIT;
    e = os_pread(c->fd, room, stamp.size, 0, &got);
    if (e == ERR_OK)
        buf_grown(content, got);
    return e;
}
