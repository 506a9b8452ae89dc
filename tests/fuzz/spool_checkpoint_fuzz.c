/* SPDX-License-Identifier: ISC */
/* A checkpoint whose every byte may be wrong. The first byte of the input says whether the blocks' numbers and CRCs are put right first. What the
 * checking pass accepts, the reading pass reads without an error. */
#include <sys/mman.h>
#include <unistd.h>

#include "spool/checkpoint_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err on_segment(void *ctx, const struct spool_known *c)
{
    (void)ctx;
    (void)c;
    return ERR_OK;
}

static enum err on_message(void *ctx, const struct spool_place *place, slice state)
{
    uint64_t *sum = ctx;
    *sum += place->id;
    for (size_t i = 0; i < state.len; i++)
        *sum += (unsigned char)state.ptr[i];
    return ERR_OK;
}

static void repair(char *bytes, size_t len)
{
    uint32_t block = 0;
    for (size_t at = 0; len - at >= SPOOL_CHECKPOINT_BLOCK_HEAD; block++) {
        char *head = bytes + at;
        uint32_t length = get_u32(head + 16);
        if (length > len - at - SPOOL_CHECKPOINT_BLOCK_HEAD)
            return;
        put_u32(head + 12, block);
        slice payload = slice_of(head + SPOOL_CHECKPOINT_BLOCK_HEAD, length);
        put_u32(head + 20, spool_checkpoint_block_crc(head, payload));
        at += SPOOL_CHECKPOINT_BLOCK_HEAD + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spool_checkpoint_ops ops = {.segment = on_segment, .message = on_message};
    static int fd = -1;
    uint64_t sum = 0;
    if (size < 1 || size > (64u << 10))
        return 0;
    if (fd < 0)
        fd = memfd_create("checkpoint", MFD_CLOEXEC);
    char *bytes = malloc(size);
    if (!bytes || fd < 0 || os_ftruncate(fd, 0) != ERR_OK)
        abort();
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        repair(bytes, size - 1);
    if (os_pwrite(fd, slice_of(bytes, size - 1), 0) != ERR_OK)
        abort();
    free(bytes);
    if (spool_checkpoint_read(fd, NULL, NULL) == ERR_OK && spool_checkpoint_read(fd, &ops, &sum) != ERR_OK)
        abort();
    return 0;
}
