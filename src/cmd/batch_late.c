/* SPDX-License-Identifier: ISC */
#include "cmd/batch_late.h"

#include "cmd/batch_names.h"
#include "cmd/batch_tag.h"
#include "cmd/command.h"

#define SUFFIX SLICE(".late")
#define NAME_BYTES (BATCH_JOB_ID + 8)
#define FILE_MAX (256u * 1024)

static bool is_late(slice name)
{
    return name.len == BATCH_JOB_ID + SUFFIX.len && slice_ends_nocase(name, SUFFIX) &&
           batch_job_id_valid(slice_sub(name, 0, BATCH_JOB_ID));
}

static slice name_of(char memory[NAME_BYTES], slice job)
{
    buf b;
    buf_init_fixed(&b, memory, NAME_BYTES);
    buf_append(&b, job);
    buf_append(&b, SUFFIX);
    return buf_slice(&b);
}

static enum err folder_open(slice dir, int *fd_r)
{
    return os_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, fd_r);
}

static void print(buf *b, enum batch_record_kind kind, const struct batch_doubt *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct batch_record r = {.kind = kind, .number = {d[i].line, d[i].report, d[i].id}};
        batch_record_print(b, &r);
    }
}

/* As root: to the server's user, whose folder it is. */
static enum err give_away(int dir, slice name)
{
    struct os_file_stamp folder;
    enum err e = os_fd_stamp(dir, &folder);
    return e == ERR_OK ? os_chown(dir, name, folder.uid, folder.gid) : e;
}

static enum err file_write(int dir, const struct batch_progress *p)
{
    char memory[NAME_BYTES];
    buf content;
    struct batch_record job = {.kind = BATCH_RECORD_JOB, .number = {1, p->uid, (uint64_t)p->begun_s}};
    struct batch_record server = {.kind = BATCH_RECORD_SERVER, .number = {p->server}};
    job.text[0] = slice_of(p->job, BATCH_JOB_ID);
    job.text[1] = buf_slice(&p->user);
    job.text[2] = buf_slice(&p->path);
    buf_init(&content, FILE_MAX);
    batch_record_print(&content, &job);
    batch_record_print(&content, &server);
    print(&content, BATCH_RECORD_DOUBT, p->doubts, p->doubt_count);
    print(&content, BATCH_RECORD_UNSURE, p->unsure, p->unsure_count);
    batch_record_commit(&content);
    enum err e =
        buf_ok(&content) ? os_file_replace(dir, name_of(memory, job.text[0]), buf_slice(&content), 0600) : ERR_LIMIT;
    buf_deinit(&content);
    return e == ERR_OK && os_uid() == 0 ? give_away(dir, name_of(memory, job.text[0])) : e;
}

enum err batch_late_keep(const struct batch_checkpoint *c, const struct batch_server *server)
{
    struct batch_progress p = c->progress; /* its texts stay the checkpoint's */
    if (p.doubt_count + p.unsure_count == 0)
        return ERR_OK;
    enum err e = server->run(server->ctx, &p.server);
    return e == ERR_OK ? file_write(c->dir_fd, &p) : e;
}

static enum err file_read(int dir, slice name, struct batch_progress *p)
{
    struct batch_records records;
    struct batch_record r;
    size_t valid = 0;
    buf content;
    buf_init(&content, FILE_MAX);
    enum err e = os_file_read(dir, name, &content);
    if (e == ERR_OK)
        e = batch_records_init(&records, buf_slice(&content), &valid);
    if (e == ERR_OK && valid == 0)
        e = ERR_CORRUPT;
    while (e == ERR_OK && batch_records_next(&records, &r))
        batch_progress_take(p, &r, true);
    buf_deinit(&content);
    return e;
}

/* The run is asked for before the mails are, so that they are those of this run or a later one. */
static enum err look(const struct batch_progress *p, const struct batch_server *server, bool *over_r)
{
    slice job = slice_of(p->job, BATCH_JOB_ID);
    uint64_t now = 0;
    size_t missing = 0;
    enum err e = server->run(server->ctx, &now);
    for (size_t i = 0; e == ERR_OK && i < p->doubt_count; i++)
        e = batch_tag_purge(server, job, &p->doubts[i]);
    for (size_t i = 0; e == ERR_OK && i < p->unsure_count; i++) {
        e = batch_tag_release(server, job, &p->unsure[i]);
        missing += e == ERR_NOTFOUND;
        e = e == ERR_NOTFOUND ? ERR_OK : e;
    }
    if (e == ERR_OK)
        *over_r = now != p->server || (missing == 0 && p->doubt_count == 0);
    return e;
}

static enum err sweep_one(int dir, slice name, const struct batch_server *server)
{
    struct batch_progress p;
    bool over = false;
    batch_progress_init(&p);
    enum err e = file_read(dir, name, &p);
    if (e != ERR_OK && e != ERR_NOTFOUND) {
        command_say("%.*s: %s", SLICE_ARG(name), err_text(e));
        e = ERR_NOTFOUND;
    }
    if (e == ERR_OK)
        e = look(&p, server, &over);
    if (e == ERR_OK && over)
        e = os_unlink(dir, name);
    batch_progress_deinit(&p);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Both to be closed, whatever comes of it. */
static enum err names_open(slice dir, int *fd, struct batch_names **names)
{
    enum err e = folder_open(dir, fd);
    return e == ERR_OK ? batch_names_open(*fd, is_late, names) : e;
}

enum err batch_late_sweep(slice dir, const struct batch_server *server)
{
    struct batch_names *names = NULL;
    slice name;
    int fd = -1;
    enum err e = names_open(dir, &fd, &names);
    while (e == ERR_OK && (e = batch_names_next(names, &name)) == ERR_OK)
        e = sweep_one(fd, name, server);
    batch_names_close(&names);
    os_close(&fd);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

bool batch_late_any(slice dir)
{
    struct batch_names *names = NULL;
    slice name;
    int fd = -1;
    enum err e = names_open(dir, &fd, &names);
    if (e == ERR_OK)
        e = batch_names_next(names, &name);
    batch_names_close(&names);
    os_close(&fd);
    return e == ERR_OK;
}

bool batch_late_has(slice dir, slice job)
{
    char memory[NAME_BYTES];
    struct os_file_stamp stamp;
    int fd = -1;
    enum err e = folder_open(dir, &fd);
    if (e == ERR_OK)
        e = os_file_stamp(fd, name_of(memory, job), false, &stamp);
    os_close(&fd);
    return e == ERR_OK;
}
