/* SPDX-License-Identifier: ISC */
#include "cmd/batch_watch.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/batch_folder.h"
#include "cmd/batch_input.h"
#include "cmd/batch_names.h"

#define SCAN_MS 1000
#define AGAIN_MS 30000
#define NAME_MAX_BYTES 255u

static bool is_job(slice name)
{
    static const slice others[] = {{".replies", 8}, {".report", 7}, {".json", 5}};
    if (name.len < BATCH_JOB_ID + 1 || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (slice_ends_nocase(name, others[i]))
            return false;
    }
    return true;
}

static bool is_new(slice name)
{
    return name.ptr[0] != '.' && !slice_equal(name, SLICE("work")) && !slice_equal(name, SLICE("done")) &&
           !slice_equal(name, SLICE("held"));
}

struct watch {
    struct batch_folder folder;
    bool waits; /* a job could not be run to its end */
    int status;
};

static void run_one(struct watch *w, slice work_name)
{
    int status = 0;
    enum err e = batch_folder_run(&w->folder, work_name, &status);
    if (e != ERR_OK) {
        w->waits = true;
        status = EX_TEMPFAIL;
    } else {
        command_say("job %.*s is over", SLICE_ARG(work_name));
    }
    w->status = w->status == 0 ? status : w->status;
}

static enum err run_begun(struct watch *w)
{
    struct batch_names *names = NULL;
    slice name;
    w->waits = false;
    enum err e = batch_names_open(w->folder.work, is_job, &names);
    while (e == ERR_OK && (e = batch_names_next(names, &name)) == ERR_OK)
        run_one(w, name);
    batch_names_close(&names);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* *later_r: a file is being written still. */
static enum err run_new(struct watch *w, bool *later_r)
{
    struct batch_names *names = NULL;
    char memory[NAME_MAX_BYTES + 1];
    slice name;
    buf work_name;
    *later_r = false;
    buf_init_fixed(&work_name, memory, NAME_MAX_BYTES);
    enum err e = batch_names_open(w->folder.fd, is_new, &names);
    while (e == ERR_OK && (e = batch_names_next(names, &name)) == ERR_OK) {
        enum err taken = batch_folder_take(&w->folder, name, &work_name);
        *later_r = *later_r || taken == ERR_AGAIN;
        if (taken == ERR_OK)
            run_one(w, buf_slice(&work_name));
    }
    batch_names_close(&names);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static void look_late(const struct watch *w)
{
    enum err e = batch_run_late(w->folder.place);
    if (e != ERR_OK)
        command_say("what ended jobs left in doubt is looked at later: %s", err_text(e));
}

static int watch(struct watch *w, bool once)
{
    int64_t again_ms = 0, late_ms = 0;
    for (;;) {
        bool later = false;
        enum err e = ERR_OK;
        if (os_now_ms() >= late_ms) {
            look_late(w);
            late_ms = os_now_ms() + AGAIN_MS;
        }
        if (once || again_ms == 0 || (w->waits && os_now_ms() >= again_ms)) {
            e = run_begun(w);
            again_ms = os_now_ms() + AGAIN_MS;
        }
        if (e == ERR_OK)
            e = run_new(w, &later);
        if (e != ERR_OK) {
            command_say("%.*s: %s", SLICE_ARG(w->folder.place->conf->batch.folder), err_text(e));
            return EX_OSERR;
        }
        if (once && !later)
            return w->status;
        os_sleep_ms(SCAN_MS);
    }
}

int batch_watch(const struct batch_place *place, bool once)
{
    struct watch w = {.status = 0};
    slice folder = place->conf->batch.folder;
    if (folder.len == 0) {
        command_say("there is no folder to watch: [batch] folder names it");
        return EX_CONFIG;
    }
    enum err e = batch_folder_open(&w.folder, place);
    if (e == ERR_OK)
        e = os_flock(w.folder.work);
    if (e == ERR_OK)
        e = batch_folder_sweep(&w.folder);
    if (e == ERR_AGAIN)
        command_say("%.*s is watched already", SLICE_ARG(folder));
    else if (e == ERR_PERMISSION)
        command_say("%.*s must belong to root or the server's user, and be sticky if others may write there",
                    SLICE_ARG(folder));
    else if (e != ERR_OK)
        command_say("%.*s: %s", SLICE_ARG(folder), err_text(e));
    int status = e == ERR_OK ? watch(&w, once) : e == ERR_AGAIN ? EX_TEMPFAIL : EX_CONFIG;
    batch_folder_close(&w.folder);
    return status;
}

/* --- the drop box --- */

static enum err copy_stream(FILE *from, int to)
{
    char piece[65536];
    for (size_t n; (n = fread(piece, 1, sizeof piece, from)) > 0;) {
        enum err e = os_write(to, slice_of(piece, n));
        if (e != ERR_OK)
            return e;
    }
    return ferror(from) ? ERR_IO : os_fsync(to);
}

static slice base_name(const char *file)
{
    slice path = strcmp(file, "-") == 0 ? SLICE("standard-input") : slice_str(file);
    return slice_sub(slice_skip(path, (size_t)(slice_rfind_char(path, '/') + 1)), 0, 100);
}

/* Written under a name with a dot, then renamed: nobody takes half a job. */
static enum err drop(int dir, FILE *from, slice hidden)
{
    int fd = -1;
    enum err e = os_open(dir, hidden, O_WRONLY | O_CREAT | O_EXCL, 0640, &fd);
    if (e == ERR_OK) {
        e = copy_stream(from, fd);
        if (e == ERR_OK)
            e = os_rename(dir, hidden, dir, slice_skip(hidden, 1));
        if (e != ERR_OK)
            (void)!os_unlink(dir, hidden);
    }
    os_close(&fd);
    return e;
}

int batch_drop(const struct conf *conf, const char *file)
{
    char memory[NAME_MAX_BYTES + 1], job[BATCH_JOB_ID];
    bool standard = strcmp(file, "-") == 0;
    buf hidden;
    int dir = -1;
    slice folder = conf->batch.folder;
    FILE *from = standard ? stdin : fopen(file, "re");
    if (!from) {
        command_say("%s cannot be read", file);
        return EX_NOINPUT;
    }
    batch_job_id_of_user(job, os_uid());
    buf_init_fixed(&hidden, memory, NAME_MAX_BYTES);
    buf_printf(&hidden, ".%.*s-%.*s", BATCH_JOB_ID, job, SLICE_ARG(base_name(file)));
    enum err e = os_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, &dir);
    if (e == ERR_PERMISSION)
        e = os_open(AT_FDCWD, folder, O_PATH | O_DIRECTORY, 0, &dir);
    if (e == ERR_OK)
        e = drop(dir, from, buf_slice(&hidden));
    os_close(&dir);
    if (!standard)
        (void)fclose(from);
    if (e != ERR_OK) {
        command_say("%.*s: %s%s", SLICE_ARG(folder), err_text(e),
                    e == ERR_NOTFOUND ? "; whoever runs `thurn batch --watch` makes it (thurn-batch(1))" : "");
        return e == ERR_PERMISSION ? EX_NOPERM : e == ERR_NOSPACE ? EX_TEMPFAIL : EX_CANTCREAT;
    }
    slice name = slice_skip(buf_slice(&hidden), 1);
    (void)printf("%.*s\n", BATCH_JOB_ID, job);
    command_say("the job waits in %.*s for `thurn batch --watch`; its replies and report will be %.*s/done/%.*s.*",
                SLICE_ARG(folder), SLICE_ARG(folder), SLICE_ARG(name));
    return 0;
}
