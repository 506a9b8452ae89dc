/* SPDX-License-Identifier: ISC */
/* Removing what holds nothing alive. */
#include "spool/listing.h"
#include "spool/scan.h"
#include "spool/segment.h"

static enum err unlink_if_there(int dir_fd, slice name)
{
    enum err e = os_unlink(dir_fd, name);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err spool_large_remove(int dir_fd, uint64_t file)
{
    char name[SPOOL_NAME_SIZE];
    return unlink_if_there(dir_fd, spool_large_name(name, file));
}

static enum err segment_unlink(int dir_fd, uint64_t segment)
{
    char name[SPOOL_NAME_SIZE];
    return unlink_if_there(dir_fd, spool_segment_name(name, segment));
}

enum err spool_segment_remove(int dir_fd, uint64_t segment)
{
    enum err e = segment_unlink(dir_fd, segment);
    return e == ERR_OK ? spool_folder_sync(dir_fd, SLICE("seg")) : e;
}

enum err spool_segment_keep(int dir_fd, uint64_t segment)
{
    char name[SPOOL_NAME_SIZE], memory[SPOOL_NAME_SIZE + 16];
    slice from = spool_segment_name(name, segment);
    buf second;
    buf_init_fixed(&second, memory, sizeof(memory));
    buf_append(&second, from);
    buf_append(&second, SLICE(".damaged"));
    enum err e = os_link(dir_fd, from, dir_fd, buf_slice(&second));
    return e == ERR_OK || e == ERR_EXISTS ? spool_folder_sync(dir_fd, SLICE("seg")) : e;
}

static enum err sweep_folder(int dir_fd, slice folder, enum err (*remove)(int dir_fd, uint64_t number),
                             bool (*alive)(void *ctx, uint64_t number), void *ctx)
{
    struct spool_listing l = {0};
    enum err e = spool_listing_read(dir_fd, folder, &l);
    for (size_t i = 0; e == ERR_OK && i < l.count; i++) {
        if (!alive(ctx, l.numbers[i]))
            e = remove(dir_fd, l.numbers[i]);
    }
    spool_listing_deinit(&l);
    return e == ERR_OK ? spool_folder_sync(dir_fd, folder) : e;
}

/* os_file_replace leaves names with a dot before, when it is cut short. */
static bool is_temporary(slice name)
{
    return name.ptr[0] == '.' || slice_equal(name, SLICE("checkpoint.new"));
}

static enum err sweep_temporary(int dir_fd)
{
    struct os_dir *d = NULL;
    slice name;
    enum err e = os_dir_open(dir_fd, SLICE("."), &d);
    while (e == ERR_OK) {
        e = os_dir_next(d, &name);
        if (e == ERR_OK && is_temporary(name))
            e = unlink_if_there(dir_fd, name);
    }
    os_dir_close(&d);
    return e == ERR_NOTFOUND ? spool_folder_sync(dir_fd, SLICE(".")) : e;
}

enum err spool_sweep(int dir_fd, bool (*segment_alive)(void *ctx, uint64_t segment),
                     bool (*large_alive)(void *ctx, uint64_t file), void *ctx)
{
    enum err e = sweep_folder(dir_fd, SLICE("large"), spool_large_remove, large_alive, ctx);
    if (e == ERR_OK)
        e = sweep_folder(dir_fd, SLICE("seg"), segment_unlink, segment_alive, ctx);
    return e == ERR_OK ? sweep_temporary(dir_fd) : e;
}
