/* SPDX-License-Identifier: ISC */
#include "cmd/batch_folder.h"

#include "cmd/batch_input.h"
#include "cmd/batch_late.h"

#define SETTLED_NS ((int64_t)2 * 1000000000)
#define NAME_MAX_BYTES 255u
#define SUFFIX_MAX 8u /* ".replies" */
#define ARENA_MAX 65536u

static enum err open_below(int dir, slice name, unsigned mode, int *fd_r)
{
    enum err e = os_mkdir(dir, name, mode);
    return e == ERR_OK || e == ERR_EXISTS ? os_open(dir, name, O_RDONLY | O_DIRECTORY, 0, fd_r) : e;
}

enum err batch_folder_open(struct batch_folder *f, const struct batch_place *place)
{
    struct os_file_stamp stamp;
    *f = (struct batch_folder){.place = place, .fd = -1, .work = -1, .done = -1, .held = -1};
    enum err e = os_open(AT_FDCWD, place->conf->batch.folder, O_RDONLY | O_DIRECTORY, 0, &f->fd);
    if (e == ERR_OK)
        e = os_fd_stamp(f->fd, &stamp);
    if (e == ERR_OK && (stamp.mode & 0022) && !(stamp.mode & 01000))
        e = ERR_PERMISSION; /* anybody's file could be taken away and another put in its place */
    if (e == ERR_OK && stamp.uid != 0 && stamp.uid != os_uid() && (!place->chown || stamp.uid != place->owner.uid))
        e = ERR_PERMISSION;
    if (e == ERR_OK)
        e = open_below(f->fd, SLICE("work"), 0700, &f->work);
    if (e == ERR_OK)
        e = open_below(f->fd, SLICE("done"), 0711, &f->done);
    if (e == ERR_OK)
        e = open_below(f->fd, SLICE("held"), 0711, &f->held);
    if (e != ERR_OK)
        batch_folder_close(f);
    return e;
}

void batch_folder_close(struct batch_folder *f)
{
    os_close(&f->fd);
    os_close(&f->work);
    os_close(&f->done);
    os_close(&f->held);
}

static slice job_of(slice work_name)
{
    return slice_sub(work_name, 0, BATCH_JOB_ID);
}

static bool is_missing(int dir, slice name)
{
    struct os_file_stamp stamp;
    return os_file_stamp(dir, name, false, &stamp) == ERR_NOTFOUND;
}

/* `thurn batch` of an ordinary user names its file JOB-NAME, so that it can tell where the answers will be. Names are chosen by anybody: a job that is there, or was, is not
 * to be touched by another of its name. */
static bool names_job(const struct batch_folder *f, slice name, uint32_t uid)
{
    char memory[BATCH_JOB_ID + 8];
    buf b;
    int dir = -1;
    if (name.len < BATCH_JOB_ID + 2 || name.ptr[BATCH_JOB_ID] != '-' || !batch_job_id_is_of_user(job_of(name), uid))
        return false;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, job_of(name));
    buf_append(&b, SLICE(".job"));
    enum err e = os_open(AT_FDCWD, f->place->dir, O_RDONLY | O_DIRECTORY, 0, &dir);
    bool fresh = e == ERR_OK && is_missing(dir, buf_slice(&b));
    os_close(&dir);
    return fresh && !batch_late_has(f->place->dir, job_of(name)) && is_missing(f->work, name) &&
           is_missing(f->done, name) && is_missing(f->held, name);
}

enum err batch_folder_take(struct batch_folder *f, slice name, buf *work_name)
{
    struct os_file_stamp stamp;
    char job[BATCH_JOB_ID];
    int64_t now_ns = os_wall_us() * 1000;
    enum err e = os_file_stamp(f->fd, name, false, &stamp);
    if (e != ERR_OK)
        return e;
    if (!stamp.is_regular)
        return ERR_UNSUPPORTED;
    if (stamp.mtime_ns <= now_ns && now_ns - stamp.mtime_ns < SETTLED_NS)
        return ERR_AGAIN;
    buf_clear(work_name);
    if (!names_job(f, name, stamp.uid)) {
        batch_job_id(job);
        buf_append(work_name, slice_of(job, BATCH_JOB_ID));
        buf_append_char(work_name, '-');
    }
    buf_append(work_name, slice_sub(name, 0, NAME_MAX_BYTES - SUFFIX_MAX - BATCH_JOB_ID - 1));
    e = buf_ok(work_name) ? os_rename(f->fd, name, f->work, buf_slice(work_name)) : ERR_LIMIT;
    if (e == ERR_OK)
        e = os_fsync(f->work);
    return e == ERR_OK ? os_fsync(f->fd) : e;
}

/* --- one job --- */

struct folder_job {
    struct batch_folder *folder;
    slice name; /* in work/ */
    struct batch_checkpoint checkpoint;
    struct batch_submitter submitter;
    struct arena arena;
    struct batch_run run;
};

static slice beside(slice name, const char *suffix, char memory[NAME_MAX_BYTES + 1])
{
    buf b;
    buf_init_fixed(&b, memory, NAME_MAX_BYTES);
    buf_append(&b, name);
    buf_append(&b, slice_str(suffix));
    return buf_slice(&b);
}

/* A file may be named like another's job: then it gets a name of its own, and is seen again. */
static enum err rename_job(struct folder_job *j)
{
    char job[BATCH_JOB_ID], memory[NAME_MAX_BYTES + 1];
    buf b;
    batch_checkpoint_close(&j->checkpoint);
    batch_job_id(job);
    buf_init_fixed(&b, memory, NAME_MAX_BYTES);
    buf_append(&b, slice_of(job, BATCH_JOB_ID));
    buf_append(&b, slice_skip(j->name, BATCH_JOB_ID));
    enum err e = os_rename(j->folder->work, j->name, j->folder->work, buf_slice(&b));
    return e == ERR_OK ? ERR_EXISTS : e;
}

static enum err open_checkpoint(struct folder_job *j)
{
    const struct batch_place *place = j->folder->place;
    slice path = SLICE_NONE;
    enum err e =
        arena_printf(&j->arena, &path, "%.*s/work/%.*s", SLICE_ARG(place->conf->batch.folder), SLICE_ARG(j->name));
    if (e == ERR_OK)
        e = batch_checkpoint_open(&j->checkpoint, place->dir, job_of(j->name));
    if (e == ERR_OK && !slice_equal(buf_slice(&j->checkpoint.progress.path), path))
        return rename_job(j);
    if (e != ERR_NOTFOUND)
        return e;
    if (batch_late_has(place->dir, job_of(j->name)))
        return rename_job(j);
    struct batch_submission s = {.job = job_of(j->name),
                                 .uid = j->submitter.user.uid,
                                 .user = j->submitter.user.name,
                                 .path = path,
                                 .owner = place->chown};
    return batch_checkpoint_create(&j->checkpoint, place->dir, &s);
}

static enum err open_replies(struct folder_job *j)
{
    char memory[NAME_MAX_BYTES + 1];
    slice name = beside(j->name, ".replies", memory);
    enum err e = os_open(j->folder->work, name, O_WRONLY | O_CREAT | O_APPEND, 0600, &j->run.reply_fd);
    if (e == ERR_OK && os_uid() == 0)
        e = os_chown(j->folder->work, name, j->submitter.user.uid, j->submitter.user.gid);
    return e;
}

static enum err write_report(struct folder_job *j, const struct batch_report *r, bool json)
{
    char memory[NAME_MAX_BYTES + 1];
    slice name = beside(j->name, json ? ".json" : ".report", memory);
    buf out;
    buf_init(&out, BATCH_REPORT_MAX);
    if (json)
        batch_report_json(r, &out);
    else
        batch_report_text(r, &out);
    if (json)
        buf_append_char(&out, '\n');
    enum err e = buf_ok(&out) ? os_file_replace(j->folder->work, name, buf_slice(&out), 0600) : ERR_LIMIT;
    if (e == ERR_OK && os_uid() == 0)
        e = os_chown(j->folder->work, name, j->submitter.user.uid, j->submitter.user.gid);
    buf_deinit(&out);
    return e;
}

static enum err write_reports(struct folder_job *j)
{
    struct batch_report report;
    enum err e = batch_run_report(&j->run, &report);
    if (e != ERR_OK)
        return e;
    e = write_report(j, &report, false);
    if (e == ERR_OK)
        e = write_report(j, &report, true);
    batch_report_deinit(&report);
    return e;
}

/* What is beside the job, or the job itself, goes to its place. */
static enum err put_one(struct folder_job *j, const char *suffix, int to)
{
    struct batch_folder *f = j->folder;
    char memory[NAME_MAX_BYTES + 1];
    enum batch_state state = j->checkpoint.progress.state;
    slice name = beside(j->name, suffix, memory);
    bool job = suffix[0] == 0;
    enum err e = job && (state == BATCH_DELETED || state == BATCH_DEAD) ? os_unlink(f->work, name)
                                                                        : os_rename(f->work, name, to, name);
    if (e == ERR_NOTFOUND && !job)
        return ERR_OK;
    return e == ERR_OK ? os_fsync(to) : e;
}

/* The job file goes last: while it is in work/, all of this is done again. */
static enum err put_away(struct folder_job *j)
{
    static const char *const suffixes[] = {".replies", ".report", ".json", ""};
    struct batch_folder *f = j->folder;
    enum batch_state state = j->checkpoint.progress.state;
    enum err e = state == BATCH_DEAD ? batch_dead_letter(f->place, j->run.fd, j->name) : ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < sizeof suffixes / sizeof suffixes[0]; i++)
        e = put_one(j, suffixes[i], state == BATCH_HELD ? f->held : f->done);
    if (e == ERR_OK)
        e = os_fsync(f->work);
    return e == ERR_OK && state != BATCH_HELD ? batch_checkpoint_remove(&j->checkpoint) : e;
}

static enum err run(struct folder_job *j)
{
    enum err e = open_replies(j);
    if (e == ERR_OK) {
        j->run.refusal = j->submitter.refusal[0] ? j->submitter.refusal : NULL;
        e = batch_run(&j->run);
    }
    os_close(&j->run.reply_fd);
    if (e == ERR_OK)
        e = write_reports(j);
    return e == ERR_OK ? put_away(j) : e;
}

enum err batch_folder_run(struct batch_folder *f, slice work_name, int *status_r)
{
    struct folder_job j = {.folder = f, .name = work_name};
    j.run = (struct batch_run){.place = f->place, .checkpoint = &j.checkpoint, .fd = -1, .reply_fd = -1};
    arena_init(&j.arena, ARENA_MAX);
    bool open = false;
    enum err e = batch_input_open(f->work, work_name, false, &j.run.fd);
    if (e == ERR_OK)
        e = batch_input_judge(j.run.fd, &f->place->conf->batch, &j.arena, &j.submitter);
    if (e == ERR_OK) {
        e = open_checkpoint(&j);
        open = e == ERR_OK;
    }
    if (e == ERR_OK)
        e = run(&j);
    if (e != ERR_OK)
        command_say("job %.*s waits: %s", SLICE_ARG(work_name), j.run.reason[0] ? j.run.reason : err_text(e));
    if (e == ERR_OK)
        *status_r = batch_run_status(&j.checkpoint.progress);
    if (open)
        batch_checkpoint_close(&j.checkpoint);
    os_close(&j.run.fd);
    arena_deinit(&j.arena);
    return e;
}

enum err batch_folder_unhold(struct batch_folder *f, slice work_name)
{
    static const char *const suffixes[] = {".replies", ".report", ".json", ""};
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char memory[NAME_MAX_BYTES + 1];
        slice name = beside(work_name, suffixes[i], memory);
        e = os_rename(f->held, name, f->work, name);
        if (e == ERR_NOTFOUND && suffixes[i][0])
            e = ERR_OK;
    }
    return e;
}
