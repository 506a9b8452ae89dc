/* SPDX-License-Identifier: ISC */
/* Any content, cut at any place, becomes what a plain reading makes of it. The first byte says where it is cut. */
#include "mail/local_lines_check_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    check_local_lines(slice_of(data + 1, size - 1), data[0] % size);
    return 0;
}
