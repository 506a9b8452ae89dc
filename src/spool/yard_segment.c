/* SPDX-License-Identifier: ISC */
/* Segments before and after their use: birth, recycling, the end. */
#include <assert.h>

#include "spool/writer_parts.h"

#define STEP (1u << 20)
#define RETRY_US 1000000

bool spool_yard_segment_wanted(const struct spool_writer *w, int64_t now_us)
{
    if (!list_empty(&w->recycling) || w->birth)
        return true;
    if (w->segment_needed)
        return w->range_count > 0 || !w->numbers_asked;
    return w->spare_count < SPARES && (w->range_count > 0 || !w->numbers_asked) && now_us >= w->birth_retry_us;
}

static void add_spare(struct spool_writer *w, struct writer_segment *s)
{
    pthread_mutex_lock(&w->lock);
    s->state = SEGMENT_SPARE;
    s->committed = SPOOL_PAGE;
    list_push(&w->spares, &s->link);
    w->spare_count++;
    w->birth_retry_us = 0;
    if (w->segment_needed) {
        w->segment_needed = false;
        pthread_cond_signal(&w->journal_wake);
    }
    pthread_mutex_unlock(&w->lock);
}

/* Background births are tried again after a while; one that the journal waits for fails its batch. */
static void report_failure(struct spool_writer *w, enum err e)
{
    pthread_mutex_lock(&w->lock);
    w->birth_retry_us = os_now_us() + RETRY_US;
    if (w->segment_needed) {
        w->segment_needed = false;
        w->segment_err = e;
        pthread_cond_signal(&w->journal_wake);
    }
    pthread_mutex_unlock(&w->lock);
}

static void unlink_segment(struct spool_writer *w, struct writer_segment *s)
{
    char name[SPOOL_NAME_SIZE];
    os_close(&s->fd);
    enum err e = os_unlink(w->o.dir_fd, spool_segment_name(name, s->block.number));
    (void)e; /* it holds nothing alive: the next sweep removes what stays */
}

void spool_yard_birth_fail(struct spool_writer *w, enum err e)
{
    unlink_segment(w, w->birth);
    free(w->birth);
    w->birth = NULL;
    report_failure(w, e);
}

static enum err write_superblock(int fd, const struct spool_superblock *block)
{
    char page[SPOOL_PAGE];
    spool_superblock_encode(page, block);
    enum err e = os_pwrite(fd, slice_of(page, sizeof(page)), 0);
    return e == ERR_OK ? os_fdatasync(fd) : e;
}

/* What the disk must have left for a birth: outcomes may use the reserve, and a spare is not worth more than its tenth. */
static enum err check_space(struct spool_writer *w, bool needed, size_t spare_count)
{
    uint64_t bytes, total, inodes;
    enum err e = os_free_space(w->o.dir_fd, &bytes, &total, &inodes);
    if (e != ERR_OK || w->o.outcomes_only)
        return e;
    if (bytes < w->o.min_free || bytes - w->o.min_free < w->segment_size)
        return ERR_NOSPACE;
    if (!needed && (spare_count + 1) * w->segment_size > bytes / 10)
        return ERR_NOSPACE;
    return ERR_OK;
}

/* ERR_AGAIN: there is no number to be had yet; the yard is called when there is. */
static enum err create(struct spool_writer *w, struct writer_segment **segment_r)
{
    if (!w->zeros)
        w->zeros = calloc(1, STEP);
    struct writer_segment *s = w->zeros ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return ERR_NOMEM;
    pthread_mutex_lock(&w->lock);
    uint64_t number = spool_writer_number(w);
    pthread_mutex_unlock(&w->lock);
    char name[SPOOL_NAME_SIZE];
    list_init(&s->link);
    s->fd = -1;
    s->block = (struct spool_superblock){.number = number,
                                         .mark = spool_segment_draw_mark(),
                                         .writer = w->o.writer,
                                         .epoch = 1,
                                         .size = w->segment_size};
    enum err e = ERR_AGAIN;
    if (number > 0)
        e = os_open(w->o.dir_fd, spool_segment_name(name, number), O_RDWR | O_CREAT | O_EXCL, 0600, &s->fd);
    if (e != ERR_OK) {
        free(s);
        return number > 0 && e == ERR_AGAIN ? ERR_SYSTEM : e;
    }
    *segment_r = s;
    return ERR_OK;
}

static void birth_begin(struct spool_writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool needed = w->segment_needed;
    size_t spare_count = w->spare_count;
    pthread_mutex_unlock(&w->lock);
    struct writer_segment *s = NULL;
    enum err e = check_space(w, needed, spare_count);
    if (e == ERR_OK)
        e = create(w, &s);
    if (e == ERR_AGAIN)
        return;
    if (e != ERR_OK) {
        report_failure(w, e);
        return;
    }
    w->birth = s;
    w->birth_at = 0;
    e = os_fallocate(s->fd, w->segment_size);
    if (e != ERR_OK && e != ERR_UNSUPPORTED)
        spool_yard_birth_fail(w, e);
}

static void birth_step(struct spool_writer *w)
{
    struct writer_segment *s = w->birth;
    uint32_t left = w->segment_size - w->birth_at;
    uint32_t len = left < STEP ? left : STEP;
    enum err e = os_pwrite(s->fd, slice_of(w->zeros, len), w->birth_at);
    if (e == ERR_OK) {
        os_writeback(s->fd, w->birth_at, len);
        w->birth_at += len;
    }
    bool last = e == ERR_OK && w->birth_at == w->segment_size;
    if (last)
        e = write_superblock(s->fd, &s->block);
    if (last && e == ERR_OK)
        e = spool_folder_sync(w->o.dir_fd, SLICE("seg"));
    if (e != ERR_OK) {
        spool_yard_birth_fail(w, e);
    } else if (last) {
        w->birth = NULL;
        add_spare(w, s);
    }
}

/* The superblock of the higher epoch is on the disk, alone, before the segment can be written again. */
static enum err renew(struct spool_writer *w, struct writer_segment *s, const struct spool_superblock *block)
{
    char name[SPOOL_NAME_SIZE];
    enum err e = os_open(w->o.dir_fd, spool_segment_name(name, block->number), O_RDWR, 0, &s->fd);
    return e == ERR_OK ? write_superblock(s->fd, block) : e;
}

/* Until then it is one of the writer's segments for everybody else: a checkpoint that left it out would bring its mails back. */
static struct writer_segment *finish_recycling(struct spool_writer *w, const struct spool_superblock *block)
{
    pthread_mutex_lock(&w->lock);
    struct writer_segment *s = LIST_ENTRY(list_pop(&w->recycling), struct writer_segment, link);
    s->block = *block;
    pthread_mutex_unlock(&w->lock);
    return s;
}

static void recycle_one(struct spool_writer *w)
{
    pthread_mutex_lock(&w->lock);
    struct writer_segment *s = LIST_ENTRY(w->recycling.next, struct writer_segment, link);
    struct spool_superblock block = s->block;
    size_t spare_count = w->spare_count;
    pthread_mutex_unlock(&w->lock);
    bool keep = s->state == SEGMENT_CLOSED && spare_count < SPARES_RECYCLED && block.epoch < UINT32_MAX;
    if (keep && spare_count >= SPARES)
        keep = check_space(w, false, spare_count) == ERR_OK;
    block.epoch++;
    block.mark = spool_segment_draw_mark();
    if (keep && renew(w, s, &block) == ERR_OK) {
        add_spare(w, finish_recycling(w, &block));
        return;
    }
    unlink_segment(w, s);
    enum err e = spool_folder_sync(w->o.dir_fd, SLICE("seg"));
    (void)e; /* a segment that comes back after a power cut costs duplicates, no mail */
    free(finish_recycling(w, &block));
}

void spool_yard_segment_step(struct spool_writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool recycle = !list_empty(&w->recycling);
    pthread_mutex_unlock(&w->lock);
    if (recycle)
        recycle_one(w);
    else if (w->birth)
        birth_step(w);
    else
        birth_begin(w);
}
