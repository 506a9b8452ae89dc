/* SPDX-License-Identifier: ISC */
#include "cmd/batch_folder.h"

#define NAME_MAX_BYTES 255u

enum err batch_folder_next(int dir_fd, buf *after, bool (*wanted)(slice name))
{
    struct os_dir *dir = NULL;
    slice name;
    char memory[NAME_MAX_BYTES + 1];
    buf best;
    buf_init_fixed(&best, memory, sizeof memory);
    enum err e = os_dir_open(dir_fd, SLICE("."), &dir);
    if (e != ERR_OK)
        return e;
    while ((e = os_dir_next(dir, &name)) == ERR_OK) {
        bool later = slice_compare(name, buf_slice(after)) > 0;
        if (!wanted(name) || !later || (best.len > 0 && slice_compare(name, buf_slice(&best)) > 0))
            continue;
        buf_clear(&best);
        buf_append(&best, name);
    }
    os_dir_close(&dir);
    if (e != ERR_NOTFOUND || best.len == 0)
        return e;
    buf_clear(after);
    buf_append(after, buf_slice(&best));
    return ERR_OK;
}

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

enum err batch_folder_sweep(const struct batch_folder *f)
{
    char memory[NAME_MAX_BYTES + 1];
    buf name;
    int dir = -1;
    buf_init_fixed(&name, memory, sizeof memory);
    enum err e = ERR_OK;
    while (e == ERR_OK && (e = batch_folder_next(f->work, &name, is_left_over)) == ERR_OK)
        e = os_unlink(f->work, buf_slice(&name));
    if (e == ERR_NOTFOUND)
        e = os_open(AT_FDCWD, f->place->dir, O_RDONLY | O_DIRECTORY, 0, &dir);
    buf_clear(&name);
    while (e == ERR_OK && (e = batch_folder_next(dir, &name, is_checkpoint)) == ERR_OK)
        e = sweep_checkpoint(f, slice_sub(buf_slice(&name), 0, BATCH_JOB_ID));
    os_close(&dir);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}
