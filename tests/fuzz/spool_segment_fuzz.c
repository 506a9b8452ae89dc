/* SPDX-License-Identifier: ISC */
/* The records of a segment whose every byte may be wrong. The first byte of the input says whether CRCs are put right first, so that what lies behind them
 * is reached as well; the second, what the walk is told about the segment. Nothing that is reported may reach outside of the bytes. */
#include "spool/walk.h"
#include "spool_repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK 0x4b52414d4b52414dULL /* "MARKMARK" */
#define INPUT_MAX (64u << 10)

struct bounds {
    slice bytes;
    uint32_t from;
};

static enum err on_message(void *ctx, const struct spool_place *place, slice head)
{
    const struct bounds *b = ctx;
    struct arena arena;
    struct spool_head h;
    if (place->offset < b->from || place->offset - b->from + place->length > b->bytes.len)
        abort();
    arena_init(&arena, 1 << 20);
    enum err e = spool_head_decode(head, &arena, &h);
    arena_deinit(&arena);
    return e == ERR_NOMEM ? ERR_CORRUPT : e;
}

static enum err on_outcome(void *ctx, const struct spool_outcome *o)
{
    (void)ctx;
    return o->text.len > UINT16_MAX ? ERR_LIMIT : ERR_OK;
}

static void on_damaged(void *ctx, uint64_t segment, uint32_t offset, slice what)
{
    const struct bounds *b = ctx;
    if (segment != 1 || what.len == 0 || offset < b->from || offset - b->from > b->bytes.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spool_scan_ops ops = {.message = on_message, .outcome = on_outcome, .damaged = on_damaged};
    const struct spool_superblock block = {.number = 1, .mark = MARK, .epoch = 1};
    struct spool_superblock salvaged;
    if (size < 2 || size > INPUT_MAX)
        return 0;
    size_t len = size - 2;
    char *bytes = malloc(len + 1);
    if (!bytes)
        return 0;
    memcpy(bytes, data + 2, len);
    if (data[0] & 1)
        spool_repair(bytes, len, &(struct spool_seal){.mark = MARK, .epoch = 1, .batch = SPOOL_PAGE});
    char *exact = malloc(len ? len : 1);
    memcpy(exact, bytes, len);
    free(bytes);
    struct bounds b = {.bytes = {exact, len}, .from = SPOOL_PAGE};
    const struct spool_walk walk = {
        .block = &block, .bytes = b.bytes, .from = b.from, .acknowledged = data[1] & 1, .ops = &ops, .ctx = &b};
    if (spool_walk_run(&walk) != ERR_OK)
        abort();
    if (spool_walk_salvage(b.bytes, 1, &salvaged) && salvaged.number != 1)
        abort();
    (void)!spool_superblock_decode(b.bytes, &salvaged);
    free(exact);
    return 0;
}
