/* SPDX-License-Identifier: ISC */
/* Writing a checkpoint beside the old one, and putting it in its place. */
#include "spool/checkpoint_read.h"
#include "spool/field.h"
#include "spool/scan.h"
#include "spool/segment.h"

#define NAME "checkpoint"
#define NAME_NEW "checkpoint.new"

struct spool_checkpoint {
    int dir_fd, fd;
    uint64_t at;
    uint32_t block;
    uint64_t messages;
    buf b; /* the block that fills */
};

static void free_checkpoint(struct spool_checkpoint **c)
{
    os_close(&(*c)->fd);
    buf_deinit(&(*c)->b);
    free(*c);
    *c = NULL;
}

static void begin_block(struct spool_checkpoint *c)
{
    buf_clear(&c->b);
    char *head = buf_reserve(&c->b, SPOOL_CHECKPOINT_BLOCK_HEAD);
    if (head)
        buf_grown(&c->b, SPOOL_CHECKPOINT_BLOCK_HEAD);
}

enum err spool_checkpoint_begin(int dir_fd, struct spool_checkpoint **c_r)
{
    struct spool_checkpoint *c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NOMEM;
    c->dir_fd = dir_fd;
    c->fd = -1;
    buf_init(&c->b, SPOOL_CHECKPOINT_BLOCK_HEAD + SPOOL_CHECKPOINT_BLOCK_MAX);
    begin_block(c);
    enum err e = os_open(dir_fd, SLICE(NAME_NEW), O_RDWR | O_CREAT | O_TRUNC, 0600, &c->fd);
    if (e != ERR_OK) {
        free_checkpoint(&c);
        return e;
    }
    *c_r = c;
    return ERR_OK;
}

static enum err end_block(struct spool_checkpoint *c)
{
    if (!buf_ok(&c->b))
        return ERR_NOMEM;
    char *head = c->b.ptr;
    slice payload = slice_skip(buf_slice(&c->b), SPOOL_CHECKPOINT_BLOCK_HEAD);
    if (payload.len == 0)
        return ERR_OK;
    memcpy(head, SPOOL_CHECKPOINT_MAGIC, 8);
    put_u32(head + 8, SPOOL_FORMAT);
    put_u32(head + 12, c->block);
    put_u32(head + 16, (uint32_t)payload.len);
    put_u32(head + 20, spool_checkpoint_block_crc(head, payload));
    enum err e = os_pwrite(c->fd, buf_slice(&c->b), c->at);
    c->at += c->b.len;
    c->block++;
    begin_block(c);
    return e;
}

static enum err entry_added(struct spool_checkpoint *c)
{
    if (!buf_ok(&c->b))
        return ERR_NOMEM;
    return c->b.len < SPOOL_CHECKPOINT_STEP ? ERR_OK : end_block(c);
}

enum err spool_checkpoint_segment(struct spool_checkpoint *c, uint64_t segment, uint32_t epoch, uint32_t covered)
{
    field_put_u8(&c->b, SPOOL_CHECKPOINT_SEGMENT);
    field_put_u64(&c->b, segment);
    field_put_u32(&c->b, epoch);
    field_put_u32(&c->b, covered);
    return entry_added(c);
}

enum err spool_checkpoint_add(struct spool_checkpoint *c, const struct spool_place *place, slice state)
{
    if (state.len > SPOOL_CHECKPOINT_STATE_MAX)
        return ERR_LIMIT;
    field_put_u8(&c->b, SPOOL_CHECKPOINT_MESSAGE);
    field_put_u64(&c->b, place->segment);
    field_put_u64(&c->b, place->id);
    field_put_u32(&c->b, place->offset);
    field_put_u32(&c->b, place->length);
    field_put_u32(&c->b, place->epoch);
    field_put_u16(&c->b, place->copy);
    field_put_u32(&c->b, (uint32_t)state.len);
    buf_append(&c->b, state);
    c->messages++;
    return entry_added(c);
}

enum err spool_checkpoint_commit(struct spool_checkpoint **checkpoint)
{
    struct spool_checkpoint *c = *checkpoint;
    field_put_u8(&c->b, SPOOL_CHECKPOINT_END);
    field_put_u64(&c->b, c->messages);
    enum err e = end_block(c);
    if (e == ERR_OK)
        e = os_fsync(c->fd);
    if (e == ERR_OK)
        e = os_rename(c->dir_fd, SLICE(NAME_NEW), c->dir_fd, SLICE(NAME));
    if (e != ERR_OK) {
        spool_checkpoint_abort(checkpoint);
        return e;
    }
    e = spool_folder_sync(c->dir_fd, SLICE("."));
    free_checkpoint(checkpoint);
    return e;
}

void spool_checkpoint_abort(struct spool_checkpoint **checkpoint)
{
    struct spool_checkpoint *c = *checkpoint;
    if (!c)
        return;
    enum err e = os_unlink(c->dir_fd, SLICE(NAME_NEW));
    (void)e; /* the next one begins by cutting it to nothing */
    free_checkpoint(checkpoint);
}
