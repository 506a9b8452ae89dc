/* SPDX-License-Identifier: ISC */
/* Segments that were handed back to their writers: which of them can come back with old records no more. */
#include "spool/scan.h"
#include "spool/segment.h"

/* What another process has written, and perhaps not synced yet, is believed after a sync only. One whose sync of it fails removes the file. */
static bool is_renewed(int fd, const struct spool_freed *f)
{
    char page[SPOOL_SUPERBLOCK];
    struct spool_superblock block;
    size_t got;
    return os_pread(fd, page, sizeof(page), 0, &got) == ERR_OK &&
           spool_superblock_decode(slice_of(page, got), &block) == ERR_OK && block.number == f->segment &&
           block.epoch > f->epoch && os_fdatasync(fd) == ERR_OK;
}

void spool_freed_look(const struct spool_freed_list *list)
{
    bool gone = false;
    for (size_t i = 0; i < list->count; i++) {
        struct spool_freed *f = &list->all[i];
        char name[SPOOL_NAME_SIZE];
        int fd = -1;
        enum err e = os_open(list->dir_fd, spool_segment_name(name, f->segment), O_RDONLY, 0, &fd);
        f->gone = e == ERR_NOTFOUND;
        f->over = f->gone || (e == ERR_OK && is_renewed(fd, f));
        gone = gone || f->gone;
        os_close(&fd);
    }
    if (!gone || spool_folder_sync(list->dir_fd, SLICE("seg")) == ERR_OK)
        return;
    for (size_t i = 0; i < list->count; i++)
        list->all[i].over = list->all[i].over && !list->all[i].gone;
}
