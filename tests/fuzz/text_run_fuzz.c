/* SPDX-License-Identifier: ISC */
/* The run that content begins with, and those that follow behind the byte that ended it: as a plain reading gives them, whichever way the
 * processor goes. The first byte says where in memory the content begins. */
#include "mail/text_run_check_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    slice content = slice_of(data + 1, size - 1);
    for (int runs = 0; content.len > 0 && runs < 64; runs++) {
        check_text_run(content, data[0] % 64);
        size_t len = find_plainly(content).text.len;
        content = slice_skip(content, len > 0 ? len : 1);
    }
    return 0;
}
