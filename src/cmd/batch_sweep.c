/* SPDX-License-Identifier: ISC */
#include "cmd/batch_folder.h"
#include "cmd/batch_names.h"

static bool is_left_over(slice name)
{
    return name.len > 1 && name.ptr[0] == '.' && !slice_equal(name, SLICE(".."));
}

static bool is_checkpoint(slice name)
{
    return name.len == BATCH_JOB_ID + 4 && slice_ends_nocase(name, SLICE(".job")) &&
           batch_job_id_valid(slice_sub(name, 0, BATCH_JOB_ID));
}

/* Of a job whose file was put away already. */
static enum err sweep_checkpoint(const struct batch_folder *f, slice job)
{
    struct batch_checkpoint c;
    struct os_file_stamp stamp;
    char memory[8192];
    buf path;
    buf_init_fixed(&path, memory, sizeof memory);
    enum err e = batch_checkpoint_path(f->place->dir, job, &path);
    slice folder = f->place->conf->batch.folder, rest = slice_skip(buf_slice(&path), folder.len);
    if (e != ERR_OK || !slice_starts(buf_slice(&path), folder) || !slice_starts(rest, SLICE("/work/")))
        return ERR_OK;
    if (os_file_stamp(f->work, slice_skip(rest, 6), false, &stamp) != ERR_NOTFOUND ||
        batch_checkpoint_open(&c, f->place->dir, job) != ERR_OK)
        return ERR_OK;
    bool over = c.progress.state != BATCH_RUNNING && c.progress.state != BATCH_HELD;
    e = over ? batch_checkpoint_remove(&c) : ERR_OK;
    batch_checkpoint_close(&c);
    return e;
}

static enum err sweep_left_over(const struct batch_folder *f)
{
    struct batch_names *names = NULL;
    slice name;
    enum err e = batch_names_open(f->work, is_left_over, &names);
    while (e == ERR_OK && (e = batch_names_next(names, &name)) == ERR_OK)
        e = os_unlink(f->work, name);
    batch_names_close(&names);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err sweep_checkpoints(const struct batch_folder *f)
{
    struct batch_names *names = NULL;
    slice name;
    int dir = -1;
    enum err e = os_open(AT_FDCWD, f->place->dir, O_RDONLY | O_DIRECTORY, 0, &dir);
    if (e == ERR_OK)
        e = batch_names_open(dir, is_checkpoint, &names);
    while (e == ERR_OK && (e = batch_names_next(names, &name)) == ERR_OK)
        e = sweep_checkpoint(f, slice_sub(name, 0, BATCH_JOB_ID));
    batch_names_close(&names);
    os_close(&dir);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err batch_folder_sweep(const struct batch_folder *f)
{
    enum err e = sweep_left_over(f);
    return e == ERR_OK ? sweep_checkpoints(f) : e;
}
