/* SPDX-License-Identifier: ISC */
/* The format between deliver's parent and its workers: whatever the bytes, an item or answer that is taken says the same when it is written and read again. */
#include <assert.h>

#include "os/os.h"
#include "proc/deliver/item.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void item_again(slice in)
{
    struct item i;
    size_t used;
    buf b;
    buf_init(&b, 2 * ITEM_FRAME_MAX);
    while (item_decode(in, &i, &used) == ERR_OK) {
        assert(used > 0 && used <= in.len);
        buf_clear(&b);
        item_encode(&b, &i);
        assert(slice_equal(buf_slice(&b), slice_sub(in, 0, used)));
        in = slice_skip(in, used);
    }
    buf_deinit(&b);
}

static void answer_again(slice in)
{
    struct item_answer a;
    size_t used;
    buf b;
    buf_init(&b, 2 * ITEM_FRAME_MAX);
    while (item_answer_decode(in, &a, &used) == ERR_OK) {
        assert(used > 0 && used <= in.len);
        buf_clear(&b);
        item_answer_encode(&b, &a);
        assert(a.verdict.text.len > 2048 || slice_equal(buf_slice(&b), slice_sub(in, 0, used)));
        in = slice_skip(in, used);
    }
    buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    item_again(slice_of(data, size));
    answer_again(slice_of(data, size));
    return 0;
}
