/* SPDX-License-Identifier: ISC */
/* Heads and outcomes from a damaged disk. What decodes, encodes to the same bytes again. */
#include <assert.h>

#include "spool/outcome.h"
#include "spool/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(buf *b, slice bytes)
{
    if (!buf_ok(b) || !slice_equal(buf_slice(b), bytes))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice bytes = slice_of(data, size);
    struct arena arena;
    struct spool_head h;
    struct spool_outcome o;
    buf b;
    arena_init(&arena, 1 << 20);
    buf_init(&b, size + 64);
    if (spool_head_decode(bytes, &arena, &h) == ERR_OK) {
        spool_head_encode(&b, &h);
        /* the version before is read, and never written */
        if (b.len == 0 || b.ptr[0] == bytes.ptr[0])
            check_same(&b, bytes);
        const struct envelope *e;
        uint32_t count = spool_head_recipient_count(&h);
        if (count > 0 && !spool_head_recipient(&h, count - 1, &e))
            abort();
        if (spool_head_recipient(&h, count, &e))
            abort();
    }
    buf_clear(&b);
    /* longer texts than the encoder keeps are cut */
    if (spool_outcome_decode(bytes, &o) == ERR_OK && o.text.len <= SPOOL_OUTCOME_TEXT_MAX &&
        o.remote.len <= SPOOL_OUTCOME_TEXT_MAX) {
        spool_outcome_encode(&b, &o);
        check_same(&b, bytes);
    }
    buf_deinit(&b);
    arena_deinit(&arena);
    return 0;
}
