/* SPDX-License-Identifier: ISC */
/* Durations and sizes: within their limits, and printing them never says more than there is. */
#include "base/base.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size);
    char memory[64];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    int64_t seconds, seconds_again;
    if (units_parse_duration(in, &seconds) == ERR_OK) {
        assert(seconds >= 0 && seconds <= INT64_C(36525) * 86400);
        units_print_age(&b, seconds);
        enum err e = units_parse_duration(buf_slice(&b), &seconds_again);
        assert(e == ERR_OK && seconds_again <= seconds && seconds_again >= seconds / 2);
    }
    buf_clear(&b);
    uint64_t bytes, bytes_again;
    if (units_parse_size(in, &bytes) == ERR_OK) {
        assert(bytes <= UINT64_C(1) << 62);
        units_print_size(&b, bytes);
        assert(buf_ok(&b) && b.len > 0);
        slice head, tail;
        if (!slice_cut(buf_slice(&b), '.', &head, &tail)) {
            enum err e = units_parse_size(buf_slice(&b), &bytes_again);
            assert(e == ERR_OK && bytes_again <= bytes && bytes_again >= bytes / 2);
        }
    }
    return 0;
}
