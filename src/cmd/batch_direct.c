/* SPDX-License-Identifier: ISC */
#include "cmd/batch_direct.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/batch_folder.h"
#include "cmd/batch_input.h"

#define INPUT_SUFFIX ".in"
#define ARENA_MAX (1u << 20)
#define PICK_TRIES 500
#define PICK_PAUSE_MS 10

struct direct {
    const struct batch_place *place;
    const struct batch_order *order;
    struct arena arena;
    struct batch_submitter submitter;
    slice path, reply_path; /* whole; no reply path: standard output */
    struct batch_checkpoint checkpoint;
    bool open;
    struct batch_run run;
};

static slice job_id(const struct direct *d)
{
    return slice_of(d->checkpoint.progress.job, BATCH_JOB_ID);
}

/* --- which job --- */

static bool whole_path(struct direct *d, const char *file, slice *path_r)
{
    char *real = realpath(file, NULL);
    enum err e = real ? arena_copy(&d->arena, slice_str(real), path_r) : ERR_NOTFOUND;
    free(real);
    if (e != ERR_OK)
        command_say("%s: %s", file, err_text(e));
    return e == ERR_OK;
}

static bool is_of_this_file(const struct direct *d, slice job)
{
    char memory[8192];
    buf path;
    buf_init_fixed(&path, memory, sizeof memory);
    return batch_job_id_valid(job) && batch_checkpoint_path(d->place->dir, job, &path) == ERR_OK &&
           slice_equal(buf_slice(&path), d->path);
}

/* The job of this file that was begun before. ERR_NOTFOUND; ERR_AGAIN: it runs. */
static enum err find_job(struct direct *d)
{
    struct os_dir *dir = NULL;
    slice name;
    enum err e = os_dir_open(AT_FDCWD, d->place->dir, &dir);
    if (e != ERR_OK)
        return e;
    while (!d->open && (e = os_dir_next(dir, &name)) == ERR_OK) {
        slice job = slice_sub(name, 0, BATCH_JOB_ID);
        if (name.len != BATCH_JOB_ID + 4 || !slice_ends_nocase(name, SLICE(".job")) || !is_of_this_file(d, job))
            continue;
        e = batch_checkpoint_open(&d->checkpoint, d->place->dir, job);
        d->open = e == ERR_OK;
        if (e != ERR_OK && e != ERR_NOTFOUND)
            break;
    }
    os_dir_close(&dir);
    return e;
}

static enum err create_job(struct direct *d, slice job)
{
    struct batch_submission s = {.job = job,
                                 .uid = d->submitter.user.uid,
                                 .user = d->submitter.user.name,
                                 .path = d->path,
                                 .reply_path = d->reply_path,
                                 .owner = d->place->chown};
    enum err e = batch_checkpoint_create(&d->checkpoint, d->place->dir, &s);
    d->open = e == ERR_OK;
    return e;
}

static enum err copy_input(int to)
{
    char piece[65536];
    for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0;) {
        enum err e = os_write(to, slice_of(piece, n));
        if (e != ERR_OK)
            return e;
    }
    return ferror(stdin) ? ERR_IO : os_fsync(to);
}

/* Standard input cannot be read twice, so it is kept beside the checkpoint. */
static enum err keep_input(struct direct *d, slice job)
{
    int fd = -1;
    enum err e = arena_printf(&d->arena, &d->path, "%.*s/%.*s" INPUT_SUFFIX, SLICE_ARG(d->place->dir), SLICE_ARG(job));
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, d->path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd);
    if (e == ERR_OK && d->place->chown)
        e = os_chown(AT_FDCWD, d->path, d->place->owner.uid, d->place->owner.gid);
    if (e == ERR_OK)
        e = copy_input(fd);
    os_close(&fd);
    return e;
}

static enum err reply_path(struct direct *d)
{
    const char *given = d->order->replies;
    bool standard = strcmp(d->order->file, "-") == 0;
    char *folder = given && given[0] != '/' ? getcwd(NULL, 0) : NULL;
    enum err e = ERR_OK;
    if (given && strcmp(given, "-") != 0)
        e = arena_printf(&d->arena, &d->reply_path, "%s%s%s", folder ? folder : "", folder ? "/" : "", given);
    else if (!given && !standard)
        e = arena_printf(&d->arena, &d->reply_path, "%.*s.replies", SLICE_ARG(d->path));
    free(folder);
    return e;
}

/* A name for other bytes of somebody else is no reply file, who ever put it beside the job. */
static enum err open_replies(slice path, bool fresh, int *fd_r)
{
    struct os_file_stamp stamp;
    int fd = -1;
    enum err e = os_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0600, &fd);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK && (!stamp.is_regular || stamp.links != 1 || stamp.uid != os_uid()))
        e = ERR_PERMISSION;
    if (e == ERR_OK && fresh)
        e = os_ftruncate(fd, 0);
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    *fd_r = fd;
    return ERR_OK;
}

static int begin_new(struct direct *d)
{
    char job[BATCH_JOB_ID];
    bool standard = strcmp(d->order->file, "-") == 0;
    batch_job_id(job);
    enum err e = reply_path(d);
    if (e == ERR_OK && standard)
        e = keep_input(d, slice_of(job, BATCH_JOB_ID));
    if (e == ERR_OK && d->reply_path.len > 0) {
        int fd = -1;
        e = open_replies(d->reply_path, true, &fd);
        os_close(&fd);
        if (e != ERR_OK) {
            command_say("%.*s: %s", SLICE_ARG(d->reply_path), err_text(e));
            return EX_CANTCREAT;
        }
    }
    if (e == ERR_OK)
        e = create_job(d, slice_of(job, BATCH_JOB_ID));
    if (e != ERR_OK)
        command_say("%.*s: %s", SLICE_ARG(d->place->dir), err_text(e));
    return e == ERR_OK ? 0 : EX_CANTCREAT;
}

/* Is the part whose mails are in the queue not what it was? */
static enum err is_replaced(const struct direct *d, bool *replaced_r)
{
    const struct batch_progress *p = &d->checkpoint.progress;
    char piece[65536];
    uint64_t at = 0;
    uint32_t crc = 0;
    int fd = -1;
    enum err e = batch_input_open(AT_FDCWD, d->path, true, &fd);
    for (size_t got = 1; e == ERR_OK && got > 0 && at < p->offset; at += got) {
        size_t most = p->offset - at < sizeof piece ? (size_t)(p->offset - at) : sizeof piece;
        e = os_pread(fd, piece, most, at, &got);
        crc = e == ERR_OK ? hash_crc32c(crc, slice_of(piece, got)) : crc;
    }
    os_close(&fd);
    *replaced_r = at != p->offset || crc != p->crc;
    return e;
}

/* It is over but for its report, and another file has its place: that one must not be taken for done. */
static bool is_over_and_replaced(const struct direct *d)
{
    enum batch_state state = d->checkpoint.progress.state;
    bool replaced = false;
    if (state == BATCH_RUNNING || state == BATCH_HELD)
        return false;
    return is_replaced(d, &replaced) != ERR_OK || replaced;
}

static int pick_of_file(struct direct *d)
{
    enum err e = find_job(d);
    if (e == ERR_NOTFOUND)
        return begin_new(d);
    if (e == ERR_OK && d->checkpoint.progress.state == BATCH_HELD) {
        command_say("job %.*s of this file is held: %.*s. `thurn batch --resume %.*s` goes on with it",
                    SLICE_ARG(job_id(d)), SLICE_ARG(buf_slice(&d->checkpoint.progress.why)), SLICE_ARG(job_id(d)));
        return EX_DATAERR;
    }
    if (e == ERR_OK && is_over_and_replaced(d)) {
        command_say(
            "job %.*s of the file that was here before is not reported yet: `thurn batch --resume %.*s` ends it; "
            "then run this again",
            SLICE_ARG(job_id(d)), SLICE_ARG(job_id(d)));
        return EX_TEMPFAIL;
    }
    if (e == ERR_OK)
        command_say("job %.*s goes on", SLICE_ARG(job_id(d)));
    else
        command_say("%s", e == ERR_AGAIN ? "the job of this file is running" : err_text(e));
    return e == ERR_OK ? 0 : EX_TEMPFAIL;
}

/* Of two that begin with the same file at once, the second is to find the job of the first. */
static int pick_job(struct direct *d)
{
    int dir = -1;
    if (strcmp(d->order->file, "-") == 0)
        return begin_new(d);
    if (!whole_path(d, d->order->file, &d->path))
        return EX_NOINPUT;
    enum err e = os_open(AT_FDCWD, d->place->dir, O_RDONLY | O_DIRECTORY, 0, &dir);
    if (e == ERR_OK)
        e = os_flock(dir);
    for (int i = 0; e == ERR_AGAIN && i < PICK_TRIES; i++) {
        os_sleep_ms(PICK_PAUSE_MS);
        e = os_flock(dir);
    }
    int status = EX_TEMPFAIL;
    if (e == ERR_OK)
        status = pick_of_file(d);
    else
        command_say("%.*s: %s", SLICE_ARG(d->place->dir), err_text(e));
    os_close(&dir);
    return status;
}

/* Back from being held; or, when it only was interrupted, as it is. */
static int resume_job(struct direct *d)
{
    slice job = slice_str(d->order->resume);
    enum err e = batch_checkpoint_open(&d->checkpoint, d->place->dir, job);
    d->open = e == ERR_OK;
    if (e != ERR_OK) {
        command_say("job \"%s\": %s", d->order->resume,
                    e == ERR_AGAIN      ? "it is running"
                    : e == ERR_NOTFOUND ? "there is no such job"
                                        : err_text(e));
        return e == ERR_AGAIN ? EX_TEMPFAIL : EX_DATAERR;
    }
    if (arena_copy(&d->arena, buf_slice(&d->checkpoint.progress.path), &d->path) != ERR_OK)
        return EX_OSERR;
    if (d->order->file && !whole_path(d, d->order->file, &d->path))
        return EX_NOINPUT;
    return 0;
}

static enum err set_running(struct direct *d)
{
    struct batch_record r = {.kind = BATCH_RECORD_RESUMED, .number = {(uint64_t)os_wall_s()}};
    if (d->checkpoint.progress.state != BATCH_HELD)
        return ERR_OK;
    batch_checkpoint_add(&d->checkpoint, &r);
    return batch_checkpoint_commit(&d->checkpoint);
}

/* --- running it --- */

static int print_report(const struct direct *d)
{
    struct batch_report report;
    buf out;
    enum err e = batch_run_report(&d->run, &report);
    if (e != ERR_OK)
        return EX_IOERR;
    buf_init(&out, BATCH_REPORT_MAX);
    if (d->order->json)
        batch_report_json(&report, &out);
    else
        batch_report_text(&report, &out);
    if (d->order->json)
        buf_append_char(&out, '\n');
    int status = command_print(&out);
    buf_deinit(&out);
    batch_report_deinit(&report);
    return status;
}

static enum err put_away(struct direct *d)
{
    const struct batch_progress *p = &d->checkpoint.progress;
    slice name = SLICE_NONE, base = slice_skip(d->path, (size_t)(slice_rfind_char(d->path, '/') + 1));
    enum err e = arena_printf(&d->arena, &name, "%.*s-%.*s", SLICE_ARG(job_id(d)), SLICE_ARG(slice_sub(base, 0, 200)));
    if (e == ERR_OK && p->state == BATCH_DEAD)
        e = batch_dead_letter(d->place, d->run.fd, name);
    if (e == ERR_OK && p->state != BATCH_HELD && slice_starts(d->path, d->place->dir) &&
        slice_ends_nocase(d->path, SLICE(INPUT_SUFFIX))) {
        e = os_unlink(AT_FDCWD, d->path);
        e = e == ERR_NOTFOUND ? ERR_OK : e;
    }
    return e == ERR_OK && p->state != BATCH_HELD ? batch_checkpoint_remove(&d->checkpoint) : e;
}

static int waits(const struct direct *d, enum err e)
{
    command_say("job %.*s waits: %s; `thurn batch --resume %.*s` goes on", SLICE_ARG(job_id(d)),
                d->run.reason[0] ? d->run.reason : err_text(e), SLICE_ARG(job_id(d)));
    return e == ERR_PERMISSION ? EX_NOPERM : EX_TEMPFAIL;
}

/* Where both would go to standard output, the replies have it, and a report that is wanted as JSON. */
static int over(struct direct *d)
{
    const struct batch_progress *p = &d->checkpoint.progress;
    int printed = d->run.reply_stream && !d->order->json ? 0 : print_report(d);
    int status = batch_run_status(p);
    if (p->state == BATCH_HELD)
        command_say("job %.*s is held: %.*s. When the file is put right, `thurn batch --resume %.*s` goes on behind "
                    "the last mail that is in the queue",
                    SLICE_ARG(job_id(d)), SLICE_ARG(buf_slice(&p->why)), SLICE_ARG(job_id(d)));
    enum err e = put_away(d);
    if (e != ERR_OK)
        return waits(d, e);
    return status != 0 ? status : printed;
}

static int run(struct direct *d)
{
    slice replies =
        d->order->resume || d->reply_path.len == 0 ? buf_slice(&d->checkpoint.progress.reply_path) : d->reply_path;
    enum err e = batch_input_open(AT_FDCWD, d->path, true, &d->run.fd);
    if (e != ERR_OK) {
        command_say("%.*s: %s", SLICE_ARG(d->path), e == ERR_UNSUPPORTED ? "is no regular file" : err_text(e));
        return EX_NOINPUT;
    }
    d->run.reply_stream = replies.len == 0;
    if (d->run.reply_stream)
        d->run.reply_fd = d->order->json ? -1 : STDOUT_FILENO;
    else
        e = open_replies(replies, false, &d->run.reply_fd);
    if (e == ERR_OK)
        e = set_running(d);
    if (e == ERR_OK)
        e = batch_run(&d->run);
    if (!d->run.reply_stream)
        os_close(&d->run.reply_fd);
    int status = e == ERR_OK ? over(d) : waits(d, e);
    os_close(&d->run.fd);
    return status;
}

/* --- a job of the watched folder --- */

static bool is_watched(const struct direct *d)
{
    const struct conf_batch *conf = &d->place->conf->batch;
    slice rest = slice_skip(d->path, conf->folder.len);
    return conf->folder.len > 0 && slice_starts(d->path, conf->folder) && slice_starts(rest, SLICE("/work/"));
}

static int run_watched(struct direct *d)
{
    struct batch_folder folder;
    int status = 0;
    slice name = slice_skip(d->path, (size_t)(slice_rfind_char(d->path, '/') + 1));
    enum err e = batch_folder_open(&folder, d->place);
    if (e != ERR_OK)
        return waits(d, e);
    if (d->checkpoint.progress.state == BATCH_HELD)
        e = batch_folder_unhold(&folder, name);
    if (e == ERR_OK)
        e = set_running(d);
    if (e == ERR_OK) {
        batch_checkpoint_close(&d->checkpoint);
        d->open = false;
        e = batch_folder_run(&folder, name, &status);
        status = e == ERR_OK ? status : EX_TEMPFAIL;
    } else {
        status = waits(d, e);
    }
    batch_folder_close(&folder);
    return status;
}

static void late_look(const struct batch_place *place)
{
    enum err e = batch_run_late(place);
    if (e != ERR_OK)
        command_say("what ended jobs left in doubt is looked at another time: %s", err_text(e));
}

int batch_direct(const struct batch_place *place, const struct batch_order *order)
{
    struct direct d = {.place = place, .order = order};
    d.run = (struct batch_run){.place = place, .checkpoint = &d.checkpoint, .fd = -1, .reply_fd = -1};
    arena_init(&d.arena, ARENA_MAX);
    int status = 0;
    enum err e = batch_submitter_judge(os_uid(), &place->conf->batch, &d.arena, &d.submitter);
    if (e != ERR_OK) {
        command_say("who are you? %s", err_text(e));
        status = EX_TEMPFAIL;
    } else if (d.submitter.refusal[0]) {
        command_say("%s", d.submitter.refusal);
        status = EX_NOPERM;
    }
    if (status == 0) {
        late_look(place);
        status = order->resume ? resume_job(&d) : pick_job(&d);
    }
    if (status == 0)
        status = is_watched(&d) ? run_watched(&d) : run(&d);
    if (d.open)
        batch_checkpoint_close(&d.checkpoint);
    arena_deinit(&d.arena);
    return status;
}
