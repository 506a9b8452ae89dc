/* SPDX-License-Identifier: ISC */
/* What is decoded codes to the same text again (there is one text for each value), and any bytes survive both ways. */
#include "base/base.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size);
    buf plain, coded;
    buf_init(&plain, 2 * size + 8);
    buf_init(&coded, 2 * size + 8);
    if (buf_append_base64_decoded(&plain, in) == ERR_OK) {
        buf_append_base64(&coded, buf_slice(&plain));
        assert(slice_equal(buf_slice(&coded), in) || slice_equal(in, SLICE("=")));
    } else {
        assert(plain.len == 0);
    }
    buf_clear(&plain);
    buf_clear(&coded);
    buf_append_base64(&coded, in);
    enum err e = buf_append_base64_decoded(&plain, buf_slice(&coded));
    assert(e == ERR_OK && slice_equal(buf_slice(&plain), in));

    buf_clear(&plain);
    buf_append_escaped(&plain, in);
    for (size_t i = 0; i < plain.len; i++)
        assert((unsigned char)plain.ptr[i] >= 0x20 && plain.ptr[i] != 0x7f);
    buf_deinit(&plain);
    buf_deinit(&coded);
    return 0;
}
